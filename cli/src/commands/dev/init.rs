//! `kith dev init`: a file and a first policy that run as they are, to be changed into one's own.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::args::dev::DevInitArgs;
use crate::exit::Exit;
use crate::render;

/// Paths below the folder, and what is written there.
const FILES: [(&str, &str); 2] = [
    ("kith.yaml", include_str!("init/kith.yaml")),
    ("policies/payments.yaml", include_str!("init/payments.yaml")),
];

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
#[error("{}; name another folder: kith dev init FOLDER", there_already(.0))]
struct Exists(Vec<PathBuf>);

fn there_already(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let are = if names.len() == 1 { "is" } else { "are" };
    format!("{} {are} there already, and {are} not overwritten", names.join(" and "))
}

/// Writes all of them, or none.
pub(super) fn run(args: &DevInitArgs) -> anyhow::Result<Exit> {
    let written = write(&args.folder)?;
    for path in &written {
        render::report(&format!("wrote {}", render::escape::escape(&path.display().to_string())));
    }
    let from =
        if args.folder == Path::new(".") { String::new() } else { format!(" -f {}", written[0].display()) };
    render::report(&format!(
        "\n  start   kith dev --watch{from}\n  try     curl http://127.0.0.1:3000/orders/42     (orders calls payments)"
    ));
    Ok(Exit::Ok)
}

fn write(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let paths: Vec<PathBuf> = FILES.iter().map(|(name, _)| folder.join(name)).collect();
    let there: Vec<PathBuf> =
        paths.iter().filter(|path| fs::symlink_metadata(path).is_ok()).cloned().collect();
    if !there.is_empty() {
        return Err(Exists(there).into());
    }
    for (path, (_, text)) in paths.iter().zip(FILES) {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        // Not over one that appeared meanwhile.
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kith_policy::document;

    use super::*;
    use crate::local::mesh_file::{Ground, MeshFile};

    #[test]
    fn what_is_written_can_be_run_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("shop");
        let written = write(&new).unwrap();
        let file = MeshFile::read(&written[0]).unwrap();
        let kith = Path::new("/proc/self/exe");
        let ground = Ground { folder: &new, search: "", kith, inherited: BTreeMap::new() };
        let spec = file.on(&ground, "shop").unwrap();
        assert_eq!(spec.services.len(), 2);
        let text = fs::read_to_string(&written[1]).unwrap();
        let policies = document::parse("payments.yaml", &text).unwrap();
        assert_eq!(policies[0].namespace.as_str(), spec.services[0].namespace);
    }

    #[test]
    fn nothing_is_overwritten_and_then_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let mine = folder.path().join("policies/payments.yaml");
        fs::write(&mine, "mine").unwrap();
        let error = write(folder.path()).unwrap_err().to_string();
        let one = format!("{} is there already, and is not overwritten; ", mine.display());
        assert!(error.starts_with(&one), "{error}");
        assert!(!folder.path().join("kith.yaml").exists());
        assert_eq!(fs::read_to_string(mine).unwrap(), "mine");
        fs::write(folder.path().join("kith.yaml"), "mine").unwrap();
        let error = write(folder.path()).unwrap_err().to_string();
        assert!(error.contains("kith.yaml and "), "{error}");
        assert!(error.contains(" are there already, and are not overwritten; "), "{error}");
    }
}
