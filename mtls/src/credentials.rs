//! What a process proves itself with and trusts, live. Owns the reading at the start of each handshake; who
//! writes the other ends of the channels is for the caller.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::BundleSet;
use tokio::sync::watch;

use crate::error::HandshakeError;
use crate::now::Now;
use crate::svid::Svid;

/// The newest svid and bundles. A change takes effect at the next handshake; sessions that exist keep what
/// proved them, and their end (`Session::ends_at`).
#[derive(Debug, Clone)]
pub struct Credentials {
    svid: watch::Receiver<Option<Arc<Svid>>>,
    bundles: watch::Receiver<Arc<BundleSet>>,
    now: Now,
}

impl Credentials {
    /// Reads both channels anew at each handshake.
    pub fn new(
        svid: watch::Receiver<Option<Arc<Svid>>>,
        bundles: watch::Receiver<Arc<BundleSet>>,
        now: Now,
    ) -> Self {
        Self { svid, bundles, now }
    }

    /// The newest svid, whether or not it still holds.
    pub fn svid(&self) -> Option<Arc<Svid>> {
        self.svid.borrow().clone()
    }

    /// The newest bundles.
    pub fn bundles(&self) -> Arc<BundleSet> {
        self.bundles.borrow().clone()
    }

    /// The time that certificates are judged at.
    pub fn now(&self) -> &Now {
        &self.now
    }

    /// The newest svid.
    pub(crate) fn own_svid(&self) -> Result<Arc<Svid>, HandshakeError> {
        self.svid().ok_or(HandshakeError::NoOwnSvid)
    }

    /// The newest svid if it holds now: a client with any other does not even begin.
    pub(crate) fn current_svid(&self) -> Result<Arc<Svid>, HandshakeError> {
        let svid = self.own_svid()?;
        self.check_time(&svid)?;
        Ok(svid)
    }

    /// Whether an own svid holds now.
    pub(crate) fn check_time(&self, svid: &Svid) -> Result<(), HandshakeError> {
        match position_of(self.now.get(), svid) {
            Position::Within => Ok(()),
            Position::Before(ahead) => {
                Err(HandshakeError::OwnSvidNotYetValid { identity: svid.identity().clone(), ahead })
            }
            Position::After(ago) => {
                Err(HandshakeError::OwnSvidExpired { identity: svid.identity().clone(), ago })
            }
        }
    }
}

/// Where a time lies relative to an svid's validity.
enum Position {
    Before(Duration),
    Within,
    After(Duration),
}

fn position_of(now: SystemTime, svid: &Svid) -> Position {
    match (svid.not_before().duration_since(now), now.duration_since(svid.not_after())) {
        (Ok(ahead), _) if !ahead.is_zero() => Position::Before(ahead),
        (_, Ok(ago)) if !ago.is_zero() => Position::After(ago),
        _ => Position::Within,
    }
}
