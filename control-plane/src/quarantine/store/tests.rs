//! What a record survives, and what it refuses to be.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use kith_policy::document::quarantine::MAX_REASON_BYTES;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use prost::Message;
use tempfile::TempDir;

use super::*;
use crate::testing::{id, trust_domain};
use kith_proto::v1;

const FIRST: Revision = Revision { epoch: 1, counter: 1 };
const LATER: Revision = Revision { epoch: 2, counter: 1 };

/// A folder in which an authority was made, and the record beside it.
fn ground() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::beside(&dir.path().join("state"), &trust_domain()).unwrap();
    fs::write(dir.path().join("state"), "an authority").unwrap();
    (dir, store)
}

fn again(dir: &TempDir) -> Result<QuarantineList, StoreError> {
    Store::beside(&dir.path().join("state"), &trust_domain())?.read(LATER)
}

fn entry(reason: &str, revision: Revision) -> Quarantine {
    Quarantine { since: UNIX_EPOCH + Duration::from_millis(1_234), reason: reason.into(), revision }
}

fn list(revision: Revision) -> QuarantineList {
    let entries = [("intruder", "because \"it\" \\ did; ü"), ("web", "")];
    entries.map(|(name, reason)| (id(name), entry(reason, revision))).into()
}

#[test]
fn what_was_written_is_read_back_as_of_the_new_epoch_and_only_we_may_read_it() {
    let (dir, store) = ground();
    assert_eq!(store.read(FIRST).unwrap(), QuarantineList::new());
    for written in [list(FIRST), QuarantineList::new(), list(FIRST)] {
        store.write(&written, &QuarantineList::new()).unwrap();
        let mode = fs::metadata(&store.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(again(&dir).unwrap().len(), written.len());
    }
    assert_eq!(again(&dir).unwrap(), list(LATER));
}

#[test]
fn a_record_that_is_missing_beside_an_authority_is_an_error_that_says_what_to_do() {
    let (dir, store) = ground();
    fs::remove_file(&store.path).unwrap();
    let error = again(&dir).unwrap_err().to_string();
    assert!(error.contains("quarantines.json is missing") && error.contains("backup"), "{error}");
    // What it says to write is what it reads.
    let (_, empty) = error.split_once("mode 600: ").unwrap();
    fs::write(&store.path, empty).unwrap();
    fs::set_permissions(&store.path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(again(&dir).unwrap(), QuarantineList::new());
}

#[test]
fn a_link_in_the_authoritys_place_is_not_a_first_start() {
    let dir = tempfile::tempdir().unwrap();
    symlink("nowhere", dir.path().join("state")).unwrap();
    assert!(matches!(again(&dir), Err(StoreError::Missing { .. })));
}

#[test]
fn where_an_authority_was_lost_its_quarantines_still_hold() {
    let (dir, store) = ground();
    store.write(&list(FIRST), &QuarantineList::new()).unwrap();
    fs::remove_file(dir.path().join("state")).unwrap();
    assert_eq!(again(&dir).unwrap(), list(LATER));
}

// C20
#[test]
fn a_writer_that_was_killed_leaves_the_old_record_and_the_next_one_writes_over_its_leftover() {
    let (dir, store) = ground();
    store.write(&list(FIRST), &QuarantineList::new()).unwrap();
    for leftover in [".quarantines.json.new", ".quarantines.json.77.new"] {
        fs::write(dir.path().join(leftover), "{\"version\":1,").unwrap();
    }
    assert_eq!(again(&dir).unwrap(), list(LATER));
    store.write(&QuarantineList::new(), &QuarantineList::new()).unwrap();
    assert_eq!(again(&dir).unwrap(), QuarantineList::new());
    assert!(!dir.path().join(".quarantines.json.new").exists());
}

/// A disk that fails at the very end of a change, when the new list is there already; in a folder with a file `healed`
/// it does not.
fn failing(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    private_file::replace(path, bytes)?;
    if path.with_file_name("healed").exists() {
        return Ok(());
    }
    Err(PrivateFileError::Unsynced { path: path.into(), error: std::io::Error::other("the disk is gone") })
}

/// The same, but only once.
fn failing_once(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let failed = failing(path, bytes);
    fs::write(path.with_file_name("healed"), "").unwrap();
    failed
}

impl Store {
    /// On a disk that fails once, or from now on.
    pub(in crate::quarantine) fn on_a_failing_disk(self, once: bool) -> Self {
        Self { replace: if once { failing_once } else { failing }, ..self }
    }
}

// D5
#[test]
fn a_list_that_is_not_certain_to_stay_is_replaced_by_the_one_before_it() {
    let (dir, store) = ground();
    store.write(&list(FIRST), &QuarantineList::new()).unwrap();
    let store = store.on_a_failing_disk(true);
    let error = store.write(&QuarantineList::new(), &list(FIRST)).unwrap_err();
    assert!(matches!(error, StoreError::File(PrivateFileError::Unsynced { .. })), "{error}");
    assert_eq!(again(&dir).unwrap(), list(LATER), "a lift that failed is not in force after a restart");
    store.write(&QuarantineList::new(), &list(FIRST)).unwrap();
    assert_eq!(again(&dir).unwrap(), QuarantineList::new());
}

// D5
#[test]
fn a_disk_that_takes_neither_list_is_said_to_be_so() {
    let (_dir, store) = ground();
    let error = store.on_a_failing_disk(false).write(&list(FIRST), &QuarantineList::new()).unwrap_err();
    assert!(matches!(error, StoreError::Unsettled { .. }), "{error}");
}

#[test]
fn a_record_of_which_any_part_is_missing_is_never_a_shorter_list() {
    let (dir, store) = ground();
    store.write(&list(FIRST), &QuarantineList::new()).unwrap();
    let whole = fs::read(&store.path).unwrap();
    for length in 0..whole.len() {
        fs::write(&store.path, &whole[..length]).unwrap();
        let error = again(&dir).unwrap_err();
        assert!(matches!(error, StoreError::Json { .. }), "{length} bytes: {error}");
    }
}

// C24
#[test]
fn a_record_that_others_could_have_changed_or_that_is_no_file_is_refused() {
    let (dir, store) = ground();
    for mode in [0o640, 0o604, 0o620, 0o602, 0o601] {
        fs::set_permissions(&store.path, Permissions::from_mode(mode)).unwrap();
        let error = again(&dir).unwrap_err().to_string();
        assert!(error.contains(&format!("mode {mode:04o}")) && error.contains("chmod 600"), "{error}");
    }
    let elsewhere = dir.path().join("elsewhere");
    fs::set_permissions(&store.path, Permissions::from_mode(0o600)).unwrap();
    fs::rename(&store.path, &elsewhere).unwrap();
    symlink(&elsewhere, &store.path).unwrap();
    assert!(matches!(again(&dir), Err(StoreError::File(PrivateFileError::Symlink(_)))));

    fs::remove_file(&store.path).unwrap();
    fs::create_dir(&store.path).unwrap();
    assert!(matches!(again(&dir), Err(StoreError::File(PrivateFileError::NotRegular(_)))));

    fs::remove_dir(&store.path).unwrap();
    mkfifo(&store.path, Mode::from_bits_truncate(0o600)).unwrap();
    assert!(matches!(again(&dir), Err(StoreError::File(PrivateFileError::NotRegular(_)))));
}

#[test]
fn a_record_that_says_anything_unknown_or_about_others_is_refused_with_the_field() {
    let (dir, store) = ground();
    let one = |identity: &str| format!("{{\"identity\":{identity:?},\"since_ms\":0,\"reason\":\"\"}}");
    let intruder = one(id("intruder").as_str());
    let record = |entries: &str| {
        format!("{{\"version\":1,\"trust_domain\":\"demo.local\",\"quarantines\":[{entries}]}}")
    };
    let table = [
        (record("").replace("\"version\":1", "\"version\":2"), "version 2"),
        (record("").replace("demo.local", "other.local"), "\"other.local\""),
        (record("").replace("\"version\":1", "\"version\":1,\"expires\":5"), "unknown field `expires`"),
        (record(&intruder.replace("}", ",\"until\":5}")), "unknown field `until`"),
        (record(&intruder.replace("\"since_ms\":0", "\"since_ms\":-1")), "quarantines[0].since_ms"),
        (record(&format!("{intruder},{intruder}")), "quarantines[1].identity"),
        (record(&one("spiffe://far.example/ns/a/sa/b")), "another trust domain"),
        (record(&one("spiffe://demo.local/ns/kith/sa/kith-control-plane")), "control plane's own"),
        (record(&one("intruder")), "starts with"),
        (format!("{}x", record("")), "trailing"),
    ];
    for (text, expected) in table {
        fs::write(&store.path, &text).unwrap();
        let error = again(&dir).unwrap_err().to_string();
        assert!(error.contains("quarantines.json") && error.contains(expected), "{error}");
    }
}

#[test]
fn a_list_has_a_bound_within_which_it_travels_in_one_message() {
    let (_dir, store) = ground();
    let per_entry = MAX_TEXT / MAX_ENTRIES;
    let mut full = QuarantineList::new();
    for number in 0..MAX_ENTRIES {
        let identity = id(&format!("s{number}"));
        let reason = "\"".repeat((per_entry - identity.as_str().len()).min(MAX_REASON_BYTES));
        full.insert(identity, entry(&reason, Revision { epoch: u64::MAX, counter: u64::MAX }));
    }
    store.write(&full, &QuarantineList::new()).unwrap();
    assert_eq!(store.read(FIRST).unwrap().len(), MAX_ENTRIES);

    let shown = full.iter().map(|(identity, quarantine)| v1::Quarantine {
        identity: identity.to_string(),
        since_ms: i64::MAX,
        reason: quarantine.reason.to_string(),
        revision: Some(quarantine.revision.into()),
        ..v1::Quarantine::default()
    });
    let shown = v1::ListQuarantinesResponse { quarantines: shown.collect() };
    assert!(shown.encoded_len() < crate::server::MAX_MESSAGE, "{}", shown.encoded_len());

    full.insert(id("one-more"), entry("", FIRST));
    assert!(matches!(store.write(&full, &QuarantineList::new()), Err(StoreError::Full { .. })));
    assert_eq!(store.read(FIRST).unwrap().len(), MAX_ENTRIES, "what was there stays");

    let long = "x".repeat(MAX_TEXT);
    assert_eq!(check_room(&[(id("intruder"), entry(&long, FIRST))].into()), Err(Full));
}
