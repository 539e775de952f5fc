//! A new issuing authority in the place of an old one.

use super::*;

#[test]
fn it_happens_once_past_half_of_its_life_and_survives_a_restart() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let (first, end) = (ca.issuing().der().to_vec(), ca.issuing_not_after());
    assert!(!ca.renew_issuing_if_due(start() + 3 * DAY).unwrap());
    assert_eq!(ca.issuing().der(), first);
    let later = start() + 4 * DAY;
    assert!(ca.renew_issuing_if_due(later).unwrap());
    assert!(!ca.renew_issuing_if_due(later).unwrap());
    let second = ca.issuing();
    assert_ne!(second.der(), first);
    assert!(ca.issuing_not_after() > end);
    drop(ca);
    assert_eq!(open(&path, later).unwrap().issuing().der(), second.der());
}

#[test]
fn every_authority_gets_a_key_of_its_own() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let first = ca.issuing();
    ca.renew_issuing_if_due(start() + 4 * DAY).unwrap();
    let keys = [ca.root.key().key_hash(), first.key().key_hash(), ca.issuing().key().key_hash()];
    assert_eq!(std::collections::HashSet::from(keys).len(), 3);
}

#[test]
fn svids_of_the_old_one_still_chain_to_the_root_and_new_ones_come_from_the_new_one() {
    let (_directory, path) = state_file();
    let ca = Ca::open(OpenOptions {
        lifetimes: Lifetimes { svid: DAY, ..Lifetimes::default() },
        ..options(&path, start())
    })
    .unwrap();
    let later = start() + 4 * DAY;
    let before = issue(&ca, later - HOUR);
    assert!(ca.renew_issuing_if_due(later).unwrap());
    let after = issue(&ca, later);
    assert_ne!(before.chain[1], after.chain[1]);
    assert_eq!(check_chain(&ca, &before, later), Ok(()));
    assert_eq!(check_chain(&ca, &after, later), Ok(()));
}

// T1: the clock jumped beyond the authority's end; a replacement brings it back.
#[test]
fn an_ended_one_is_replaced_and_issuance_resumes() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let later = start() + 30 * DAY;
    assert!(ca.issue(&identity("web"), &subject_key(), later).is_err());
    assert!(ca.renew_issuing_if_due(later).unwrap());
    issue(&ca, later);
}

// T2: and when the clock comes back, the one that it left begins in the future.
#[test]
fn one_that_begins_in_the_future_is_replaced() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    assert!(ca.renew_issuing_if_due(start() + 4 * DAY).unwrap());
    assert!(ca.issue(&identity("web"), &subject_key(), start() + DAY).is_err());
    assert!(ca.renew_issuing_if_due(start() + DAY).unwrap());
    issue(&ca, start() + DAY);
}

#[test]
fn opening_does_it_too_when_it_is_due() {
    let (_directory, path) = state_file();
    let first = open(&path, start()).unwrap().issuing().der().to_vec();
    assert_eq!(open(&path, start() + HOUR).unwrap().issuing().der(), first);
    let ca = open(&path, start() + 20 * DAY).unwrap();
    assert_ne!(ca.issuing().der(), first);
    issue(&ca, start() + 20 * DAY);
}

// D5, C20
#[test]
fn one_that_cannot_be_sealed_never_signs() {
    let (directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let first = ca.issuing().der().to_vec();
    fs::create_dir(directory.path().join(".ca.sealed.new")).unwrap();
    let failed = ca.renew_issuing_if_due(start() + 4 * DAY);
    assert!(matches!(failed, Err(RenewError::File(_))), "{failed:?}");
    assert_eq!(issue(&ca, start() + 4 * DAY).chain[1], first);
    fs::remove_dir(directory.path().join(".ca.sealed.new")).unwrap();
    assert!(ca.renew_issuing_if_due(start() + 4 * DAY).unwrap());
}

// C19: replaced while others sign, no svid is torn between two authorities.
#[test]
fn signing_goes_on_meanwhile() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    let now = start() + 4 * DAY;
    std::thread::scope(|scope| {
        let signers = [1, 2].map(|_| scope.spawn(|| (0..50).map(|_| issue(&ca, now)).collect::<Vec<_>>()));
        assert!(ca.renew_issuing_if_due(now).unwrap());
        let mut serials = std::collections::HashSet::new();
        for issued in signers.into_iter().flat_map(|signer| signer.join().unwrap()) {
            assert_eq!(check_chain(&ca, &issued, now), Ok(()));
            assert!(serials.insert(issued.serial));
        }
        assert_eq!(serials.len(), 100);
    });
}
