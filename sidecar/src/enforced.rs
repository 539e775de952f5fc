//! What the sidecar enforces: one immutable value, made whole from what the control plane sent and swapped whole.
//!
//! Two messages make it: a snapshot (`read`), which is taken whole or refused whole, and who is cut off (`cut_off`), which
//! holds also when a snapshot cannot be read. Owns the one place where the posture turns a verdict: here, and nowhere
//! else, a call that no rule allows may pass.

mod cut_off;
mod destination;
mod posture;
mod read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use http::StatusCode;
use kith_identity::SpiffeId;
use kith_identity::svid::Serial;
use kith_policy::{
    Call, Denial, PolicySet, Quarantines, Revision, RuleRef, UnprovenCall, Verdict, denial_of_unproven,
    evaluate,
};
use kith_proto::quarantined::Quarantined;

use crate::refusal::Refusal;

pub(crate) use cut_off::{ReadQuarantines, read_quarantines};
pub(crate) use destination::{Destination, Endpoint, Protocol};
pub(crate) use posture::{Egress, Posture};
pub(crate) use read::{Read, read};

use cut_off::CutOff;

/// Everything that decides about a call.
#[derive(Debug, Clone)]
pub(crate) struct Enforced {
    policies: Arc<PolicySet>,
    /// Of the snapshot in force. Its policies may say that nothing is to be decided by them, and have none then.
    revision: Option<Revision>,
    cut_off: Arc<CutOff>,
    /// `None` until the control plane said who is quarantined, which may be nobody.
    quarantined_at: Option<Revision>,
    destinations: Arc<BTreeMap<String, Destination>>,
    /// What the workload itself speaks.
    protocol: Protocol,
    /// Where that was declared for a port.
    ports: Arc<BTreeMap<u16, Protocol>>,
    posture: Posture,
    /// `None`: as the posture says.
    egress: Option<Egress>,
    /// Grows with each change: what workers acknowledge.
    generation: u64,
}

/// Why a call may pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// A rule allows it.
    By(RuleRef),
    /// No rule does, and the posture lets it through: what Enforce would refuse it with.
    Observed(Refusal),
}

impl Enforced {
    /// Where every sidecar starts: everything is refused.
    pub(crate) fn nothing() -> Self {
        Self {
            policies: Arc::new(PolicySet::refuse_all("no snapshot from the control plane yet")),
            revision: None,
            cut_off: Arc::default(),
            quarantined_at: None,
            destinations: Arc::default(),
            protocol: Protocol::Detected,
            ports: Arc::default(),
            posture: Posture::Enforce,
            egress: None,
            generation: 0,
        }
    }

    /// What tests put in force.
    #[cfg(test)]
    pub(crate) fn of(policies: PolicySet, quarantines: Quarantines) -> Self {
        Self {
            revision: policies.revision(),
            policies: Arc::new(policies),
            cut_off: Arc::new(CutOff { identities: quarantines, ..CutOff::default() }),
            generation: 1,
            ..Self::nothing()
        }
    }

    /// The same in another posture, for tests.
    #[cfg(test)]
    pub(crate) fn under(self, posture: Posture) -> Self {
        Self { posture, ..self }
    }

    /// The same with another snapshot.
    pub(crate) fn with_snapshot(&self, read: Read) -> Self {
        Self {
            policies: Arc::new(read.policies),
            revision: Some(read.revision),
            destinations: Arc::new(read.destinations),
            protocol: read.protocol,
            ports: Arc::new(read.ports),
            posture: read.posture,
            egress: read.egress,
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// The same with others cut off.
    pub(crate) fn with_quarantines(&self, read: ReadQuarantines) -> Self {
        Self {
            cut_off: Arc::new(read.cut_off),
            quarantined_at: Some(read.revision),
            generation: self.generation + 1,
            ..self.clone()
        }
    }

    /// Decides about a call to the workload, of a caller that proved who it is.
    pub(crate) fn decide(&self, call: &Call<'_>, now: SystemTime) -> Result<Allowed, Refusal> {
        self.check_self()?;
        match evaluate(&self.policies, &self.cut_off.identities, call, now) {
            Verdict::Allow { by } => Ok(Allowed::By(by)),
            Verdict::Deny { because } => self.observe(&because, now).ok_or_else(|| refusal(&because)),
        }
    }

    /// Decides about a call in the clear, whose caller proved nothing. No rule can allow it.
    pub(crate) fn decide_unproven(
        &self,
        call: &UnprovenCall<'_>,
        now: SystemTime,
    ) -> Result<Allowed, Refusal> {
        self.check_self()?;
        if let Some(because) = denial_of_unproven(&self.policies, &self.cut_off.identities, call, now) {
            return Err(refusal(&because));
        }
        self.check_plaintext(now)?;
        let detail = "the caller proved no identity, and Enforce answers nobody without one; \
                      inject it into the mesh before this namespace leaves Observe";
        Ok(Allowed::Observed(Refusal::new(StatusCode::FORBIDDEN, "no_identity", detail)))
    }

    /// What a posture forgives is the denial's own to say: it is the same for whoever explains a call.
    fn observe(&self, because: &Denial, now: SystemTime) -> Option<Allowed> {
        match self.posture(now) {
            Posture::Observe { .. } | Posture::Encrypt => {
                because.is_for_want_of_a_rule().then(|| Allowed::Observed(refusal(because)))
            }
            Posture::Enforce => None,
        }
    }

    /// Whether calls in the clear may come in at all.
    pub(crate) fn check_plaintext(&self, now: SystemTime) -> Result<(), Refusal> {
        match self.posture(now) {
            Posture::Observe { .. } => Ok(()),
            posture @ (Posture::Encrypt | Posture::Enforce) => Err(Refusal::plaintext(posture.name())),
        }
    }

    /// Whether these two may have anything to do with each other; the policies of a call are its destination's.
    pub(crate) fn check_pair(&self, source: &SpiffeId, destination: &SpiffeId) -> Result<(), Refusal> {
        self.check_self()?;
        self.cut_off.identities.denial(source, destination).map_or(Ok(()), |because| Err(refusal(&because)))
    }

    /// Whether the workload itself is cut off, whatever its identity: then it refuses everything, in and out.
    pub(crate) fn check_self(&self) -> Result<(), Refusal> {
        if self.cut_off.yourself {
            return Err(Refusal::quarantined(Quarantined::Own.to_string()));
        }
        Ok(())
    }

    /// Whether the holder of this svid is cut off, though others of its identity are not.
    pub(crate) fn check_serial(&self, serial: &Serial) -> Result<(), Refusal> {
        if self.cut_off.serials.contains(serial) {
            return Err(Refusal::quarantined(Quarantined::Holder(serial.clone()).to_string()));
        }
        Ok(())
    }

    /// How strictly calls to the workload are judged at this time: Observe ends by itself.
    pub(crate) fn posture(&self, now: SystemTime) -> Posture {
        match self.posture {
            Posture::Observe { until } if now >= until => Posture::Enforce,
            posture => posture,
        }
    }

    /// When time alone changes what is allowed; none when it does not any more.
    pub(crate) fn next_change(&self, now: SystemTime) -> Option<SystemTime> {
        match self.posture(now) {
            Posture::Observe { until } => Some(until),
            Posture::Encrypt | Posture::Enforce => None,
        }
    }

    /// Whether calls may leave the mesh at all, such as one to there.
    pub(crate) fn check_egress(&self, to: &str, now: SystemTime) -> Result<(), Refusal> {
        match self.egress(now) {
            Egress::Deny => Err(Refusal::egress_denied(to)),
            Egress::Observe | Egress::Allow => Ok(()),
        }
    }

    /// What becomes of calls to destinations outside the mesh, at this time: who only observes cuts nothing off, and
    /// where nothing was said that ends with the observing.
    pub(crate) fn egress(&self, now: SystemTime) -> Egress {
        match (self.egress, self.posture(now)) {
            (Some(egress), _) => egress,
            (None, Posture::Observe { .. }) => Egress::Observe,
            (None, Posture::Encrypt | Posture::Enforce) => Egress::Deny,
        }
    }

    /// What the workload speaks on one of its ports.
    pub(crate) fn protocol_of(&self, port: u16) -> Protocol {
        self.ports.get(&port).copied().unwrap_or(self.protocol)
    }

    /// A destination by its declared name, or by its address as `10.96.0.1:80` or `[fd00::1]:80`.
    pub(crate) fn destination(&self, name: &str) -> Option<&Destination> {
        self.destinations.get(name)
    }

    /// The revision of the snapshot in force, once there is one.
    pub(crate) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// The identities that are cut off.
    pub(crate) fn quarantines(&self) -> &Quarantines {
        &self.cut_off.identities
    }

    /// Grows with each change.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

fn refusal(because: &Denial) -> Refusal {
    let status = match because {
        Denial::AmbiguousPath { .. } => StatusCode::BAD_REQUEST,
        Denial::NotReady { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Denial::Quarantined { .. } | Denial::Rule { .. } | Denial::Default { .. } => StatusCode::FORBIDDEN,
    };
    let mut refusal = Refusal::new(status, because.code(), because.to_string());
    refusal.policy = because.policy().map(str::to_owned);
    refusal.rule = because.rule().map(str::to_owned);
    refusal
}

#[cfg(test)]
mod tests;
