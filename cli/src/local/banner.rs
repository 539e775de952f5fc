//! What is said before the first call: where everything is, and what to try. Names only what exists.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kith_proto::v1::StatusResponse;
use unicode_width::UnicodeWidthStr as _;

use super::demo_mesh::name_flag;
use super::mesh_file::CONTROL_PLANE_PORT;
use super::supervisor::Supervisor;
use crate::render::escape::{escape, lines};
use crate::render::table::Tone;

/// Sixteen digits of it are enough to compare two screens.
const DIGITS: usize = 16;
/// The narrowest column of names.
const NAME: usize = 9;

/// A mesh that is ready.
pub struct Banner<'a> {
    /// The mesh.
    pub mesh: &'a Supervisor,
    /// What it says of itself.
    pub status: &'a StatusResponse,
    /// The folder of its policies.
    pub policies: &'a Path,
    /// Whether an edit in it takes effect.
    pub watched: bool,
    /// What only its owner knows.
    pub about: &'a About,
    /// How long it took to start.
    pub took: Duration,
}

/// What the owner of a mesh knows of it.
pub struct About {
    /// The services that people are meant to open, each with the port that it was to have.
    pub fronts: BTreeMap<String, u16>,
    /// Where its state is kept; `None` when it is gone with the mesh.
    pub kept: Option<PathBuf>,
    /// What to try with it.
    pub hints: fn(&Supervisor) -> Vec<String>,
}

impl Banner<'_> {
    /// Everything.
    pub fn text(&self) -> String {
        let workloads = &self.status.workloads;
        let width =
            workloads.iter().map(|workload| workload.name.width()).max().unwrap_or_default().max(NAME);
        let mut said = self.head(width);
        said.extend(workloads.iter().map(|workload| self.service(&workload.name, &workload.identity, width)));
        said.extend(self.policies());
        said.extend(self.kept_quarantines());
        said.extend((self.about.hints)(self.mesh));
        let flag = name_flag(self.mesh.name());
        said.push(format!("  look    kith status{flag}      follow  kith tap{flag}"));
        said.push(self.metrics());
        let folder = escape(&self.policies.display().to_string()).into_owned();
        said.push(if self.watched {
            format!("  edit    {folder}  (takes effect when you save)")
        } else {
            format!("  rules   {folder}  (read at the start; --watch follows edits)")
        });
        said.push("  stop    Ctrl-C\n".to_owned());
        said.join("\n")
    }

    fn head(&self, width: usize) -> Vec<String> {
        let version = Tone::Heading.paint(&format!("kith {}", env!("CARGO_PKG_VERSION")));
        let (name, address) = (self.mesh.name(), self.mesh.control_plane().address());
        let digest = digest(&self.status.root_sha256);
        let (keys, sealed) = match &self.about.kept {
            None => ("keys live in memory".to_owned(), "sealed file, its key in memory"),
            Some(folder) => {
                let folder = folder.display().to_string();
                (
                    format!("keys are kept in {} (whoever reads it owns the mesh)", escape(&folder)),
                    "sealed file",
                )
            }
        };
        let (done, usual) = (done(), taken(address, CONTROL_PLANE_PORT));
        vec![
            format!(
                "{version}  mesh {name}, local mode: {keys}, one user, loopback only. Not for production.\n"
            ),
            format!("  {done} {:<width$} root SHA-256 {digest}  P-256  {sealed}", "CA"),
            format!("  {done} {:<width$} grpc {address}{usual}", "control"),
        ]
    }

    fn service(&self, name: &str, identity: &str, width: usize) -> String {
        let mut line = format!("  {} {:<width$} {:<40}", done(), escape(name), escape(identity));
        if let Some(endpoints) = self.mesh.endpoints(name) {
            // Writing to a String cannot fail.
            let _ = match self.about.fronts.get(name) {
                Some(&usual) => write!(line, "  http://{}{}", endpoints.app, taken(endpoints.app, usual)),
                None => write!(line, "  sidecar {}", endpoints.inbound),
            };
        }
        line
    }

    /// Who is cut off before anybody has done anything here: it is easily forgotten.
    fn kept_quarantines(&self) -> Vec<String> {
        let cut_off = self.status.workloads.iter().filter(|workload| workload.quarantined);
        let flag = name_flag(self.mesh.name());
        let line = |name: &str| {
            Tone::Bad.paint(&format!(
                "  {name} is quarantined (kept); kith quarantine remove{flag} {name} lets it in\n"
            ))
        };
        cut_off.map(|workload| line(&escape(&workload.name))).collect()
    }

    /// Where everybody's figures are: `docs/metrics.md`.
    fn metrics(&self) -> String {
        let control_plane = self.mesh.control_plane().facts().map(|facts| ("control", facts.health));
        let sidecars =
            self.mesh.services().filter_map(|name| Some((name, self.mesh.endpoints(name)?.health)));
        metrics(control_plane.into_iter().chain(sidecars))
    }

    /// How many policies there are, or why there are none.
    fn policies(&self) -> Vec<String> {
        let (count, took) = (self.status.policies, self.took.as_secs_f64());
        let noun = if count == 1 { "policy" } else { "policies" };
        let mut said = vec![format!("  {count} {noun} loaded, default deny.        ready in {took:.1} s\n")];
        if !self.status.policies_error.is_empty() {
            said.push(Tone::Bad.paint("  The policies cannot be used, and every call is refused:"));
            said.push(format!("{}\n", lines(&self.status.policies_error)));
        }
        said
    }
}

/// What to try with any mesh: its fronts are in the table above, the rest can be asked.
pub fn hints(mesh: &Supervisor) -> Vec<String> {
    let flag = name_flag(mesh.name());
    let call = mesh.services().find_map(|source| {
        let destination = mesh.endpoints(source)?.outbounds.keys().next()?;
        Some(format!("  ask     kith explain{flag} {source} {destination} GET /"))
    });
    call.into_iter().chain([why(mesh)]).collect()
}

/// What to do with a refusal.
pub(super) fn why(mesh: &Supervisor) -> String {
    format!("  why     kith why{} ID          (the # of a line with DENY)", name_flag(mesh.name()))
}

fn done() -> String {
    Tone::Good.paint("✔")
}

/// One line, however many there are: they differ in nothing but the port.
fn metrics<'a>(all: impl Iterator<Item = (&'a str, SocketAddr)>) -> String {
    let ports: Vec<_> = all.map(|(name, health)| format!("{} {}", escape(name), health.port())).collect();
    format!("  metrics http://127.0.0.1:PORT/metrics  ({})", ports.join(", "))
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
    fn the_figures_of_all_are_found_on_one_line() {
        let all =
            [("control", 4100), ("web", 4101)].map(|(name, port)| (name, ([127, 0, 0, 1], port).into()));
        let line = "  metrics http://127.0.0.1:PORT/metrics  (control 4100, web 4101)";
        assert_eq!(metrics(all.into_iter()), line);
    }

    #[test]
    fn a_port_that_is_not_the_usual_one_is_explained() {
        assert_eq!(taken(([127, 0, 0, 1], 8080).into(), 8080), "");
        assert_eq!(taken(([127, 0, 0, 1], 41_234).into(), 8080), "  (8080 is taken)");
    }
}
