//! What stands in a credential folder: names, contents and modes. Owns no link and no switch.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{FolderError, failed};
use crate::commands::svid::pem;
use crate::commands::svid::update::Update;

pub(super) const FEDERATED: &str = "federated";
/// Readable by whoever gets into the folder: all of it is sent to every peer.
const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;
/// What Linux takes as a name. A trust domain's may be as long by itself.
const MAX_NAME: usize = 255;

/// Files by their path in the folder.
pub(super) struct Files {
    files: Vec<File>,
    /// The paths of those that no file can have, so that no trust domain keeps a workload from the others.
    too_long: Vec<String>,
}

struct File {
    name: String,
    text: Zeroizing<String>,
    mode: u32,
}

impl File {
    fn public(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), text: text.into(), mode: PUBLIC }
    }

    fn has_name(&self) -> bool {
        self.name.split('/').all(|part| part.len() <= MAX_NAME)
    }

    fn secret(name: &str, text: Zeroizing<String>) -> Self {
        Self { name: name.to_owned(), text, mode: SECRET }
    }
}

impl Files {
    /// Of the default identity: a credential folder has one (Filesystem Delivery §2).
    pub(super) fn of(update: &Update) -> Self {
        let svid = update.default_svid();
        let own = pem::certificates(&svid.anchors);
        let domain = svid.leaf.identity().trust_domain();
        let mut files = vec![
            File::public("svid.pem", pem::certificates(&svid.chain)),
            File::secret("svid_key.pem", pem::private_key(&svid.key)),
            File::public("bundle.pem", own.clone()),
            File::secret("credential-bundle.private-key.pem", credential_bundle(update)),
            File::public(trust_bundle(domain.as_str()), own),
        ];
        for (domain, anchors) in &update.federated {
            let text = pem::certificates(anchors);
            files.push(File::public(format!("{FEDERATED}/{domain}.pem"), text.clone()));
            files.push(File::public(trust_bundle(domain.as_str()), text));
        }
        let (files, too_long): (Vec<_>, Vec<_>) = files.into_iter().partition(File::has_name);
        Self { files, too_long: too_long.into_iter().map(|file| file.name).collect() }
    }

    /// The paths that no file can have.
    pub(super) fn into_too_long(self) -> Vec<String> {
        self.too_long
    }

    /// The names that stand in the folder itself.
    pub(super) fn links(&self) -> BTreeSet<String> {
        let first = |name: &str| name.split('/').next().unwrap_or_default().to_owned();
        self.files.iter().map(|file| first(&file.name)).chain([FEDERATED.to_owned()]).collect()
    }

    /// Writes all of them, so that they survive a power cut.
    pub(super) fn write_to(&self, folder: &Path) -> Result<(), FolderError> {
        let federated = folder.join(FEDERATED);
        DirBuilder::new().mode(0o755).create(&federated).map_err(failed("make", &federated))?;
        for file in &self.files {
            let path = folder.join(&file.name);
            let mut opened = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(file.mode)
                .open(&path)
                .map_err(failed("make", &path))?;
            opened
                .write_all(file.text.as_bytes())
                .and_then(|()| opened.sync_all())
                .map_err(failed("write", &path))?;
        }
        Ok(())
    }
}

fn trust_bundle(domain: &str) -> String {
    format!("{domain}.spiffe-trust-bundle.pem")
}

/// Key and chain in one file, which changes as one; an anchor does not belong in it (Filesystem Delivery §2.1).
fn credential_bundle(update: &Update) -> Zeroizing<String> {
    let svid = update.default_svid();
    let chain: Vec<_> = svid.chain.iter().filter(|der| !svid.anchors.contains(der)).collect();
    let (key, chain) = (pem::private_key(&svid.key), pem::certificates(&chain));
    let mut text = Zeroizing::new(String::with_capacity(key.len() + chain.len()));
    text.push_str(&key);
    text.push_str(&chain);
    text
}
