//! Where the parts of others are, and how their processes are listened to.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use kith_runtime::Tasks;
use kith_tests::repository;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

/// Far above what anything here takes.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// How often a state that nobody announces is asked for.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// A part that `scripts/test-interop` has put beside the binaries of the build.
pub(super) fn part(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let found = test.ancestors().map(|folder| folder.join("interop").join(name)).find(|path| path.exists());
    found.with_context(|| format!("{name} is not installed; run: make test-interop"))
}

/// A file of `tests/interop`.
pub(super) fn ours(name: &str) -> PathBuf {
    repository().join("tests/interop").join(name)
}

/// A path as an argument.
pub(super) fn text(path: &std::path::Path) -> anyhow::Result<String> {
    Ok(path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?.to_owned())
}

/// What a process writes, line by line. It is read all the time, so that nobody waits for a full pipe.
#[derive(Debug)]
pub(super) struct Lines {
    incoming: UnboundedReceiver<String>,
    seen: Vec<String>,
    _reader: Tasks,
}

impl Lines {
    pub(super) fn of(from: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let (reader, (sender, incoming)) = (Tasks::new(), unbounded_channel());
        reader.spawn(async move {
            let mut lines = BufReader::new(from).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                // An error means that nobody wants it; it is read all the same.
                let _ = sender.send(line);
            }
        });
        Self { incoming, seen: Vec::new(), _reader: reader }
    }

    /// The next line in which something is found.
    pub(super) async fn until<T>(&mut self, found: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let seen = &mut self.seen;
        let search = async {
            while let Some(line) = self.incoming.recv().await {
                let what = found(&line);
                seen.push(line);
                if what.is_some() {
                    return what;
                }
            }
            None
        };
        match timeout(SOON, search).await {
            Ok(Some(what)) => Ok(what),
            Ok(None) => bail!("it ended, after: {}", self.seen.join("\n")),
            Err(_) => bail!("not within {SOON:?}, after: {}", self.seen.join("\n")),
        }
    }
}
