//! The file `quarantines.json` beside the authority's sealed file. Owns its format and its bounds.
//!
//! A quarantine that is lost is a quarantine that is lifted. So a file that cannot be read, or is missing where it was
//! before, is an error and never an empty list; and the first, empty one is made *before* the authority is, because
//! from then on it has to be there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_ca::private_file::{self, PrivateFileError};
use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::Revision;
use kith_proto::convert::{WireError, from_millis, to_millis};
use serde::{Deserialize, Serialize};

use super::{Quarantine, QuarantineList};

const NAME: &str = "quarantines.json";
const VERSION: u32 = 1;
/// The list travels to every sidecar, and to people, in one message each.
pub(super) const MAX_ENTRIES: usize = 10_000;
/// Identities and reasons in all, in bytes: a message takes 4 MiB.
pub(super) const MAX_TEXT: usize = 3 * 1024 * 1024;
/// A full list with every byte of its texts escaped.
const MAX_FILE: u64 = 8 * 1024 * 1024;

/// Why the record of quarantines cannot be used. Each of these keeps the control plane from starting.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{} names no file", .0.display())]
    NoName(PathBuf),
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error(
        "{} is missing, and with it the list of who is quarantined; restore it from a backup, or if nobody was \
         quarantined write this into it, with mode 600: {empty}",
        .path.display()
    )]
    Missing { path: PathBuf, empty: String },
    #[error("{} cannot be read: {error}; restore it from a backup", .path.display())]
    Json { path: PathBuf, error: serde_json::Error },
    #[error("{} has version {found}, this build reads {VERSION}; use the build that wrote it", .path.display())]
    Version { path: PathBuf, found: u32 },
    #[error("{} is of the trust domain {found:?}, not of {ours}; restore the right one", .path.display())]
    OtherDomain { path: PathBuf, found: String, ours: TrustDomain },
    #[error("{}: {error}; correct it, or restore it from a backup", .path.display())]
    Entry { path: PathBuf, error: WireError },
    #[error("{}: {error}; take entries out that are not needed", .path.display())]
    Full { path: PathBuf, error: Full },
    /// Neither the new list nor the old one is certain to be what a restart finds.
    #[error(
        "{error}; and the list before could not be written back: {back}; mend the disk, then say it again"
    )]
    Unsettled { error: PrivateFileError, back: PrivateFileError },
}

/// Replaces a file; something else only in tests, which cannot make a disk fail.
pub(super) type Replace = fn(&Path, &[u8]) -> Result<(), PrivateFileError>;

/// There are more quarantines than can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is room for {MAX_ENTRIES} quarantines of {MAX_TEXT} bytes in all, and it is used up")]
pub(crate) struct Full;

/// The file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    trust_domain: TrustDomain,
    replace: Replace,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    trust_domain: String,
    quarantines: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    identity: String,
    since_ms: i64,
    reason: String,
}

/// What is read first: another version may have other fields.
#[derive(Debug, Deserialize)]
struct Versioned {
    version: u32,
}

impl Store {
    /// The one beside an authority's sealed file. Makes the first one where there is no authority yet; what stands
    /// there already stays, since nothing that was quarantined is lifted by the loss of a key.
    pub(crate) fn beside(state_file: &Path, trust_domain: &TrustDomain) -> Result<Self, StoreError> {
        if state_file.file_name().is_none() {
            return Err(StoreError::NoName(state_file.into()));
        }
        let (path, trust_domain) = (state_file.with_file_name(NAME), trust_domain.clone());
        let store = Self { path, trust_domain, replace: private_file::replace };
        // A link that leads nowhere is something: the authority refuses it, so this is not a first start.
        if state_file.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            private_file::create(&store.path, store.encode(&QuarantineList::new()).as_bytes())?;
        }
        Ok(store)
    }

    /// Everybody who was cut off when it was written last, as of `revision`.
    pub(crate) fn read(&self, revision: Revision) -> Result<QuarantineList, StoreError> {
        let path = || self.path.clone();
        let bytes = private_file::read(&self.path, MAX_FILE)?.ok_or_else(|| StoreError::Missing {
            path: path(),
            empty: self.encode(&QuarantineList::new()),
        })?;
        let json = |error| StoreError::Json { path: path(), error };
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(json)?;
        if version != VERSION {
            return Err(StoreError::Version { path: path(), found: version });
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(json)?;
        if document.trust_domain != self.trust_domain.as_str() {
            let (found, ours) = (document.trust_domain, self.trust_domain.clone());
            return Err(StoreError::OtherDomain { path: path(), found, ours });
        }
        let list = list_of(&self.trust_domain, document.quarantines, revision)
            .map_err(|error| StoreError::Entry { path: path(), error })?;
        check_room(&list).map_err(|error| StoreError::Full { path: path(), error })?;
        Ok(list)
    }

    /// Replaces the list `before`. Durable on return. After every error but [`Unsettled`](StoreError::Unsettled) the list
    /// before is what a restart finds: one that nobody answered for must not come into force by itself.
    pub(crate) fn write(&self, list: &QuarantineList, before: &QuarantineList) -> Result<(), StoreError> {
        check_room(list).map_err(|error| StoreError::Full { path: self.path.clone(), error })?;
        let replace = |list| (self.replace)(&self.path, self.encode(list).as_bytes());
        match replace(list) {
            Err(error @ PrivateFileError::Unsynced { .. }) => match replace(before) {
                Ok(()) => Err(error.into()),
                Err(back) => Err(StoreError::Unsettled { error, back }),
            },
            written => Ok(written?),
        }
    }

    fn encode(&self, list: &QuarantineList) -> String {
        let entry = |(identity, quarantine): (&SpiffeId, &Quarantine)| {
            serde_json::json!({
                "identity": identity.as_str(),
                "since_ms": to_millis(quarantine.since),
                "reason": &*quarantine.reason,
            })
        };
        let quarantines: Vec<_> = list.iter().map(entry).collect();
        serde_json::json!({
            "version": VERSION,
            "trust_domain": self.trust_domain.as_str(),
            "quarantines": quarantines,
        })
        .to_string()
    }
}

/// Whether a list can be kept and sent.
pub(super) fn check_room(list: &QuarantineList) -> Result<(), Full> {
    let text: usize = list.iter().map(|(identity, entry)| identity.as_str().len() + entry.reason.len()).sum();
    if list.len() > MAX_ENTRIES || text > MAX_TEXT { Err(Full) } else { Ok(()) }
}

fn list_of(
    trust_domain: &TrustDomain,
    entries: Vec<Entry>,
    revision: Revision,
) -> Result<QuarantineList, WireError> {
    let mut list = QuarantineList::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let field = |name: &str| format!("quarantines[{position}].{name}");
        let wrong =
            |reason: &str| WireError::new(field("identity"), format!("{:?} {reason}", entry.identity));
        let identity =
            SpiffeId::parse(&entry.identity).map_err(|error| wrong(&format!("is none: {error}")))?;
        if identity.trust_domain() != trust_domain {
            return Err(wrong("is of another trust domain"));
        }
        if identity.is_reserved() {
            return Err(wrong("is the control plane's own identity"));
        }
        let since = from_millis(&field("since_ms"), entry.since_ms)?;
        let quarantine = Quarantine { since, reason: Arc::from(entry.reason.as_str()), revision };
        if list.insert(identity, quarantine).is_some() {
            return Err(wrong("is there twice"));
        }
    }
    Ok(list)
}

#[cfg(test)]
pub(super) mod tests;
