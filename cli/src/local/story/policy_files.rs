//! The files of policies that the story edits, and how they were before.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use crate::local::demo_mesh::{ORDERS_FILE, PAYMENTS_FILE};

const ORDERS_ALONE: &str = "serviceAccount: { name: orders } }";
const AND_INTRUDER: &str =
    "serviceAccount: { name: orders } }\n    - { type: ServiceAccount, serviceAccount: { name: intruder } }";
const CHARGE: &str = "- http: { methods: [POST], paths: [\"/charge/{id}\"] }";
const AND_EVENTS: &str = "- http: { methods: [POST], paths: [\"/charge/{id}\"] }\n    \
                          - http: { methods: [GET], paths: [\"/events\"] }";
const WEB: &str = "serviceAccount: { name: web } }";
const NOT_WEB: &str = "serviceAccount: { name: nobody } }";

/// The folder, with the texts of the beginning.
#[derive(Debug)]
pub(super) struct PolicyFiles {
    folder: PathBuf,
    originals: BTreeMap<&'static str, String>,
}

impl PolicyFiles {
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = |name: &'static str| {
            let path = folder.join(name);
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            anyhow::Ok((name, text))
        };
        let originals = [ORDERS_FILE, PAYMENTS_FILE].into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { folder: folder.to_owned(), originals })
    }

    /// Where they lie.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The text of the beginning.
    pub(super) fn original(&self, name: &str) -> anyhow::Result<&str> {
        self.originals
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("{name} is no file of the story"))
    }

    /// The intruder may charge as orders does.
    pub(super) fn with_intruder(&self) -> anyhow::Result<String> {
        replaced(self.original(PAYMENTS_FILE)?, PAYMENTS_FILE, ORDERS_ALONE, AND_INTRUDER)
    }

    /// It may follow the events as well.
    pub(super) fn with_intruder_and_events(&self) -> anyhow::Result<String> {
        replaced(&self.with_intruder()?, PAYMENTS_FILE, CHARGE, AND_EVENTS)
    }

    /// Web may not order any more.
    pub(super) fn without_web(&self) -> anyhow::Result<String> {
        replaced(self.original(ORDERS_FILE)?, ORDERS_FILE, WEB, NOT_WEB)
    }

    /// Saves as an editor does: the file is never half of one text and half of another.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let file = self.folder.join(name);
        let draft = file.with_extension("draft");
        fs::write(&draft, text)
            .and_then(|()| fs::rename(&draft, &file))
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// All files as they were.
    pub(super) fn restore(&self) -> anyhow::Result<()> {
        self.originals.iter().try_for_each(|(name, text)| self.write(name, text))
    }
}

fn replaced(text: &str, name: &str, old: &str, new: &str) -> anyhow::Result<String> {
    let edited = text.replace(old, new);
    ensure!(edited != text, "{name} is not the file of the demo any more: {old:?} is not in it");
    Ok(edited)
}

#[cfg(test)]
mod tests {
    use kith_policy::document;

    use super::*;
    use crate::local::demo_mesh::write_policies;

    #[test]
    fn every_edit_of_the_story_is_a_policy_and_the_files_are_put_back() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("policies");
        write_policies(&folder).unwrap();
        let files = PolicyFiles::read(&folder).unwrap();
        for (name, text) in [
            (PAYMENTS_FILE, files.with_intruder().unwrap()),
            (PAYMENTS_FILE, files.with_intruder_and_events().unwrap()),
            (ORDERS_FILE, files.without_web().unwrap()),
        ] {
            assert_eq!(document::parse(name, &text).unwrap().len(), 1);
            files.write(name, &text).unwrap();
            assert_ne!(fs::read_to_string(folder.join(name)).unwrap(), files.original(name).unwrap());
        }
        files.restore().unwrap();
        for name in [ORDERS_FILE, PAYMENTS_FILE] {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), files.original(name).unwrap());
        }
    }

    #[test]
    fn a_file_that_somebody_else_edited_is_not_guessed_at() {
        let error = replaced("spec: {}", PAYMENTS_FILE, ORDERS_ALONE, AND_INTRUDER).unwrap_err();
        assert!(
            error.to_string().starts_with("payments.yaml is not the file of the demo any more"),
            "{error}"
        );
    }
}
