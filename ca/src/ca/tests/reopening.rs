//! What survives a restart, and what does not open.

use super::*;
use crate::SealedFileError;

#[test]
fn the_root_stays_and_the_epoch_grows() {
    let (_directory, path) = state_file();
    let first = open(&path, start()).unwrap();
    let (root, issuing, end) = (first.root_sha256(), first.issuing().der().to_vec(), first.root_not_after());
    assert_eq!(first.epoch(), 1);
    assert_eq!(root.len(), 64);
    let issued = issue(&first, start());
    drop(first);
    for epoch in 2..5 {
        let again = open(&path, start() + HOUR).unwrap();
        assert_eq!((again.epoch(), again.root_sha256(), again.root_not_after()), (epoch, root.clone(), end));
        assert_eq!(again.issuing().der(), issuing);
        assert_eq!(check_chain(&again, &issued, start()), Ok(()));
    }
}

// D18: the state as it stands on disk the moment `open` returns is what a killed process leaves.
#[test]
fn an_epoch_is_durable_before_it_is_used() {
    let (directory, path) = state_file();
    drop(open(&path, start()).unwrap());
    let second = open(&path, start()).unwrap();
    let left_behind = directory.path().join("left-behind");
    fs::copy(&path, &left_behind).unwrap();
    let third = open(&left_behind, start()).unwrap();
    assert_eq!((second.epoch(), third.epoch()), (2, 3));
    assert_eq!(third.root_sha256(), second.root_sha256());
}

// D18, C20
#[test]
fn what_a_killed_writer_left_behind_does_not_matter() {
    let (directory, path) = state_file();
    let leftover = directory.path().join(".ca.sealed.new");
    fs::write(&leftover, b"torn").unwrap();
    let root = open(&path, start()).unwrap().root_sha256();
    fs::write(&leftover, b"torn again").unwrap();
    let again = open(&path, start()).unwrap();
    assert_eq!((again.epoch(), again.root_sha256()), (2, root));
    assert!(!leftover.exists());
}

// C24, D18: an existing file is never replaced by a new authority.
#[test]
fn a_file_that_cannot_be_used_is_refused_and_left_as_it_is() {
    let (_directory, path) = state_file();
    drop(open(&path, start()).unwrap());
    let whole = fs::read(&path).unwrap();
    let half = &whole[..whole.len() / 2];
    for spoilt in [half, b"", b"not sealed at all, but long enough to be"] {
        fs::write(&path, spoilt).unwrap();
        let refused = open(&path, start()).unwrap_err();
        let expected = matches!(
            refused,
            OpenError::File(SealedFileError::Torn { .. } | SealedFileError::Foreign { .. })
        );
        assert!(expected, "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), spoilt);
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(open(&path, start()).unwrap().epoch(), 2);
}

#[test]
fn another_key_is_refused_and_the_file_left_as_it_is() {
    let (_directory, path) = state_file();
    drop(open(&path, start()).unwrap());
    let before = fs::read(&path).unwrap();
    let refused = Ca::open(OpenOptions { key: SealKey::from_bytes([8; 32]), ..options(&path, start()) });
    assert!(matches!(refused, Err(OpenError::File(SealedFileError::Seal { .. }))), "{refused:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

// C23
#[test]
fn the_file_of_another_trust_domain_is_refused() {
    let (_directory, path) = state_file();
    drop(open(&path, start()).unwrap());
    let other = OpenOptions { trust_domain: trust_domain("other.local"), ..options(&path, start()) };
    let refused = Ca::open(other).unwrap_err();
    assert!(matches!(refused, OpenError::State(StateError::TrustDomain { .. })), "{refused:?}");
}

#[test]
fn svids_of_an_earlier_and_longer_lifetime_are_counted_until_the_last_of_them_has_ended() {
    let (_directory, path) = state_file();
    let minute = HOUR / 60;
    let open = |svid: Duration, now: SystemTime| {
        let lifetimes = Lifetimes { svid, ..Lifetimes::default() };
        Ca::open(OpenOptions { lifetimes, ..options(&path, now) }).unwrap().earlier_svids_until()
    };
    // Rounded up to a second.
    let ends = |at: SystemTime| Some(at + Duration::from_millis(750));
    assert_eq!(open(DAY, start()), None, "there is no before");
    let first = start() + minute;
    assert_eq!(open(minute, first), Some(first + DAY), "those of the first opening live for a day");
    let second = first + HOUR;
    assert_eq!(open(minute, second), ends(first + DAY), "and are not forgotten by another start");
    let third = first + DAY;
    assert_eq!(open(HOUR, third), Some(third + minute), "nor remembered once they have ended");
}

#[test]
fn a_replaced_issuing_authority_forgets_no_earlier_svids() {
    let (_directory, path) = state_file();
    let short = Lifetimes { svid: HOUR / 60, ..Lifetimes::default() };
    drop(open(&path, start()).unwrap());
    let until = {
        let ca = Ca::open(OpenOptions { lifetimes: short, ..options(&path, start()) }).unwrap();
        assert!(ca.renew_issuing_if_due(start() + 4 * DAY).unwrap());
        ca.earlier_svids_until().unwrap()
    };
    let again = Ca::open(OpenOptions { lifetimes: short, ..options(&path, start()) }).unwrap();
    assert!(again.earlier_svids_until().unwrap() >= until);
}

// C13
#[test]
fn lifetimes_out_of_bounds_are_refused_before_anything_is_written() {
    let (_directory, path) = state_file();
    let lifetimes = Lifetimes { svid: Duration::from_secs(19), ..Lifetimes::default() };
    let refused = Ca::open(OpenOptions { lifetimes, ..options(&path, start()) }).unwrap_err();
    assert!(matches!(refused, OpenError::Lifetimes(LifetimesError::Svid { .. })), "{refused:?}");
    assert!(!path.exists());
}

// G4
#[test]
fn debug_shows_no_key() {
    let (_directory, path) = state_file();
    let ca = open(&path, start()).unwrap();
    assert_eq!(format!("{ca:?}"), "Ca { trust_domain: TrustDomain(demo.local), epoch: 1, .. }");
}
