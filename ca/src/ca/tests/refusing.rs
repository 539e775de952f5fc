//! What is not minted, and why.

use super::*;

fn refusal(ca: &Ca, identity: &SpiffeId, key: &SubjectKey, now: SystemTime) -> IssueError {
    ca.issue(identity, key, now).unwrap_err()
}

#[test]
fn the_reserved_identity_is_granted_to_nobody_but_the_control_plane_itself() {
    let ca = svid_ca(HOUR);
    let reserved = SpiffeId::control_plane(&trust_domain("demo.local"));
    let refused = refusal(&ca, &reserved, &subject_key(), start());
    assert!(matches!(refused, IssueError::Reserved { .. }), "{refused:?}");
    let granted = ca.issue_reserved(&subject_key(), start()).unwrap();
    assert_eq!(Leaf::parse(&granted.chain[0]).unwrap().identity(), &reserved);
}

// C23
#[test]
fn an_identity_of_another_trust_domain_is_refused() {
    let ca = svid_ca(HOUR);
    for foreign in ["spiffe://other.local/ns/demo/sa/web", "spiffe://demo.local.evil/ns/demo/sa/web"] {
        let refused = refusal(&ca, &SpiffeId::parse(foreign).unwrap(), &subject_key(), start());
        assert!(matches!(refused, IssueError::Foreign { .. }), "{refused:?}");
    }
    // The other trust domain's control plane is refused as well, under whichever name.
    let reserved = SpiffeId::control_plane(&trust_domain("other.local"));
    assert!(ca.issue(&reserved, &subject_key(), start()).is_err());
}

// X509-SVID 3.1
#[test]
fn the_trust_domain_s_own_identity_is_refused() {
    let bare = SpiffeId::parse("spiffe://demo.local").unwrap();
    let refused = refusal(&svid_ca(HOUR), &bare, &subject_key(), start());
    assert!(matches!(refused, IssueError::NoPath { .. }), "{refused:?}");
}

// C9
#[test]
fn a_key_that_was_certified_for_another_identity_is_refused() {
    let ca = svid_ca(HOUR);
    let key = subject_key();
    ca.issue(&identity("web"), &key, start()).unwrap();
    let refused = refusal(&ca, &identity("orders"), &key, start());
    assert!(matches!(refused, IssueError::KeyReused { .. }), "{refused:?}");
    assert!(matches!(ca.issue_reserved(&key, start()), Err(IssueError::KeyReused { .. })));
    ca.issue(&identity("web"), &key, start()).unwrap();
}

// C9
#[test]
fn the_authorities_own_keys_are_refused_also_after_they_were_replaced() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let first = ca.issuing();
    assert!(ca.renew_issuing_if_due(start() + 4 * DAY).unwrap());
    let second = ca.issuing();
    for authority in [&ca.root, &*first, &*second] {
        let key = key_of(authority);
        for refused in [ca.issue(&identity("web"), &key, start()), ca.issue_reserved(&key, start())] {
            assert!(matches!(refused, Err(IssueError::AuthorityKey { .. })), "{refused:?}");
        }
    }
}

/// The key of an authority as a CSR would bring it: only its owner can sign one.
fn key_of(authority: &Authority) -> SubjectKey {
    let request = CertificateParams::default().serialize_request(authority.key()).unwrap();
    SubjectKey::from_csr(request.der()).unwrap()
}

// C13, C18
#[test]
fn no_svid_outlives_its_issuing_authority() {
    let ca = svid_ca(DAY);
    let late = ca.issuing_not_after() - HOUR;
    let issued = issue(&ca, late);
    assert_eq!(issued.not_after, ca.issuing_not_after());
    assert!(issued.renew_until < issued.not_after);
    assert_eq!(check_chain(&ca, &issued, late), Ok(()));
}

// C13, C18
#[test]
fn no_svid_outlives_the_root() {
    let (_directory, path) = state_file();
    let end = open(&path, start()).unwrap().root_not_after();
    let late = end - HOUR;
    let ca = Ca::open(OpenOptions {
        lifetimes: Lifetimes { svid: DAY, ..Lifetimes::default() },
        ..options(&path, late)
    })
    .unwrap();
    assert_eq!(ca.issuing_not_after(), end);
    assert_eq!(issue(&ca, late).not_after, end);
    let refused = refusal(&ca, &identity("web"), &subject_key(), end);
    assert!(matches!(refused, IssueError::Outside(OutsideAuthority::Ended { .. })), "{refused:?}");
}

// C18: a clock that is an hour behind, or far ahead.
#[test]
fn nothing_is_signed_outside_the_issuing_authority_s_life() {
    let ca = svid_ca(HOUR);
    let behind = refusal(&ca, &identity("web"), &subject_key(), start() - HOUR);
    assert!(matches!(behind, IssueError::Outside(OutsideAuthority::NotYet { .. })), "{behind:?}");
    let ahead = refusal(&ca, &identity("web"), &subject_key(), start() + 8 * DAY);
    assert!(matches!(ahead, IssueError::Outside(OutsideAuthority::Ended { .. })), "{ahead:?}");
}
