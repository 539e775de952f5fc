//! The mesh of the demo: a file like anybody's, embedded, with the policies that let its shop work and nobody else.
//! Owns what is special about it: where its files come from, and which calls are worth trying.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use kith_policy::document::DocumentError;

use super::banner;
use super::layout::make_private;
use super::mesh_file::{Ground, MeshFile};
use super::services::MeshSpec;
use super::supervisor::Supervisor;

/// The name of the mesh unless it is given another.
pub const NAME: &str = "demo";
/// The mesh.
pub const FILE: &str = include_str!("demo.yaml");
/// The folder of the policies, beside the file.
pub const POLICIES_FOLDER: &str = "policies";
/// The file of [`POLICIES`] that says who may call orders.
pub const ORDERS_FILE: &str = "orders.yaml";
/// The file of [`POLICIES`] that says who may call payments.
pub const PAYMENTS_FILE: &str = "payments.yaml";

/// File names and contents.
pub const POLICIES: [(&str, &str); 2] = [
    (ORDERS_FILE, include_str!("demo_policies/orders.yaml")),
    (PAYMENTS_FILE, include_str!("demo_policies/payments.yaml")),
];

/// What a command needs to ask the mesh of this name: nothing for the usual one, ` --name NAME` for others.
pub fn name_flag(name: &str) -> String {
    if name == NAME { String::new() } else { format!(" --name {name}") }
}

/// The embedded file.
pub fn file() -> Result<MeshFile, DocumentError> {
    MeshFile::parse("demo.yaml", FILE)
}

/// The mesh, as if the file lay in this folder; its applications inherit nothing.
pub fn spec(folder: &Path, kith: &Path, name: &str) -> Result<MeshSpec, DocumentError> {
    let ground = Ground { folder, search: "", kith, inherited: BTreeMap::new() };
    file()?.on(&ground, name)
}

/// Writes the policies into a folder, for the user to edit.
pub fn write_policies(folder: &Path) -> anyhow::Result<()> {
    make_private(folder)?;
    for (name, text) in POLICIES {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Calls of one's own: one that is allowed, one that is not, and why.
pub fn hints(mesh: &Supervisor) -> Vec<String> {
    let web = mesh.endpoints("web").map(|web| web.app);
    let intruder = mesh.endpoints("intruder").and_then(|own| own.outbounds.get("payments"));
    let allowed = web.map(|web| format!("  try     curl http://{web}/checkout"));
    let denied =
        intruder.map(|payments| format!("  deny    curl -i -X POST http://{payments}/charge/7   (403)"));
    let ask = format!("  ask     kith explain{} intruder payments POST /charge/7", name_flag(mesh.name()));
    allowed.into_iter().chain(denied).chain([ask, banner::why(mesh)]).collect()
}

#[cfg(test)]
mod tests {
    use kith_policy::document;

    use super::*;

    #[test]
    fn the_policies_of_the_demo_are_valid() {
        for (name, text) in POLICIES {
            let policies = document::parse(name, text);
            assert_eq!(policies.map(|policies| policies.len()).map_err(|error| error.to_string()), Ok(1));
        }
    }

    #[test]
    fn the_demo_is_a_file_like_anybodys() {
        let folder = tempfile::tempdir().unwrap();
        write_policies(&folder.path().join(POLICIES_FOLDER)).unwrap();
        let spec = spec(folder.path(), Path::new("/proc/self/exe"), NAME).unwrap();
        let names: Vec<_> = spec.services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["web", "orders", "payments", "intruder"]);
        assert_eq!(spec.policies_dir, folder.path().join("policies"));
        assert_eq!(file().unwrap().fronts(), BTreeMap::from([("web".to_owned(), 8080)]));
    }
}
