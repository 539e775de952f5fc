//! What `kith demo` says before the first call: where everything is, and what to try. Names only what exists.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use kith_proto::v1::StatusResponse;

use super::supervisor::Supervisor;
use crate::render::escape::escape;
use crate::render::table::Tone;

/// Sixteen digits of it are enough to compare two screens.
const DIGITS: usize = 16;

/// The banner of a mesh that is ready.
pub fn banner(supervisor: &Supervisor, status: &StatusResponse, policies: &Path, took: Duration) -> String {
    let mut text = String::new();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let version = env!("CARGO_PKG_VERSION");
    let warning = "keys live in memory, one user, loopback only. Not for production.";
    add(format!("{}  local mode: {warning}\n", Tone::Heading.paint(&format!("kith {version}"))));
    let done = Tone::Good.paint("✔");
    add(format!(
        "  {done} CA        root SHA-256 {}  P-256  sealed file, its key in memory",
        digest(&status.root_sha256)
    ));
    add(format!("  {done} control   grpc {}", supervisor.control_plane().address()));
    for workload in &status.workloads {
        add(service(supervisor, &workload.name, &workload.identity, &done));
    }
    let count = status.policies;
    add(format!("  {count} policies loaded, default deny.        ready in {:.1} s\n", took.as_secs_f64()));
    if let Some(web) = supervisor.endpoints("web") {
        add(format!("  try     curl http://{}/checkout", web.app));
    }
    add("  why     kith explain intruder payments POST /charge/7".to_owned());
    add("  look    kith status      follow  kith tap".to_owned());
    add(format!("  edit    {}  (takes effect when you save)", escape(&policies.display().to_string())));
    add("  stop    Ctrl-C".to_owned());
    text
}

fn service(supervisor: &Supervisor, name: &str, identity: &str, done: &str) -> String {
    let mut line = format!("  {done} {:<9} {:<40}", escape(name), escape(identity));
    if let Some(endpoints) = supervisor.endpoints(name) {
        // Writing to a String cannot fail.
        let _ = match name {
            "web" => write!(line, "  http://{}", endpoints.app),
            _ => write!(line, "  sidecar {}", endpoints.inbound),
        };
    }
    line
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
}
