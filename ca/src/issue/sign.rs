//! Signing, and reading back what was signed. Owns the promise that nothing leaves which is not exactly the svid
//! that was meant: the same reader judges it that every peer will use.

use std::time::{Duration, SystemTime};

use kith_identity::SpiffeId;
use kith_identity::svid::Leaf;

use crate::authority::{self, Authority};
use crate::issue::{IssueError, Issued, SubjectKey, profile, window};
use crate::random;
use crate::validity::Validity;

/// The two above an svid: neither is outlived by it.
#[derive(Clone, Copy)]
pub(crate) struct Signers<'a> {
    pub(crate) root: &'a Authority,
    pub(crate) issuing: &'a Authority,
}

/// Mints one svid. Whether the identity may have it was decided before.
pub(crate) fn sign(
    signers: Signers<'_>,
    identity: &SpiffeId,
    key: &SubjectKey,
    lifetime: Duration,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    let validity = Validity::starting(now, lifetime)?
        .within(signers.root.validity(), now)?
        .within(signers.issuing.validity(), now)?;
    let serial = authority::random_serial()?;
    let params = profile::svid(identity, serial, validity).map_err(IssueError::Sign)?;
    let certificate = params.signed_by(key, signers.issuing.issuer()).map_err(IssueError::Sign)?;
    let der = certificate.der().to_vec();
    let leaf = read_back(&der, identity, key, validity)?;
    let draw = u32::from_be_bytes(random::bytes()?);
    let window = window::assign(now, validity.remaining(now), draw);
    Ok(Issued {
        chain: vec![der, signers.issuing.der().to_vec()],
        serial: leaf.serial().clone(),
        not_before: leaf.not_before(),
        not_after: leaf.not_after(),
        renew_from: window.from,
        renew_until: window.until,
    })
}

fn read_back(
    der: &[u8],
    identity: &SpiffeId,
    key: &SubjectKey,
    validity: Validity,
) -> Result<Leaf, IssueError> {
    let leaf = Leaf::parse(der).map_err(IssueError::Profile)?;
    let checks = [
        ("identity", leaf.identity() == identity),
        ("public key", leaf.key_hash() == key.key_hash()),
        ("beginning", leaf.not_before() == validity.not_before()),
        ("end", leaf.not_after() == validity.not_after()),
    ];
    match checks.into_iter().find(|(_, holds)| !holds) {
        Some((field, _)) => Err(IssueError::Mismatch { field }),
        None => Ok(leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lifetimes;
    use crate::testing::{HOUR, identity, new_ca, start, subject_key};

    #[test]
    fn a_certificate_that_is_not_what_was_meant_is_thrown_away() {
        let key = subject_key();
        let issued = new_ca(Lifetimes::default()).issue(&identity("web"), &key, start()).unwrap();
        let meant = Validity::between(issued.not_before, issued.not_after).unwrap();
        let early = Validity::between(issued.not_before - HOUR, issued.not_after).unwrap();
        let long = Validity::between(issued.not_before, issued.not_after + HOUR).unwrap();
        let mismatch = |name: &str, key: &SubjectKey, validity| match read_back(
            &issued.chain[0],
            &identity(name),
            key,
            validity,
        ) {
            Err(IssueError::Mismatch { field }) => Some(field),
            other => other.map(|_| None).unwrap(),
        };
        assert_eq!(mismatch("web", &key, meant), None);
        assert_eq!(mismatch("orders", &key, meant), Some("identity"));
        assert_eq!(mismatch("web", &subject_key(), meant), Some("public key"));
        assert_eq!(mismatch("web", &key, early), Some("beginning"));
        assert_eq!(mismatch("web", &key, long), Some("end"));
        let authority = read_back(&issued.chain[1], &identity("web"), &key, meant);
        assert!(matches!(authority, Err(IssueError::Profile(_))), "{authority:?}");
    }
}
