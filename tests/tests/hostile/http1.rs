//! HTTP/1.1 as bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::SOON;
use super::site::Wire;

/// All that came back until the connection ended.
#[derive(Debug)]
pub(super) struct Reply(pub(super) String);

impl Reply {
    /// The status of the first answer.
    pub(super) fn status(&self) -> Option<u16> {
        self.0.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()
    }

    /// The denial id of the first answer.
    pub(super) fn denial_id(&self) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        head.lines().find_map(|line| line.strip_prefix("kith-denial-id: "))
    }
}

/// Sends bytes as they are and reads until the connection ends, which the request should ask for.
pub(super) async fn exchange(mut stream: Box<dyn Wire>, bytes: &[u8]) -> anyhow::Result<Reply> {
    // A server that has seen enough closes before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.flush().await;
    read_to_end(&mut stream).await
}

/// Reads until the connection ends, however it does.
pub(super) async fn read_to_end(stream: &mut Box<dyn Wire>) -> anyhow::Result<Reply> {
    let mut all = Vec::new();
    let mut piece = [0; 4_096];
    let read = async {
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            all.extend_from_slice(&piece[..count]);
        }
    };
    anyhow::ensure!(timeout(SOON, read).await.is_ok(), "no end after {:?}", String::from_utf8_lossy(&all));
    Ok(Reply(String::from_utf8_lossy(&all).into_owned()))
}
