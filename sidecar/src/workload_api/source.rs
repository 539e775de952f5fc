//! What may be handed out now, and when that changes. Owns the order in which it is read, and the reasons for handing out
//! nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::svid::Authority;
use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::Svid;
use kith_runtime::Clock;
use tokio::sync::watch;
use tonic::Status;

use crate::enforced::Enforced;

/// What is handed out, live, and what forbids it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Who the workload is, also before its first svid.
    pub(crate) identity: SpiffeId,
    pub(crate) svid: watch::Receiver<Option<Arc<Svid>>>,
    pub(crate) bundles: watch::Receiver<Arc<BundleSet>>,
    /// Says whether the workload is cut off: then it gets nothing more.
    pub(crate) enforced: watch::Receiver<Arc<Enforced>>,
    pub(crate) clock: Clock,
}

/// An svid that holds, and bundles that its issuer is in.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) svid: Arc<Svid>,
    pub(super) trust: Trust,
}

/// The bundles of one moment; the own one is there and not empty.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    own: TrustDomain,
    bundles: Arc<BundleSet>,
}

impl Source {
    /// The svid and the bundles. In this order: bundles are put in place before the svid that needs them, so that who
    /// reads an svid first never finds bundles from before it (W11).
    pub(super) fn own(&self) -> Result<Own, Status> {
        let svid = self.svid.borrow().clone();
        let svid = svid.ok_or_else(|| Status::unavailable("there is no svid yet; ask again"))?;
        let trust = self.trust()?;
        if self.enforced.borrow().check_serial(svid.serial()).is_err() {
            return Err(quarantined());
        }
        if !svid.holds_at(self.clock.now()) {
            return Err(Status::unavailable(
                "the svid does not hold now, and there is no newer one; ask again",
            ));
        }
        Ok(Own { svid, trust })
    }

    /// The bundles alone.
    pub(super) fn trust(&self) -> Result<Trust, Status> {
        let enforced = self.enforced.borrow().clone();
        if enforced.check_self().is_err() || enforced.quarantines().contains(&self.identity) {
            return Err(quarantined());
        }
        let own = self.identity.trust_domain().clone();
        let trust = Trust { own, bundles: self.bundles.borrow().clone() };
        if trust.of(&trust.own).is_none() {
            return Err(Status::unavailable("there is no bundle of the own trust domain yet; ask again"));
        }
        Ok(trust)
    }

    /// Ends when an answer may have become another one since this was asked last: also when the svid ends by the clock.
    pub(super) async fn changed(&mut self) -> Result<(), Status> {
        let (clock, ends) = (self.clock.clone(), self.svid_ends());
        let ended = async {
            match ends {
                Some(end) => clock.until(end).await,
                None => std::future::pending().await,
            }
        };
        let changed = tokio::select! {
            changed = self.svid.changed() => changed,
            changed = self.bundles.changed() => changed,
            changed = self.enforced.changed() => changed,
            () = ended => Ok(()),
        };
        changed.map_err(|_| Status::unavailable("the sidecar ends; ask its successor"))
    }

    /// When a current svid will not hold any more; none if that is now.
    fn svid_ends(&self) -> Option<SystemTime> {
        let svid = self.svid.borrow().clone()?;
        // It holds in its last second still.
        svid.holds_at(self.clock.now()).then(|| svid.not_after() + Duration::from_nanos(1))
    }
}

impl Own {
    /// Whether these are the very same values.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.svid, &other.svid) && self.trust.is(&other.trust)
    }
}

impl Trust {
    /// Whether these are the very same bundles.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bundles, &other.bundles)
    }

    /// The trust domain of the workload.
    pub(super) fn own_domain(&self) -> &TrustDomain {
        &self.own
    }

    /// The authorities of a trust domain in DER; `None` where nothing of it is trusted.
    pub(super) fn of(&self, trust_domain: &TrustDomain) -> Option<Vec<&[u8]>> {
        Some(self.authorities(self.bundles.of(trust_domain)?)).filter(|ders| !ders.is_empty())
    }

    /// The same of every trust domain of which something is trusted, by name.
    pub(super) fn all(&self) -> Vec<(&TrustDomain, Vec<&[u8]>)> {
        let domains = self.bundles.iter().map(Bundle::trust_domain);
        let mut all: Vec<_> = domains.filter_map(|domain| Some((domain, self.of(domain)?))).collect();
        all.sort_by_key(|(domain, _)| domain.as_str());
        all
    }

    /// Without those that are distrusted: who gets a bundle from here has no other way to learn of it.
    fn authorities<'a>(&self, bundle: &'a Bundle) -> Vec<&'a [u8]> {
        let trusted = bundle.authorities().iter().filter(|it| !self.bundles.distrusts(it.key_hash()));
        trusted.map(Authority::der).collect()
    }
}

fn quarantined() -> Status {
    Status::permission_denied("this workload is quarantined")
}
