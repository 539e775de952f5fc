//! In folders of the test's own. What a reader sees is looked at in the middle of a change as well as after it.

use std::os::unix::fs::symlink;
use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use kith_identity::TrustDomain;
use tempfile::TempDir;

use super::files::FEDERATED;
use super::*;
use crate::commands::svid::pem::{self, Section};
use crate::commands::svid::testing::{Ca, update};

fn folder() -> (TempDir, Folder) {
    let parent = tempfile::tempdir().unwrap();
    let folder = Folder::open(&parent.path().join("svid")).unwrap();
    (parent, folder)
}

fn names(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.to_str().unwrap().to_owned()).collect();
    names.retain(|name| !name.starts_with(".."));
    names.sort();
    names
}

fn read(folder: &Folder, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn ders(text: &str) -> Vec<Vec<u8>> {
    let sections = pem::read(text).unwrap().into_iter().filter_map(|section| match section {
        Section::Certificate(der) => Some(der),
        Section::PrivateKey(_) | Section::Other(_) => None,
    });
    sections.collect()
}

fn states(folder: &Folder) -> usize {
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with(STATE)).count()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn federate(update: &mut Update, domain: &str, ca: &Ca) {
    update.federated.insert(TrustDomain::parse(domain).unwrap(), vec![ca.der.clone()]);
}

#[test]
fn everything_has_its_name_and_its_mode() {
    let (ca, partner) = (Ca::new(), Ca::new());
    let mut update = update(&ca);
    federate(&mut update, "partner.example", &partner);
    let (_parent, folder) = folder();
    folder.write(&update).unwrap();
    assert_eq!(
        names(&folder),
        [
            "bundle.pem",
            "credential-bundle.private-key.pem",
            "demo.local.spiffe-trust-bundle.pem",
            "federated",
            "partner.example.spiffe-trust-bundle.pem",
            "svid.pem",
            "svid_key.pem"
        ]
    );
    assert_eq!(ders(&read(&folder, "svid.pem")), update.default_svid().chain);
    for own in ["bundle.pem", "demo.local.spiffe-trust-bundle.pem"] {
        assert_eq!(ders(&read(&folder, own)), from_ref(&ca.der));
    }
    for federated in ["federated/partner.example.pem", "partner.example.spiffe-trust-bundle.pem"] {
        assert_eq!(ders(&read(&folder, federated)), from_ref(&partner.der));
    }
    let in_folder = |name: &str| mode(&folder.path().join(name));
    assert_eq!((mode(folder.path()), in_folder("svid_key.pem")), (0o700, 0o600));
    assert_eq!(in_folder("credential-bundle.private-key.pem"), 0o600);
    assert_eq!(in_folder("svid.pem") & 0o022, 0);
}

#[test]
fn the_credential_bundle_has_the_key_first_and_no_anchor() {
    let ca = Ca::new();
    let mut update = update(&ca);
    update.svids[0].chain.push(ca.der.clone());
    let (_parent, folder) = folder();
    folder.write(&update).unwrap();
    let sections = pem::read(&read(&folder, "credential-bundle.private-key.pem")).unwrap();
    let leaf = update.default_svid().chain[0].clone();
    assert_eq!(sections, [Section::PrivateKey("PRIVATE KEY".into()), Section::Certificate(leaf)]);
    assert_eq!(ders(&read(&folder, "svid.pem")).len(), 2, "the chain as it came");
}

// Conforms: Workload-API 4.4 redaction, Workload-API 4.4 not-kept, Workload-API 4.4 absent
#[test]
fn a_bundle_that_is_not_sent_any_more_vanishes() {
    let (ca, partner) = (Ca::new(), Ca::new());
    let (_parent, folder) = folder();
    let mut both = update(&ca);
    federate(&mut both, "partner.example", &partner);
    folder.write(&both).unwrap();
    folder.write(&update(&ca)).unwrap();
    assert!(!names(&folder).contains(&"partner.example.spiffe-trust-bundle.pem".to_owned()));
    assert!(fs::read_dir(folder.path().join("federated")).unwrap().next().is_none());
}

#[test]
fn a_trust_domain_whose_name_is_too_long_for_a_file_keeps_nobody_from_the_own_svid() {
    let (ca, partner) = (Ca::new(), Ca::new());
    let (_parent, folder) = folder();
    let mut update = update(&ca);
    // As long as both names may be, as one of them may be, and too long for either.
    let domains = [231, 232, 251, 252].map(|length| "a".repeat(length));
    domains.iter().for_each(|domain| federate(&mut update, domain, &partner));
    let left_out = folder.write(&update).unwrap();
    assert_eq!(ders(&read(&folder, "svid.pem")), update.default_svid().chain);
    let federated = |domain: &str| folder.path().join(FEDERATED).join(format!("{domain}.pem")).exists();
    assert_eq!(domains.each_ref().map(|domain| federated(domain)), [true, true, true, false]);
    let at_top = names(&folder).into_iter().filter(|name| name.starts_with("aaa")).count();
    assert_eq!((at_top, left_out.len()), (1, 4), "{left_out:?}");
    assert!(left_out.iter().all(|name| name.len() > 255 && name.ends_with(".pem")), "{left_out:?}");
}

#[test]
fn a_trust_domain_that_is_named_like_a_state_of_ours_has_its_file_all_the_same() {
    let (ca, partner) = (Ca::new(), Ca::new());
    let (_parent, folder) = folder();
    let mut update = update(&ca);
    federate(&mut update, "..svid-x", &partner);
    folder.write(&update).unwrap();
    assert_eq!(ders(&read(&folder, "..svid-x.spiffe-trust-bundle.pem")), from_ref(&partner.der));
}

/// One look at the folder: what a file has by its name, and two files behind one resolved link. An error where two changes
/// overtook the look.
fn look(path: &Path) -> io::Result<String> {
    let state = path.join(fs::read_link(path.join(DATA))?);
    let svid = fs::read_to_string(state.join("svid.pem"))?;
    let both = fs::read_to_string(state.join("credential-bundle.private-key.pem"))?;
    assert!(both.ends_with(&svid), "a mixture");
    let alone = fs::read_to_string(path.join("svid.pem"))?;
    assert_eq!(ders(&alone).len(), 1, "half of a file");
    Ok(svid)
}

#[test]
fn a_reader_never_sees_half_of_a_change() {
    let ca = Ca::new();
    let (_parent, folder) = folder();
    folder.write(&update(&ca)).unwrap();
    let (done, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                match look(folder.path()) {
                    Ok(_) => looks.fetch_add(1, Ordering::Relaxed),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => panic!("{error}"),
                };
            }
        });
        // As often as it takes for the reader to have looked between changes.
        for _ in 0..1000 {
            folder.write(&update(&ca)).unwrap();
            if looks.load(Ordering::Relaxed) >= 20 {
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(looks.into_inner() >= 20, "the reader never came to look");
}

#[test]
fn who_resolved_the_link_has_until_the_change_after_the_next() {
    let ca = Ca::new();
    let (_parent, folder) = folder();
    folder.write(&update(&ca)).unwrap();
    let state = folder.path().join(DATA).canonicalize().unwrap();
    folder.write(&update(&ca)).unwrap();
    assert!(state.join("svid_key.pem").exists());
    folder.write(&update(&ca)).unwrap();
    assert!(!state.exists(), "a key that was replaced twice is gone");
    assert_eq!(states(&folder), 2, "this state and the one before it");
}

#[test]
fn what_is_withdrawn_is_gone() {
    let (_parent, folder) = folder();
    folder.write(&update(&Ca::new())).unwrap();
    fs::write(folder.path().join("notes"), "of somebody else").unwrap();
    folder.withdraw().unwrap();
    assert_eq!(names(&folder), ["notes"]);
    assert_eq!(states(&folder), 0, "the key is nowhere");
    folder.withdraw().unwrap();
    folder.write(&update(&Ca::new())).unwrap();
    assert!(names(&folder).contains(&"svid.pem".to_owned()));
}

#[test]
fn what_an_interrupted_writer_left_is_cleared_away() {
    let (_parent, folder) = folder();
    fs::create_dir(folder.path().join("..svid-left")).unwrap();
    symlink("anywhere", folder.path().join(DRAFT)).unwrap();
    folder.write(&update(&Ca::new())).unwrap();
    assert_eq!(states(&folder), 1);
    assert!(!folder.path().join(DRAFT).is_symlink());
}

#[test]
fn a_file_of_somebody_else_is_not_replaced() {
    for name in ["svid.pem", "federated", DATA] {
        let (_parent, folder) = folder();
        fs::write(folder.path().join(name), "mine").unwrap();
        let refused = folder.write(&update(&Ca::new())).unwrap_err();
        assert!(matches!(refused, FolderError::Foreign(_)), "{refused}");
        assert_eq!((read(&folder, name).as_str(), states(&folder)), ("mine", 0));
    }
    let (_parent, folder) = folder();
    symlink("/etc/passwd", folder.path().join("svid_key.pem")).unwrap();
    assert!(matches!(folder.write(&update(&Ca::new())), Err(FolderError::Foreign(_))));
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("open");
    for mode in [0o777, 0o770, 0o702, 0o1777] {
        let _ = fs::remove_dir(&path);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let refused = Folder::open(&path).unwrap_err();
        assert!(matches!(refused, FolderError::Unsafe { .. }), "{mode:o}: {refused}");
    }
    // Also one that was opened up later.
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let folder = Folder::open(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o775)).unwrap();
    assert!(matches!(folder.write(&update(&Ca::new())), Err(FolderError::Unsafe { .. })));
    fs::write(parent.path().join("file"), "").unwrap();
    assert!(matches!(Folder::open(&parent.path().join("file")), Err(FolderError::NoFolder(_))));
}

#[test]
fn a_folder_that_was_put_in_the_place_of_ours_gets_nothing() {
    let (ca, (parent, folder)) = (Ca::new(), folder());
    folder.write(&update(&ca)).unwrap();
    let ours = parent.path().join("moved");
    fs::rename(folder.path(), &ours).unwrap();
    let other = tempfile::tempdir().unwrap();
    let put = |with: &dyn Fn(&Path)| {
        with(folder.path());
        let refused = folder.write(&update(&ca)).unwrap_err();
        assert!(matches!(refused, FolderError::Unsafe { .. }), "{refused}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    };
    put(&|place| fs::create_dir(place).unwrap());
    fs::remove_dir(folder.path()).unwrap();
    put(&|place| symlink(other.path(), place).unwrap());
    // What holds no longer is taken away wherever it is.
    folder.withdraw().unwrap();
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 0);
}

#[test]
fn two_do_not_write_to_one_folder() {
    let (parent, folder) = folder();
    let again = || Folder::open(&parent.path().join("svid"));
    assert!(matches!(again(), Err(FolderError::InUse(_))));
    drop(folder);
    assert!(again().is_ok());
}
