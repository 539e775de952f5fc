//! What `kith demo` says before the first call: where everything is, and what to try. Names only what exists.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use kith_proto::v1::StatusResponse;

use super::demo_mesh::{CONTROL_PLANE_PORT, WEB_PORT, name_flag};
use super::supervisor::Supervisor;
use crate::render::escape::escape;
use crate::render::table::Tone;

/// Sixteen digits of it are enough to compare two screens.
const DIGITS: usize = 16;

/// A mesh that is ready.
pub struct Banner<'a> {
    /// The mesh.
    pub mesh: &'a Supervisor,
    /// What it says of itself.
    pub status: &'a StatusResponse,
    /// The folder of its policies.
    pub policies: &'a Path,
    /// How long it took to start.
    pub took: Duration,
}

impl Banner<'_> {
    /// Everything.
    pub fn text(&self) -> String {
        let mut lines = self.head();
        lines.extend(
            self.status.workloads.iter().map(|workload| self.service(&workload.name, &workload.identity)),
        );
        let (count, took) = (self.status.policies, self.took.as_secs_f64());
        lines.push(format!("  {count} policies loaded, default deny.        ready in {took:.1} s\n"));
        lines.extend(self.calls());
        lines.extend(commands(self.mesh.name()));
        let policies = self.policies.display().to_string();
        lines.push(format!("  edit    {}  (takes effect when you save)", escape(&policies)));
        lines.push("  stop    Ctrl-C\n".to_owned());
        lines.join("\n")
    }

    fn head(&self) -> Vec<String> {
        let version = Tone::Heading.paint(&format!("kith {}", env!("CARGO_PKG_VERSION")));
        let (name, address) = (self.mesh.name(), self.mesh.control_plane().address());
        let digest = digest(&self.status.root_sha256);
        vec![
            format!(
                "{version}  mesh {name}, local mode: keys live in memory, one user, loopback only. Not for production.\n"
            ),
            format!("  {} CA        root SHA-256 {digest}  P-256  sealed file, its key in memory", done()),
            format!("  {} control   grpc {address}{}", done(), taken(address, CONTROL_PLANE_PORT)),
        ]
    }

    fn service(&self, name: &str, identity: &str) -> String {
        let mut line = format!("  {} {:<9} {:<40}", done(), escape(name), escape(identity));
        if let Some(endpoints) = self.mesh.endpoints(name) {
            // Writing to a String cannot fail.
            let _ = match name {
                "web" => write!(line, "  http://{}{}", endpoints.app, taken(endpoints.app, WEB_PORT)),
                _ => write!(line, "  sidecar {}", endpoints.inbound),
            };
        }
        line
    }

    /// Calls of one's own: one that is allowed, one that is not.
    fn calls(&self) -> Vec<String> {
        let web = self.mesh.endpoints("web").map(|web| web.app);
        let intruder = self.mesh.endpoints("intruder").and_then(|own| own.outbounds.get("payments"));
        let allowed = web.map(|web| format!("  try     curl http://{web}/checkout"));
        let denied =
            intruder.map(|payments| format!("  deny    curl -i -X POST http://{payments}/charge/7   (403)"));
        allowed.into_iter().chain(denied).collect()
    }
}

/// What can be asked from another terminal.
fn commands(name: &str) -> [String; 2] {
    let flag = name_flag(name);
    [
        format!("  why     kith explain{flag} intruder payments POST /charge/7"),
        format!("  look    kith status{flag}      follow  kith tap{flag}"),
    ]
}

fn done() -> String {
    Tone::Good.paint("✔")
}

/// Why an address is not the one that a reader of the documents expects.
fn taken(address: SocketAddr, usual: u16) -> String {
    if address.port() == usual { String::new() } else { format!("  ({usual} is taken)") }
}

/// `4F:9A:…:C1`, as other tools print fingerprints.
fn digest(hex: &str) -> String {
    let pairs: Vec<String> =
        hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).to_uppercase()).collect();
    match pairs.as_slice() {
        [first, .., last] if pairs.len() > DIGITS / 2 => {
            let start = pairs[1..DIGITS / 2 - 1].join(":");
            format!("{first}:{start}:…:{last}")
        }
        _ => pairs.join(":"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_cut_in_its_middle() {
        let hex = "4f9a00112233445566778899aabbccddeeff00112233445566778899aabbccc1";
        assert_eq!(digest(hex), "4F:9A:00:11:22:33:44:…:C1");
        assert_eq!(digest("4f9a"), "4F:9A");
        assert_eq!(digest(""), "");
    }

    #[test]
    fn the_commands_of_a_named_mesh_ask_that_mesh() {
        assert_eq!(commands("demo")[0], "  why     kith explain intruder payments POST /charge/7");
        for command in commands("other") {
            assert_eq!(
                command.matches("kith ").count(),
                command.matches(" --name other").count(),
                "{command}"
            );
        }
    }

    #[test]
    fn a_port_that_is_not_the_usual_one_is_explained() {
        assert_eq!(taken(([127, 0, 0, 1], 8080).into(), 8080), "");
        assert_eq!(taken(([127, 0, 0, 1], 41_234).into(), 8080), "  (8080 is taken)");
    }
}
