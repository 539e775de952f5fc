//! Ends of every kind between two real connections.

use std::future::pending;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Two programs, and the tunnel's ends towards them.
struct Rig {
    application: TcpStream,
    near: Near,
    far: Near,
    other: TcpStream,
}

async fn rig() -> Rig {
    let (application, near) = pair().await;
    let (other, far) = pair().await;
    Rig { application, near, far, other }
}

async fn pair() -> (TcpStream, Near) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (program, accepted) = tokio::join!(connecting, listener.accept());
    (program.unwrap(), Near::new(accepted.unwrap().0, Vec::new()).unwrap())
}

async fn read_all(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await?;
    Ok(all)
}

#[tokio::test]
async fn bytes_and_half_closes_travel_both_ways() {
    let Rig { mut application, near, far, mut other } = rig().await;
    let large = vec![7; 3 * 1024 * 1024];
    let (carried, (), ()) = tokio::join!(
        carry_plain(near, far, pending::<()>(), |_| true),
        async {
            application.write_all(b"to the far side").await.unwrap();
            application.shutdown().await.unwrap();
            assert_eq!(read_all(&mut application).await.unwrap().len(), 3 * 1024 * 1024);
        },
        async {
            assert_eq!(read_all(&mut other).await.unwrap(), b"to the far side");
            other.write_all(&large).await.unwrap();
            other.shutdown().await.unwrap();
        }
    );
    assert_eq!(carried, Carried { to_far: 15, to_near: 3 * 1024 * 1024, end: End::Clean });
}

#[tokio::test]
async fn what_was_read_already_comes_first() {
    let Rig { mut application, near, mut far, mut other } = rig().await;
    far.first = Bytes::from_static(b"first ");
    let (carried, (), read) = tokio::join!(
        carry_plain(near, far, pending::<()>(), |_| true),
        async {
            other.write_all(b"then").await.unwrap();
            other.shutdown().await.unwrap();
        },
        async {
            application.shutdown().await.unwrap();
            read_all(&mut application).await
        }
    );
    assert_eq!((carried.end, read.unwrap()), (End::Clean, b"first then".to_vec()));
}

#[tokio::test]
async fn an_abort_of_one_side_is_a_reset_for_the_other_also_after_its_half_close() {
    for half_close in [false, true] {
        for far_aborts in [false, true] {
            let Rig { application, near, far, other } = rig().await;
            let (mut aborts, reads) = if far_aborts { (other, application) } else { (application, other) };
            let (carried, (), ended) = tokio::join!(
                carry_plain(near, far, pending::<()>(), |_| true),
                async {
                    aborts.write_all(b"x").await.unwrap();
                    if half_close {
                        aborts.shutdown().await.unwrap();
                    }
                    SockRef::from(&aborts).set_linger(Some(std::time::Duration::ZERO)).unwrap();
                    drop(aborts);
                },
                reset(reads)
            );
            let aborted = if far_aborts { End::FarAborted } else { End::NearAborted };
            assert_eq!(carried.end, aborted, "half-close {half_close}");
            assert!(matches!(ended, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe), "{ended}");
        }
    }
}

/// Reads and writes until one of the two meets an error; a clean end alone is none.
async fn reset(mut stream: TcpStream) -> io::ErrorKind {
    let mut byte = [0; 1];
    loop {
        let met = match stream.read(&mut byte).await {
            // After a half-close only a write meets the reset.
            Ok(0) => stream.write_all(b"y").await,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = met {
            return error.kind();
        }
    }
}

#[tokio::test]
async fn a_cut_resets_both_sides() {
    let Rig { mut application, near, far, mut other } = rig().await;
    let carried = carry_plain(near, far, std::future::ready(()), |_| true).await;
    assert_eq!(carried, Carried { to_far: 0, to_near: 0, end: End::Cut });
    for side in [&mut application, &mut other] {
        assert_eq!(read_all(side).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }
}

#[tokio::test]
async fn nothing_of_what_begins_wrongly_reaches_the_application() {
    let Rig { mut application, near, far, mut other } = rig().await;
    let (carried, ()) = tokio::join!(carry_plain(near, far, pending::<()>(), |first| first != b'G'), async {
        other.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap()
    },);
    assert_eq!(carried, Carried { to_far: 0, to_near: 0, end: End::NotAdmitted });
    assert_eq!(read_all(&mut application).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}
