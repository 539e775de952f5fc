//! The mesh of the demo: a shop of three services, an intruder, and the policies that let the shop work and nobody
//! else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::services::{App, ServiceSpec};

/// The name of the mesh unless it is given another.
pub const NAME: &str = "demo";
/// Where the shop's front listens when that is free.
pub const WEB_PORT: u16 = 8080;
/// Where the control plane listens when that is free.
pub const CONTROL_PLANE_PORT: u16 = 7450;
/// The namespace of all four.
pub const NAMESPACE: &str = "demo";
/// The trust domain of the demo.
pub const TRUST_DOMAIN: &str = "demo.local";
/// The file of [`POLICIES`] that the story edits.
pub const PAYMENTS_FILE: &str = "payments.yaml";

/// File names and contents.
pub const POLICIES: [(&str, &str); 2] = [
    ("orders.yaml", include_str!("demo_policies/orders.yaml")),
    (PAYMENTS_FILE, include_str!("demo_policies/payments.yaml")),
];

/// What a command needs to ask the mesh of this name: nothing for the usual one, ` --name NAME` for others.
pub fn name_flag(name: &str) -> String {
    if name == NAME { String::new() } else { format!(" --name {name}") }
}

/// The services. `web_port` is where the shop's front listens when that is free.
pub fn services(kith_binary: &Path, web_port: u16) -> Vec<ServiceSpec> {
    let service = |name: &str, calls: &[&str], port| ServiceSpec {
        name: name.to_owned(),
        namespace: NAMESPACE.to_owned(),
        service_account: name.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), name.to_owned())]),
        app: App::Process {
            argv: vec![kith_binary.display().to_string(), "demo-service".to_owned(), name.to_owned()],
            env: BTreeMap::new(),
        },
        calls: calls.iter().map(|&call| call.to_owned()).collect(),
        port,
    };
    vec![
        service("web", &["orders"], web_port),
        service("orders", &["payments"], 0),
        service("payments", &[], 0),
        service("intruder", &["payments"], 0),
    ]
}

/// Writes the policies into a folder, for the user to edit.
pub fn write_policies(folder: &Path) -> anyhow::Result<()> {
    for (name, text) in POLICIES {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
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
}
