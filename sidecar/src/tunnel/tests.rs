//! Ends of every kind, over real sockets on one side and a real HTTP/2 stream on the other.

use std::pin::pin;

use http::{Method, Request, Response};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::net::TcpListener;

use super::*;

/// An application, a tunnel, and the other end of its stream.
struct Rig {
    application: TcpStream,
    near: Near,
    far: Far,
    other: Far,
}

async fn rig(connections: &kith_runtime::Tasks) -> Rig {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (application, accepted) = tokio::join!(connecting, listener.accept());
    let (far, other) = stream(connections).await;
    let near = Near::new(accepted.unwrap().0, Vec::new()).unwrap();
    Rig { application: application.unwrap(), near, far, other }
}

async fn stream(connections: &kith_runtime::Tasks) -> (Far, Far) {
    let (client, server): (DuplexStream, DuplexStream) = tokio::io::duplex(64 * 1024);
    let (client, server) = tokio::join!(h2::client::handshake(client), h2::server::handshake(server));
    let ((mut sender, client), mut server) = (client.unwrap(), server.unwrap());
    connections.spawn(async move { drop(client.await) });
    let request = Request::builder().method(Method::CONNECT).uri("db:80").body(()).unwrap();
    let (response, send) = sender.send_request(request, false).unwrap();
    let (request, mut respond) = server.accept().await.unwrap().unwrap();
    let other_send = respond.send_response(Response::new(()), false).unwrap();
    connections.spawn(async move { while server.accept().await.is_some() {} });
    let receive = response.await.unwrap().into_body();
    // Held for as long as its connection: the last sender ends it.
    connections.spawn(async move {
        let mut sender = sender;
        let _ = poll_fn(|cx| sender.poll_ready(cx)).await;
        std::future::pending::<()>().await;
    });
    (Far { send: other_send, receive: request.into_body() }, Far { send, receive })
}

async fn all(receive: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = receive.data().await {
        let data = data?;
        receive.flow_control().release_capacity(data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[tokio::test]
async fn bytes_and_half_closes_travel_both_ways() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    let large = vec![7; 3 * 1024 * 1024];
    let (carried, (), ()) = tokio::join!(
        carry(near, far, std::future::pending::<()>()),
        async {
            application.write_all(b"to the far side").await.unwrap();
            application.shutdown().await.unwrap();
            let mut answer = Vec::new();
            application.read_to_end(&mut answer).await.unwrap();
            assert_eq!(answer.len(), 3 * 1024 * 1024);
        },
        async {
            // The answer comes after the half-close: it must not have ended the other direction.
            assert_eq!(all(&mut other.receive).await.unwrap(), b"to the far side");
            send(&mut other.send, large.into()).await.unwrap();
            other.send.send_data(Bytes::new(), true).unwrap();
        }
    );
    assert_eq!(carried, Carried { to_far: 15, to_near: 3 * 1024 * 1024, end: End::Clean });
    connections.cut();
}

#[tokio::test]
async fn an_abort_of_the_application_is_a_reset_of_the_stream() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    application.write_all(b"half of it").await.unwrap();
    SockRef::from(&application).set_linger(Some(Duration::ZERO)).unwrap();
    let (carried, (seen, ())) = tokio::join!(carry(near, far, std::future::pending::<()>()), async {
        let first = other.receive.data().await.unwrap().unwrap();
        drop(application);
        (first, assert!(all(&mut other.receive).await.is_err(), "it looks complete"))
    });
    assert_eq!((&seen[..], carried.end), (b"half of it".as_slice(), End::NearAborted));
    connections.cut();
}

#[tokio::test]
async fn an_abort_after_a_half_close_is_seen_although_nothing_is_read_any_more() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    application.shutdown().await.unwrap();
    let (carried, ()) = tokio::join!(carry(near, far, std::future::pending::<()>()), async {
        assert_eq!(all(&mut other.receive).await.unwrap(), b"");
        SockRef::from(&application).set_linger(Some(Duration::ZERO)).unwrap();
        drop(application);
    });
    assert_eq!(carried.end, End::NearAborted);
    connections.cut();
}

#[tokio::test]
async fn a_reset_of_the_stream_is_a_reset_for_the_application() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    send(&mut other.send, Bytes::from_static(b"half of it")).await.unwrap();
    let (carried, error) = tokio::join!(carry(near, far, std::future::pending::<()>()), async {
        let mut half = [0; 10];
        application.read_exact(&mut half).await.unwrap();
        other.send.send_reset(Reason::CANCEL);
        application.read(&mut half).await.unwrap_err()
    });
    assert_eq!((carried.end, error.kind()), (End::FarAborted, io::ErrorKind::ConnectionReset));
    connections.cut();
}

#[tokio::test]
async fn a_lost_session_is_a_reset_for_the_application_even_after_its_half_close() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    application.shutdown().await.unwrap();
    let (carried, error) = tokio::join!(carry(near, far, std::future::pending::<()>()), async {
        assert_eq!(all(&mut other.receive).await.unwrap(), b"");
        connections.cut();
        application.read(&mut [0; 1]).await.unwrap_err()
    });
    assert_eq!((carried.end, error.kind()), (End::FarAborted, io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_cut_is_a_reset_on_both_sides_also_of_a_stream_that_nobody_reads() {
    let connections = kith_runtime::Tasks::new();
    let Rig { mut application, near, far, mut other } = rig(&connections).await;
    let (cut, over) = tokio::sync::oneshot::channel::<()>();
    let mut carrying = pin!(carry(near, far, over));
    // More than both windows and both socket buffers hold: it stops in the middle.
    let flood = vec![1; 1024 * 1024];
    loop {
        tokio::select! {
            _ = &mut carrying => panic!("it ended"),
            written = application.write_all(&flood) => written.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(200)) => break,
        }
    }
    cut.send(()).unwrap();
    assert_eq!(carrying.await.end, End::Cut);
    assert!(all(&mut other.receive).await.is_err());
    // Its kernel knows before it reads: what it has not sent is gone.
    assert!(application.write_all(&flood).await.is_err());
    connections.cut();
}
