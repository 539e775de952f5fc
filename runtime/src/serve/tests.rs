//! The accept loop under errors, at its limit, and when it stops.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};

use super::*;

const LIMITS: Limits = Limits { connections: 8 };

/// A listener that answers what it was told, in order; after the last it waits forever.
#[derive(Clone)]
struct Script(Arc<Mutex<VecDeque<io::Result<u32>>>>);

fn script(answers: impl IntoIterator<Item = io::Result<u32>>) -> Script {
    Script(Arc::new(Mutex::new(answers.into_iter().collect())))
}

impl Accept for Script {
    type Connection = u32;

    async fn accept(&self) -> io::Result<u32> {
        let next = self.0.lock().unwrap().pop_front();
        match next {
            Some(answer) => answer,
            None => pending().await,
        }
    }
}

/// A listener that always fails in the same way, and counts.
struct Failing {
    errno: Errno,
    tries: Arc<AtomicUsize>,
}

impl Accept for Failing {
    type Connection = u32;

    async fn accept(&self) -> io::Result<u32> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        failure(self.errno)
    }
}

fn failure(errno: Errno) -> io::Result<u32> {
    Err(io::Error::from(errno))
}

/// Runs the loop over a script until as many connections as expected came, and says when each did.
async fn arrivals(script: Script, expected: usize) -> Vec<(u32, Duration)> {
    let (_stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    let handle = move |connection| {
        let sender = sender.clone();
        async move { sender.send((connection, start.elapsed())).unwrap() }
    };
    let mut arrived = Vec::new();
    tokio::select! {
        () = accept_until_stopped(script, LIMITS, stop, &tasks, handle) => {}
        () = async {
            while arrived.len() < expected {
                arrived.push(receiver.recv().await.unwrap());
            }
        } => {}
    }
    arrived
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_process_pauses_longer_and_longer_up_to_a_second_and_recovers() {
    let mut answers: Vec<_> = (0..6).map(|_| failure(Errno::EMFILE)).collect();
    answers.push(Ok(1));
    answers.push(failure(Errno::ENFILE));
    answers.push(Ok(2));

    let arrived = arrivals(script(answers), 2).await;

    let ms = Duration::from_millis;
    let first = ms(100 + 200 + 400 + 800 + 1000 + 1000);
    assert_eq!(arrived[0], (1, first));
    // A success starts the pauses over.
    assert_eq!(arrived[1], (2, first + ms(100)));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_one_connection_hardly_delays_the_next_one() {
    let errors = [Errno::ECONNABORTED, Errno::EPROTO, Errno::ENETUNREACH, Errno::EINTR, Errno::EPERM];
    let arrived = arrivals(script(errors.map(failure).into_iter().chain([Ok(7)])), 1).await;
    assert_eq!(arrived[0].0, 7);
    assert_eq!(arrived[0].1, 5 * SHORT_PAUSE);
}

#[tokio::test(start_paused = true)]
async fn endless_errors_neither_end_the_loop_nor_spin_nor_keep_it_from_stopping() {
    for errno in [Errno::EMFILE, Errno::ECONNABORTED, Errno::EBADF] {
        let tries = Arc::new(AtomicUsize::new(0));
        let listener = Failing { errno, tries: Arc::clone(&tries) };
        let (stopper, stop) = Stop::new();
        let tasks = Tasks::new();
        let serving = accept_until_stopped(listener, LIMITS, stop, &tasks, |_| async {});
        tokio::join!(serving, async {
            sleep(Duration::from_secs(10)).await;
            stopper.begin();
        });
        let tries = tries.load(Ordering::Relaxed);
        if errno == Errno::ECONNABORTED {
            assert!(tries > 100, "an aborted connection must not pause the listener: {tries}");
        } else {
            // 100 + 200 + 400 + 800 ms, then one a second.
            assert!((10..=14).contains(&tries), "{errno}: {tries} tries in ten seconds");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_the_limit_waits_for_an_earlier_one_to_end() {
    let (_stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let script = script([Ok(1), Ok(2)]);
    let (sender, mut started) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let handle = {
        let release = Arc::clone(&release);
        move |connection| {
            let (sender, release) = (sender.clone(), Arc::clone(&release));
            async move {
                sender.send(connection).unwrap();
                release.notified().await;
            }
        }
    };
    let limits = Limits { connections: 1 };
    let serving = accept_until_stopped(script.clone(), limits, stop, &tasks, handle);
    let checks = async {
        assert_eq!(started.recv().await, Some(1));
        // Paused time moves only when every task waits: the loop had its chance.
        sleep(Duration::from_secs(60)).await;
        assert!(started.try_recv().is_err());
        assert_eq!(script.0.lock().unwrap().len(), 1, "the second connection was accepted over the limit");
        release.notify_one();
        assert_eq!(started.recv().await, Some(2));
    };
    tokio::select! {
        () = serving => panic!("the loop ended"),
        () = checks => {}
    }
}

#[tokio::test]
async fn a_limit_of_zero_serves_one_connection_rather_than_none() {
    assert_eq!(Permits::new(Limits { connections: 0 }).semaphore.available_permits(), 1);
    assert_eq!(Permits::new(Limits { connections: usize::MAX }).limit, Semaphore::MAX_PERMITS);
}

#[tokio::test]
async fn tcp_connections_are_served_without_delay_and_the_port_closes_when_the_stop_begins() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let inner = tasks.clone();
    // Spawned, as every process does: the loop's future has to be `Send`.
    tasks.spawn(async move {
        serve(listener, LIMITS, stop, &inner, |mut stream, peer| async move {
            assert!(stream.nodelay().unwrap());
            assert_eq!(peer, stream.peer_addr().unwrap());
            stream.write_all(b"served").await.unwrap();
        })
        .await;
    });

    let mut served = String::new();
    TcpStream::connect(address).await.unwrap().read_to_string(&mut served).await.unwrap();
    assert_eq!(served, "served");

    stopper.begin();
    tasks.ended().await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn unix_connections_are_served_and_a_panic_in_one_leaves_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("serve.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (stopper, stop) = Stop::new();
    let tasks = Tasks::new();
    let inner = tasks.clone();
    tasks.spawn(async move {
        serve_unix(listener, LIMITS, stop, &inner, |mut stream| async move {
            let asked = stream.read_u8().await.unwrap();
            assert_ne!(asked, b'!', "asked to panic");
            stream.write_u8(asked).await.unwrap();
        })
        .await;
    });

    let mut panicking = UnixStream::connect(&path).await.unwrap();
    panicking.write_u8(b'!').await.unwrap();
    assert_eq!(panicking.read(&mut [0]).await.unwrap(), 0);
    let mut other = UnixStream::connect(&path).await.unwrap();
    other.write_u8(b'x').await.unwrap();
    assert_eq!(other.read_u8().await.unwrap(), b'x');

    stopper.begin();
    tasks.ended().await;
}
