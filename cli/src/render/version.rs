//! What runs: `kith version`.

use serde::Serialize;

use super::escape::escape;

/// For people and for programs: this command, and the control plane of the mesh that was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Version {
    version: &'static str,
    /// The package of the messages, such as `kith.v1`.
    protocol: &'static str,
    /// Of the policies that this version writes and reads.
    policy_language: u32,
    control_plane: Option<ControlPlane>,
}

/// The control plane of a mesh that runs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ControlPlane {
    /// The name of its mesh.
    pub mesh: String,
    /// Its own version.
    pub version: String,
}

impl Version {
    /// This command, beside a control plane.
    pub fn new(control_plane: Option<ControlPlane>) -> Self {
        let service = kith_proto::v1::admin_server::SERVICE_NAME;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            protocol: service.rsplit_once('.').map_or(service, |(package, _)| package),
            policy_language: kith_proto::POLICY_LANGUAGE,
            control_plane,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let Self { version, protocol, policy_language, control_plane } = self;
        let own = format!("kith {version}  (protocol {protocol}, policy language {policy_language})");
        match control_plane {
            Some(ControlPlane { mesh, version }) => {
                format!("{own}\ncontrol plane {}  (mesh {})", escape(version), escape(mesh))
            }
            None => own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_plane_is_mentioned_when_there_is_one() {
        let own = "kith 0.1.0  (protocol kith.v1, policy language 1)";
        assert_eq!(Version::new(None).table(), own);
        let other = ControlPlane { mesh: "demo".into(), version: "0.2.0\u{1b}".into() };
        let both = Version::new(Some(other));
        assert_eq!(both.table(), format!("{own}\ncontrol plane 0.2.0\\u{{1b}}  (mesh demo)"));
        insta::assert_snapshot!(crate::render::json::pretty(&both).unwrap());
    }
}
