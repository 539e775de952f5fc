//! Reads a folder of policies: all of it, or an error that says what is wrong and where. It does not watch (that
//! is `watched`) and keeps nothing.
//!
//! Read are `*.yaml` and `*.yml` in the folder itself, in the order of their names. Hidden files are skipped, as
//! editors and projected volumes keep their own there; symbolic links are followed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, Context, SHA256};
use kith_identity::TrustDomain;
use kith_policy::document::{self, AuthorizationPolicy, DocumentError};
use kith_policy::{CompileError, PolicySet, Revision};

/// More than this is a mistake in the choice of the folder.
const MAX_BYTES: u64 = 10 * 1024 * 1024;

/// The files as they were at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    texts: Vec<(PathBuf, Vec<u8>)>,
    digest: Vec<u8>,
}

/// Why a folder has no usable policies. Its text is what `kith status` shows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// The folder or a file cannot be read.
    #[error("{}: {error}", .path.display())]
    Read { path: PathBuf, error: io::Error },
    /// A device, a pipe or a folder with the name of a policy file.
    #[error("{}: is not a regular file", .path.display())]
    NotAFile { path: PathBuf },
    /// All files together are too large.
    #[error("{}: the policy files have more than {} MiB together", .path.display(), MAX_BYTES / 1024 / 1024)]
    TooLarge { path: PathBuf },
    /// It changes at every look.
    #[error("{}: is written to without a pause; replace files by renaming them into place", .path.display())]
    Restless { path: PathBuf },
    /// A file is no text.
    #[error("{}: byte {offset} is not UTF-8", .path.display())]
    NotText { path: PathBuf, offset: usize },
    /// A document is wrong; the error names file, line and column.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A file without a character: somebody is about to write it, or emptied it by mistake.
    #[error("{}: is empty; delete the file to take its policies away", .path.display())]
    Empty { path: PathBuf },
    /// Each document is fine, and together they are not.
    #[error("{0}")]
    Compile(CompileError),
}

/// Reads the files without looking into them.
pub(crate) fn read(folder: &Path) -> Result<Files, FolderError> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if is_policy_file(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    let mut left = MAX_BYTES;
    let mut texts = Vec::with_capacity(paths.len());
    for path in paths {
        let bytes = read_file(&path, left)?.ok_or_else(|| FolderError::TooLarge { path: folder.into() })?;
        left -= bytes.len() as u64;
        texts.push((path, bytes));
    }
    let digest = digest_of(&texts);
    Ok(Files { texts, digest })
}

impl Files {
    /// Names this content: equal digests, equal policies.
    pub(crate) fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// Parses everything and makes sure that it compiles.
    pub(crate) fn parse(&self, trust_domain: &TrustDomain) -> Result<Vec<AuthorizationPolicy>, FolderError> {
        let mut policies = Vec::new();
        for (path, bytes) in &self.texts {
            let text = std::str::from_utf8(bytes)
                .map_err(|error| FolderError::NotText { path: path.clone(), offset: error.valid_up_to() })?;
            if text.trim().is_empty() {
                return Err(FolderError::Empty { path: path.clone() });
            }
            policies.extend(document::parse(&path.display().to_string(), text)?);
        }
        // Which revision it will get is decided later; whether it compiles does not depend on it.
        PolicySet::compile(trust_domain, &policies, Revision { epoch: 0, counter: 0 })
            .map_err(FolderError::Compile)?;
        Ok(policies)
    }
}

fn is_policy_file(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    !hidden && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// `None` when the file has more than `most` bytes.
fn read_file(path: &Path, most: u64) -> Result<Option<Vec<u8>>, FolderError> {
    // Before it is opened: opening a pipe would wait for a writer.
    let kind = fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !kind.is_file() {
        return Err(FolderError::NotAFile { path: path.into() });
    }
    let file = File::open(path).map_err(|error| unreadable(path, error))?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits", whatever the metadata said.
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, error))?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

/// Length before content, so that no two lists of files give the same bytes.
fn digest_of(texts: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for (path, bytes) in texts {
        for part in [path.as_os_str().as_encoded_bytes(), bytes] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    digest::Digest::as_ref(&context.finish()).to_vec()
}

fn unreadable(path: &Path, error: io::Error) -> FolderError {
    FolderError::Read { path: path.into(), error }
}

#[cfg(test)]
mod tests;
