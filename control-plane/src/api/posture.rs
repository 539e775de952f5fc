//! How strictly calls are judged now, as people are told it. Owns no judgement: what a posture forgives is
//! `kith_policy::Denial`'s to say, and whether a call passes is its sidecar's.

use std::time::SystemTime;

use kith_proto::convert::to_millis;

use crate::index::{Namespace, Posture};

/// As the sidecars read it: Observe ends by itself.
pub(super) fn at(namespace: &Namespace, now: SystemTime) -> Posture {
    match namespace.posture {
        Posture::Observe { until } if now >= until => Posture::Enforce,
        posture => posture,
    }
}

/// As people write it, and when it ends; 0 where it does not.
pub(super) fn told(posture: Posture) -> (&'static str, i64) {
    match posture {
        Posture::Observe { until } => ("Observe", to_millis(until)),
        Posture::Encrypt => ("Encrypt", 0),
        Posture::Enforce => ("Enforce", 0),
    }
}
