//! What meshes that were killed left of themselves. Owns what counts as left: a private folder of this user with a
//! lock in it that nobody holds.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use super::layout::{LayoutError, TEMPORARY_LOCK, check_private, gone, io_error};
use super::lock::Lock;

/// Every temporary folder of a mesh begins like this.
const PREFIX: &str = "kith-";

/// Removes the temporary folders of meshes that run no more; an error for each that cannot be removed.
pub fn sweep(parent: &Path) -> Vec<LayoutError> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) => return vec![io_error("read", parent)(error)],
    };
    let swept = entries.map(|entry| {
        let entry = entry.map_err(io_error("read", parent))?;
        if is_ours(&entry.file_name()) { sweep_one(&entry.path()) } else { Ok(()) }
    });
    swept.filter_map(Result::err).collect()
}

fn is_ours(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

fn sweep_one(folder: &Path) -> Result<(), LayoutError> {
    // Somebody else's, or none of ours: none of our business.
    if check_private(folder).is_err() {
        return Ok(());
    }
    let lock = folder.join(TEMPORARY_LOCK);
    match Lock::take_left(&lock) {
        // Removed while its lock is ours, so that nobody else sweeps it at the same time.
        Ok(Some(_held)) => gone(fs::remove_dir_all(folder), folder),
        Ok(None) => Ok(()),
        // Not a mesh's, or one that is just being made or removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error("lock", &lock)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Temporary, make_private};
    use super::*;

    #[test]
    fn only_what_a_dead_mesh_left_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let alive = Temporary::make("kith-demo-", parent.path()).unwrap();
        let dead = parent.path().join("kith-demo-dead");
        make_private(&dead).unwrap();
        fs::write(dead.join(TEMPORARY_LOCK), "").unwrap();
        fs::create_dir(dead.join("state")).unwrap();
        let unrelated = parent.path().join("kith-1000");
        make_private(&unrelated).unwrap();
        let open = parent.path().join("kith-open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        fs::write(open.join(TEMPORARY_LOCK), "").unwrap();
        assert!(sweep(parent.path()).is_empty());
        assert!(!dead.exists());
        assert!(alive.path().exists() && unrelated.exists() && open.exists());
    }
}
