//! Which files are read, and what is said about those that cannot be.

use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{ALLOW_ORDERS, trust_domain};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn named(name: &str) -> String {
    ALLOW_ORDERS.replace("payments-callers", name)
}

fn load(folder: &Path) -> Result<Vec<AuthorizationPolicy>, FolderError> {
    read(folder)?.parse(&trust_domain())
}

#[test]
fn yaml_files_are_read_in_the_order_of_their_names_and_others_are_not() {
    let dir = folder();
    for (file, name) in
        [("b.yaml", "second"), ("a.yml", "first"), (".hidden.yaml", "hidden"), ("c.txt", "text")]
    {
        fs::write(dir.path().join(file), named(name)).unwrap();
    }
    symlink(dir.path().join("c.txt"), dir.path().join("d.yaml")).unwrap();
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/e.yaml"), named("below")).unwrap();

    let policies = load(dir.path()).unwrap();
    let names: Vec<_> = policies.iter().map(|policy| policy.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "text"], "a link is followed, a folder is not entered");
}

#[test]
fn an_error_names_file_line_and_column_and_shows_the_line() {
    let dir = folder();
    let path = dir.path().join("payments.yaml");
    fs::write(&path, ALLOW_ORDERS.replace("  action: ALLOW", "  acton: ALLOW")).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}:6:", path.display())), "{error}");
    assert!(error.contains("acton: ALLOW"), "{error}");
}

#[test]
fn one_name_for_two_policies_is_an_error_that_names_both_places() {
    let dir = folder();
    let (first, second) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"));
    fs::write(&first, ALLOW_ORDERS).unwrap();
    fs::write(&second, ALLOW_ORDERS).unwrap();
    let error = load(dir.path()).unwrap_err().to_string();
    for place in [format!("{}:1 ", first.display()), format!("{}:1;", second.display())] {
        assert!(error.contains(&place), "{error} does not name {place}");
    }
    assert!(error.contains("demo/payments-callers"), "{error}");
}

#[test]
fn what_cannot_be_read_as_policies_is_an_error_and_not_an_empty_set() {
    let missing = folder().path().join("missing");
    assert!(matches!(load(&missing), Err(FolderError::Read { .. })));

    let dir = folder();
    let path = dir.path().join("a.yaml");
    fs::create_dir(&path).unwrap();
    assert!(matches!(load(dir.path()), Err(FolderError::NotAFile { .. })));
    fs::remove_dir(&path).unwrap();

    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(load(dir.path()), Err(FolderError::NotAFile { .. })), "a pipe is not waited for");
    fs::remove_file(&path).unwrap();

    symlink("nowhere", &path).unwrap();
    assert!(matches!(load(dir.path()), Err(FolderError::Read { .. })), "a link to nothing");
    fs::remove_file(&path).unwrap();

    fs::write(&path, b"apiVersion: \xff").unwrap();
    assert!(matches!(load(dir.path()), Err(FolderError::NotText { offset: 12, .. })));

    fs::write(&path, vec![b'#'; usize::try_from(MAX_BYTES).unwrap() + 1]).unwrap();
    assert!(matches!(load(dir.path()), Err(FolderError::TooLarge { .. })));
}

#[test]
fn the_digest_changes_with_names_and_contents_and_with_nothing_else() {
    let dir = folder();
    fs::write(dir.path().join("a.yaml"), "one").unwrap();
    let first = read(dir.path()).unwrap();
    assert_eq!(read(dir.path()).unwrap().digest(), first.digest());

    fs::write(dir.path().join("a.yaml"), "two").unwrap();
    let second = read(dir.path()).unwrap();
    assert_ne!(second.digest(), first.digest());

    fs::rename(dir.path().join("a.yaml"), dir.path().join("b.yaml")).unwrap();
    assert_ne!(read(dir.path()).unwrap().digest(), second.digest());
}

#[test]
fn a_file_that_was_emptied_is_an_error_and_one_of_comments_is_not() {
    // Programs empty a file before they write it anew: that must not count as rules that were taken away.
    let dir = folder();
    let path = dir.path().join("payments.yaml");
    for text in ["", " \n\t\n"] {
        fs::write(&path, text).unwrap();
        let error = load(dir.path()).unwrap_err().to_string();
        assert!(error.contains("payments.yaml") && error.contains("is empty"), "{error}");
    }
    fs::write(&path, "# nothing for now\n").unwrap();
    assert_eq!(load(dir.path()).unwrap(), []);
}
