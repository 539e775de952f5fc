//! How strictly calls are judged, and what becomes of calls to destinations outside the mesh. Owns their reading; what they
//! do to a verdict is `Enforced::decide`'s, and to a call that leaves the mesh `outbound`'s.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_proto::v1;

use super::read::SnapshotError;

/// How strictly calls to the workload are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Posture {
    /// Plaintext is accepted, and what only the default or a missing identity would refuse is logged and let through.
    Observe {
        /// Then it is Enforce.
        until: SystemTime,
    },
    /// mTLS is required; what only the default would refuse is logged and let through.
    Encrypt,
    Enforce,
}

/// What becomes of calls to destinations outside the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Egress {
    Deny,
    /// Let through, and logged as what Deny would refuse.
    Observe,
    Allow,
}

impl Posture {
    /// As people write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Observe { .. } => "Observe",
            Self::Encrypt => "Encrypt",
            Self::Enforce => "Enforce",
        }
    }
}

/// An Observe without an end would never become Enforce, and an end without an Observe was meant for one.
pub(super) fn posture(number: i32, until_ms: i64) -> Result<Posture, SnapshotError> {
    let posture = match v1::Posture::try_from(number) {
        Ok(v1::Posture::Observe) => return observe(until_ms),
        Ok(v1::Posture::Encrypt) => Posture::Encrypt,
        Ok(v1::Posture::Enforce | v1::Posture::Unspecified) => Posture::Enforce,
        Err(_) => return Err(SnapshotError::Posture { number }),
    };
    if until_ms != 0 {
        return Err(SnapshotError::EndOfNothing { posture: posture.name(), until_ms });
    }
    Ok(posture)
}

fn observe(until_ms: i64) -> Result<Posture, SnapshotError> {
    let until = u64::try_from(until_ms).ok().filter(|millis| *millis > 0);
    let until = until.and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    until.map(|until| Posture::Observe { until }).ok_or(SnapshotError::EndlessObserve { until_ms })
}

/// `None`: as the posture says.
pub(super) fn egress(number: i32) -> Result<Option<Egress>, SnapshotError> {
    match v1::Egress::try_from(number) {
        Ok(v1::Egress::Unspecified) => Ok(None),
        Ok(v1::Egress::Deny) => Ok(Some(Egress::Deny)),
        Ok(v1::Egress::Observe) => Ok(Some(Egress::Observe)),
        Ok(v1::Egress::Allow) => Ok(Some(Egress::Allow)),
        Err(_) => Err(SnapshotError::Egress { number }),
    }
}
