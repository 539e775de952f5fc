//! The control plane's own svid: the reserved identity, minted in process and renewed in its window. It never leaves
//! the process, and nobody can ask for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_ca::{Ca, CsrError, IssueError, Issued, SubjectKey};
use kith_mtls::{KeyError, Svid, SvidError, WorkloadKey};
use kith_runtime::Clock;
use tokio::sync::watch;
use tracing::{error, info};

/// After a failure the old svid still holds for about half its life; that is many tries.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Why there is no own svid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnSvidError {
    #[error("no key could be made: {0}")]
    Key(#[from] KeyError),
    #[error("the own csr was refused: {0}")]
    Csr(#[from] CsrError),
    #[error("the own svid was not issued: {0}")]
    Issue(#[from] IssueError),
    #[error("the own svid cannot be used: {0}")]
    Svid(#[from] SvidError),
}

/// The newest one, and when to replace it.
pub(crate) struct OwnSvid {
    ca: Arc<Ca>,
    clock: Clock,
    newest: watch::Sender<Option<Arc<Svid>>>,
    renew_from: SystemTime,
}

impl OwnSvid {
    /// Mints the first.
    pub(crate) fn mint(ca: Arc<Ca>, clock: Clock) -> Result<Self, OwnSvidError> {
        let (svid, renew_from) = mint(&ca, clock.now())?;
        Ok(Self { ca, clock, newest: watch::Sender::new(Some(Arc::new(svid))), renew_from })
    }

    /// What handshakes are to use.
    pub(crate) fn newest(&self) -> watch::Receiver<Option<Arc<Svid>>> {
        self.newest.subscribe()
    }

    /// Renews it whenever its window begins; ends only by being dropped.
    pub(crate) async fn renew(mut self) {
        loop {
            self.clock.until(self.renew_from).await;
            match mint(&self.ca, self.clock.now()) {
                Ok((svid, renew_from)) => {
                    info!(serial = %svid.serial(), "Own svid renewed");
                    self.newest.send_replace(Some(Arc::new(svid)));
                    self.renew_from = renew_from;
                }
                Err(error) => {
                    error!(%error, "Own svid not renewed");
                    tokio::time::sleep(TRY_AGAIN).await;
                }
            }
        }
    }
}

/// A fresh key each time.
fn mint(ca: &Ca, now: SystemTime) -> Result<(Svid, SystemTime), OwnSvidError> {
    let key = WorkloadKey::generate()?;
    let subject = SubjectKey::from_csr(&key.csr_der()?)?;
    let Issued { chain, renew_from, .. } = ca.issue_reserved(&subject, now)?;
    Ok((Svid::new(key, chain)?, renew_from))
}

#[cfg(test)]
mod tests;
