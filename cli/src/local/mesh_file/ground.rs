//! The machine that a mesh is to run on: where its commands and folders are. Owns the rule that what is not there is
//! an error before any process is started, and never a restart loop.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kith_policy::Origin;
use kith_policy::document::DocumentError;

/// A command of this name is the very kith that starts the mesh, whatever else is installed.
const KITH: &str = "kith";
const EXECUTABLE: u32 = 0o111;

/// Where a file is read for.
#[derive(Debug)]
pub struct Ground<'a> {
    /// What relative paths start from: the folder of the file. Absolute.
    pub folder: &'a Path,
    /// Folders in which programs are looked for, separated by colons, as in `PATH`.
    pub search: &'a str,
    /// The executable of kith itself.
    pub kith: &'a Path,
    /// Variables that every application gets beside its own.
    pub inherited: BTreeMap<String, String>,
}

impl Ground<'_> {
    /// A folder that a field names, and that is there.
    pub(super) fn existing_folder(
        &self,
        named: &str,
        at: &Origin,
        field: &str,
    ) -> Result<PathBuf, DocumentError> {
        let folder = tidy(&self.folder.join(named));
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => Ok(folder),
            Ok(_) => Err(error(at, format!("{field}: {} is not a folder", folder.display()))),
            Err(cause) => {
                Err(error(at, format!("{field}: the folder {} cannot be used: {cause}", folder.display())))
            }
        }
    }

    /// A command whose program is there, by its path: the same program is then started every time. One that is named
    /// with a slash is looked for from the folder it runs in.
    pub(super) fn command(
        &self,
        argv: &[String],
        cwd: &Path,
        at: &Origin,
    ) -> Result<Vec<String>, DocumentError> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(error(at, "the command is empty".to_owned()));
        };
        let found = if program == KITH {
            self.kith.to_owned()
        } else if program.contains('/') {
            let path = tidy(&cwd.join(program));
            is_program(&path)
                .map_err(|reason| error(at, format!("cannot run {}: {reason}", path.display())))?;
            path
        } else {
            let mut places = self.search.split(':').filter(|place| place.starts_with('/'));
            let found = places
                .find_map(|place| Some(Path::new(place).join(program)).filter(|it| is_program(it).is_ok()));
            found.ok_or_else(|| {
                let what = "no such command in PATH; install it, or write a path with a slash, such as";
                error(at, format!("cannot run {program:?}: {what} ./{program}"))
            })?
        };
        let Some(found) = found.to_str() else {
            return Err(error(at, format!("the path {} is not UTF-8", found.display())));
        };
        Ok(std::iter::once(found.to_owned()).chain(arguments.iter().cloned()).collect())
    }
}

/// Without `.` in it, as people would write it.
fn tidy(path: &Path) -> PathBuf {
    path.components().collect()
}

fn is_program(path: &Path) -> Result<(), String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a file".to_owned());
    }
    if found.permissions().mode() & EXECUTABLE == 0 {
        return Err("it is not executable; chmod +x makes it so".to_owned());
    }
    Ok(())
}

fn error(at: &Origin, message: String) -> DocumentError {
    DocumentError { origin: at.clone(), message }
}
