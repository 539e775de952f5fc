//! Applications of several manners behind a sidecar under test.

use std::net::SocketAddr;
use std::time::Duration;

use kith_runtime::Tasks;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

/// Nothing in a test takes longer.
const LIMIT: Duration = Duration::from_secs(20);
/// As long as a head may be here.
const LONGEST_HEAD: usize = 16 * 1024;

/// One that listens, and tells what reached it.
pub(super) struct Application {
    pub(super) address: SocketAddr,
    /// Heads of requests; of bytes, the first ones.
    seen: Mutex<mpsc::UnboundedReceiver<String>>,
    tasks: Tasks,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Answers each request with 200 and its port.
    Answers,
    /// Reads requests and answers none.
    Hears,
    /// Sends back what it gets.
    Echoes,
    /// Greets whoever connects.
    Greets,
    /// Switches, and then sends back what it gets.
    Switches,
}

impl Application {
    pub(super) async fn start() -> Self {
        Self::of(Manner::Answers).await
    }

    pub(super) async fn silent() -> Self {
        Self::of(Manner::Hears).await
    }

    pub(super) async fn echo() -> Self {
        Self::of(Manner::Echoes).await
    }

    pub(super) async fn speaks_first() -> Self {
        Self::of(Manner::Greets).await
    }

    pub(super) async fn websocket() -> Self {
        Self::of(Manner::Switches).await
    }

    async fn of(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (saw, seen) = mpsc::unbounded_channel();
        let tasks = Tasks::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let saw = saw.clone();
                connections.spawn(async move { serve(stream, manner, &saw).await });
            }
        });
        Self { address, seen: Mutex::new(seen), tasks }
    }

    /// The head of the next request.
    pub(super) async fn head(&self) -> String {
        timeout(LIMIT, async { self.seen.lock().await.recv().await }).await.unwrap().unwrap()
    }

    /// Whether no byte reached it.
    pub(super) async fn is_untouched(&self) -> bool {
        self.seen.lock().await.try_recv().is_err()
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.tasks.cut();
    }
}

/// How the peer ends a connection is its own business.
async fn serve(mut stream: TcpStream, manner: Manner, saw: &mpsc::UnboundedSender<String>) {
    let port = stream.local_addr().unwrap().port();
    match manner {
        Manner::Answers => loop {
            let head = head(&mut stream).await;
            if head.is_empty() {
                return;
            }
            saw.send(head).unwrap();
            let body = format!("port {port}\n");
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.unwrap();
        },
        Manner::Hears => loop {
            let head = head(&mut stream).await;
            if head.is_empty() {
                return;
            }
            saw.send(head).unwrap();
        },
        Manner::Echoes => echo(stream).await,
        Manner::Greets => {
            stream.write_all(b"hello").await.unwrap();
            let mut first = [0; 1];
            if matches!(stream.read(&mut first).await, Ok(1..)) {
                saw.send(String::from_utf8_lossy(&first).into_owned()).unwrap();
            }
        }
        Manner::Switches => {
            saw.send(head(&mut stream).await).unwrap();
            let answer =
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            echo(stream).await;
        }
    }
}

/// Sends back what it gets, and ends as its caller does.
pub(super) async fn echo(mut stream: TcpStream) {
    let (mut read, mut write) = stream.split();
    if tokio::io::copy(&mut read, &mut write).await.is_ok() {
        drop(write.shutdown().await);
    }
}

/// The head of the next message; empty when there is none. What is behind it is not touched, but for a body that came in
/// the same piece.
pub(super) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < LONGEST_HEAD {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}
