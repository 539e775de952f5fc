//! An application that answers with whatever bytes the test likes, and keeps all bytes that reach it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kith_runtime::{Limits, Stop, Stopper, Tasks, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const READY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nready";

/// What to do about one request.
pub(super) enum Answer {
    /// Write this, and read the next request.
    Once(Vec<u8>),
    /// Write this again and again until nobody takes it any more.
    Forever(&'static [u8]),
}

/// The application.
pub(super) struct Scripted {
    pub(super) address: SocketAddr,
    received: Arc<Mutex<Vec<u8>>>,
    /// How many endless answers nobody takes any more.
    given_up: watch::Receiver<usize>,
    stopper: Stopper,
}

impl Scripted {
    /// Answers by the path of each request; `/ready` is answered by itself.
    pub(super) async fn start(
        script: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let ((stopper, stop), tasks) = (Stop::new(), Tasks::new());
        let (script, received) = (Arc::new(script), Arc::<Mutex<Vec<u8>>>::default());
        let (over, given_up) = watch::channel(0);
        let (seen, accepting) = (Arc::clone(&received), tasks.clone());
        tasks.spawn(async move {
            let each = move |stream, _| {
                let (script, seen, over) = (Arc::clone(&script), Arc::clone(&seen), over.clone());
                async move {
                    // A sidecar that goes away is what some scripts are about.
                    let _ = answer(stream, &*script, &seen, &over).await;
                }
            };
            serve(listener, Limits { connections: 256 }, stop, &accepting, each).await;
        });
        Ok(Self { address, received, given_up, stopper })
    }

    /// Everything that came in so far, over all connections.
    pub(super) fn received(&self) -> anyhow::Result<String> {
        let received = self.received.lock().map_err(|_| anyhow::anyhow!("the application panicked"))?;
        Ok(String::from_utf8_lossy(&received).into_owned())
    }

    /// Waits until so many endless answers were given up.
    pub(super) async fn until_given_up(&self, count: usize) -> anyhow::Result<()> {
        self.given_up.clone().wait_for(|given_up| *given_up >= count).await?;
        Ok(())
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopper.force();
    }
}

async fn answer(
    mut stream: TcpStream,
    script: &(impl Fn(&str) -> Answer + Sync),
    received: &Mutex<Vec<u8>>,
    given_up: &watch::Sender<usize>,
) -> anyhow::Result<()> {
    let mut head = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&piece[..count]);
        if let Ok(mut received) = received.lock() {
            received.extend_from_slice(&piece[..count]);
        }
        while let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            let request = String::from_utf8_lossy(&head.drain(..end + 4).collect::<Vec<_>>()).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let answer = if path == "/ready" { Answer::Once(READY.to_vec()) } else { script(path) };
            match answer {
                Answer::Once(bytes) => stream.write_all(&bytes).await?,
                Answer::Forever(bytes) => {
                    while stream.write_all(bytes).await.is_ok() {}
                    given_up.send_modify(|count| *count += 1);
                    return Ok(());
                }
            }
        }
    }
}
