//! The state of a mesh: `kith status`.

use std::time::SystemTime;

use kith_proto::v1::{NamespaceStatus, RefusedPolicy, StatusResponse, WorkloadStatus};
use serde::Serialize;

use super::escape::{escape, source_line};
use super::json::{known, moment, revision};
use super::table::{Cell, Tone, facts, fitting, whole};
use super::{name, time};

const HEADINGS: [&str; 9] =
    ["WORKLOAD", "IDENTITY", "STATE", "REVISION", "SERIAL", "EXPIRES", "ALLOWED", "WOULD", "DENIED"];

/// The narrowest terminal that shows serials and digests whole.
const WHOLE_SERIALS: usize = 130;
/// The narrowest terminal that shows identities whole.
const WHOLE_IDENTITIES: usize = 100;
const SHORT_SERIAL: usize = 8;
const SHORT_DIGEST: usize = 16;
const NOTHING_IN_FORCE: &str = "NO policies could be read since the control plane started: \
                                sidecars keep the rules they had, new ones refuse everything";

/// For people. On a terminal it is as narrow as that needs; JSON has everything whole.
pub fn table(mesh: &str, status: &StatusResponse, now: SystemTime, width: Option<usize>) -> String {
    let whole_serials = width.is_none_or(|width| width >= WHOLE_SERIALS);
    let mut text = head(mesh, status, now, whole_serials);
    if status.nothing_in_force {
        text.push_str(&format!("\n{}\n", Tone::Bad.paint(NOTHING_IN_FORCE)));
    }
    if !status.policies_error.is_empty() {
        text.push_str(&format!("\n{}\n", Tone::Bad.paint("the newest edit is not in force:")));
        // A source line with its caret: escaped line by line, for its own line breaks are meant.
        let lines = status.policies_error.lines().map(|line| format!("  {}\n", source_line(line)));
        text.extend(lines);
    }
    for RefusedPolicy { name, generation, error } in &status.refused_policies {
        let title = format!("the policy {name} is not in force as it is written (generation {generation}):");
        text.push_str(&format!("\n{}\n", Tone::Bad.paint(&escape(&title))));
        text.extend(error.lines().map(|line| format!("  {}\n", source_line(line))));
    }
    text.push('\n');
    if !status.namespaces.is_empty() {
        text.push_str(&format!("{}\n\n", namespaces(status, now, width)));
    }
    text.push_str(&workloads(status, now, width, whole_serials));
    text
}

fn namespaces(status: &StatusResponse, now: SystemTime, width: Option<usize>) -> String {
    let row = |namespace: &NamespaceStatus| {
        let until = match namespace.observe_until_ms {
            0 => String::new(),
            millis => format!(", ends {}", time::left(now, millis)),
        };
        let posture = match namespace.refuse_all.as_str() {
            "" => Cell::from(format!("{}{until}", namespace.posture)),
            reason => Cell::new(format!("refuses everything: {reason}"), Tone::Bad),
        };
        let workloads = Cell::from(namespace.workloads.to_string());
        vec![Cell::from(&namespace.name), workloads, Cell::from(&namespace.egress), posture]
    };
    let rows: Vec<_> = status.namespaces.iter().map(row).collect();
    whole(&["NAMESPACE", "WORKLOADS", "EGRESS", "POSTURE"], &rows, width)
}

fn head(mesh: &str, status: &StatusResponse, now: SystemTime, whole_serials: bool) -> String {
    let revision = revision(status.revision);
    let digest =
        if whole_serials { status.root_sha256.clone() } else { start(&status.root_sha256, SHORT_DIGEST) };
    facts([
        ("mesh", format!("{mesh}, trust domain {} (kith {})", status.trust_domain, status.version)),
        ("root", format!("SHA-256 {digest}, expires {}", time::left(now, status.root_not_after_ms))),
        ("issuing", format!("expires {}", time::left(now, status.issuing_not_after_ms))),
        ("policies", format!("{} in {}", status.policies, status.policies_folder)),
        ("revision", revision.unwrap_or_else(|| "none".to_owned())),
    ])
}

/// As much of a number as tells it from others, with a mark where something is missing.
fn start(text: &str, digits: usize) -> String {
    match text.char_indices().nth(digits) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn workloads(status: &StatusResponse, now: SystemTime, width: Option<usize>, whole_serials: bool) -> String {
    let would = status.workloads.iter().any(|workload| workload.would_deny > 0);
    let narrow = width.is_some_and(|width| width < WHOLE_IDENTITIES);
    // Where nothing would be refused there is nothing to say of it; where there is, it takes the room of the serials.
    let is_shown = |column: usize| match HEADINGS[column] {
        "WOULD" => would,
        "SERIAL" => !(would && narrow),
        _ => true,
    };
    let headings: Vec<_> = (0..HEADINGS.len()).filter(|it| is_shown(*it)).map(|it| HEADINGS[it]).collect();
    let rows = |whole_identities| {
        let row = |workload| {
            let cells = row(workload, status, now, whole_serials, whole_identities).into_iter().enumerate();
            cells.filter(|(column, _)| is_shown(*column)).map(|(_, cell)| cell).collect()
        };
        let rows: Vec<_> = status.workloads.iter().map(row).collect();
        whole(&headings, &rows, width)
    };
    // A terminal that is wide enough as a rule may not be for these names.
    match width {
        Some(width) if width < WHOLE_IDENTITIES => rows(false),
        _ => fitting(width, [rows(true), rows(false)]),
    }
}

fn row(
    workload: &WorkloadStatus,
    status: &StatusResponse,
    now: SystemTime,
    whole_serials: bool,
    whole_identities: bool,
) -> Vec<Cell> {
    let acknowledged = revision(workload.acknowledged);
    let near = name::near(&workload.identity, &status.trust_domain);
    let identity = if whole_identities { &workload.identity } else { near };
    let expires = match workload.not_after_ms {
        0 => "-".to_owned(),
        millis => time::left(now, millis),
    };
    vec![
        Cell::from(&workload.name),
        Cell::from(identity),
        state(workload, status),
        Cell::from(acknowledged.unwrap_or_else(|| "-".to_owned())),
        serial(&workload.serial, whole_serials),
        Cell::from(expires),
        Cell::from(workload.allowed.to_string()),
        Cell::from(workload.would_deny.to_string()),
        Cell::from(workload.denied.to_string()),
    ]
}

/// A serial number. Cut without a mark: they are read off and compared, and eight digits do for that.
pub(super) fn serial(serial: &str, whole: bool) -> Cell {
    let shown = match serial {
        "" => "-",
        serial if whole => serial,
        serial => serial.get(..SHORT_SERIAL).unwrap_or(serial),
    };
    Cell::new(shown, Tone::Quiet)
}

fn state(workload: &WorkloadStatus, status: &StatusResponse) -> Cell {
    if workload.quarantined {
        return Cell::new("quarantined", Tone::Bad);
    }
    if !workload.refusal.is_empty() {
        return Cell::new(format!("refused: {}", workload.refusal), Tone::Bad);
    }
    match (workload.connected, workload.acknowledged == status.revision) {
        (true, true) => Cell::new("ready", Tone::Good),
        (true, false) => Cell::new("updating", Tone::Plain),
        (false, _) => Cell::new("disconnected", Tone::Bad),
    }
}

/// For programs. Times are RFC 3339; what is not known is `null`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatusJson<'a> {
    name: &'a str,
    version: &'a str,
    trust_domain: &'a str,
    root_sha256: &'a str,
    root_not_after: Option<String>,
    issuing_not_after: Option<String>,
    revision: Option<String>,
    policies: u32,
    policies_folder: &'a str,
    policies_error: Option<&'a str>,
    nothing_in_force: bool,
    refused_policies: Vec<RefusedPolicyJson<'a>>,
    namespaces: Vec<NamespaceJson<'a>>,
    workloads: Vec<WorkloadJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusedPolicyJson<'a> {
    name: &'a str,
    generation: i64,
    error: &'a str,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NamespaceJson<'a> {
    name: &'a str,
    posture: &'a str,
    observe_until: Option<String>,
    egress: &'a str,
    refuse_all: Option<&'a str>,
    workloads: u32,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct WorkloadJson<'a> {
    name: &'a str,
    identity: &'a str,
    connected: bool,
    quarantined: bool,
    acknowledged: Option<String>,
    refusal: Option<&'a str>,
    serial: Option<&'a str>,
    not_after: Option<String>,
    allowed: u64,
    would_deny: u64,
    denied: u64,
}

impl<'a> StatusJson<'a> {
    /// The state of the mesh of this name.
    pub fn new(name: &'a str, status: &'a StatusResponse) -> Self {
        Self {
            name,
            version: &status.version,
            trust_domain: &status.trust_domain,
            root_sha256: &status.root_sha256,
            root_not_after: moment(status.root_not_after_ms),
            issuing_not_after: moment(status.issuing_not_after_ms),
            revision: revision(status.revision),
            policies: status.policies,
            policies_folder: &status.policies_folder,
            policies_error: known(&status.policies_error),
            nothing_in_force: status.nothing_in_force,
            refused_policies: status.refused_policies.iter().map(RefusedPolicyJson::from).collect(),
            namespaces: status.namespaces.iter().map(NamespaceJson::from).collect(),
            workloads: status.workloads.iter().map(WorkloadJson::from).collect(),
        }
    }
}

impl<'a> From<&'a RefusedPolicy> for RefusedPolicyJson<'a> {
    fn from(RefusedPolicy { name, generation, error }: &'a RefusedPolicy) -> Self {
        Self { name, generation: *generation, error }
    }
}

impl<'a> From<&'a NamespaceStatus> for NamespaceJson<'a> {
    fn from(namespace: &'a NamespaceStatus) -> Self {
        Self {
            name: &namespace.name,
            posture: &namespace.posture,
            observe_until: moment(namespace.observe_until_ms),
            egress: &namespace.egress,
            refuse_all: known(&namespace.refuse_all),
            workloads: namespace.workloads,
        }
    }
}

impl<'a> From<&'a WorkloadStatus> for WorkloadJson<'a> {
    fn from(workload: &'a WorkloadStatus) -> Self {
        Self {
            name: &workload.name,
            identity: &workload.identity,
            connected: workload.connected,
            quarantined: workload.quarantined,
            acknowledged: revision(workload.acknowledged),
            refusal: known(&workload.refusal),
            serial: known(&workload.serial),
            not_after: moment(workload.not_after_ms),
            allowed: workload.allowed,
            would_deny: workload.would_deny,
            denied: workload.denied,
        }
    }
}

#[cfg(test)]
mod tests;
