//! The state of a mesh: `kith status`.

use std::time::SystemTime;

use kith_policy::Revision;
use kith_proto::convert::from_millis;
use kith_proto::v1::{StatusResponse, WorkloadStatus};
use kith_sidecar::identity_log::rfc3339;
use serde::Serialize;

use super::escape::escape;
use super::table::{Cell, Tone, whole};
use super::time;

/// For people.
pub fn table(status: &StatusResponse, now: SystemTime) -> String {
    let mut text = head(status, now);
    if !status.policies_error.is_empty() {
        text.push_str(&Tone::Bad.paint("\nthe newest edit is not in force:\n"));
        // A source line with its caret: escaped line by line, for its own line breaks are meant.
        let lines = status.policies_error.lines().map(|line| format!("  {}\n", escape(line)));
        text.extend(lines);
    }
    text.push('\n');
    let headings = ["WORKLOAD", "IDENTITY", "STATE", "REVISION", "SERIAL", "EXPIRES", "ALLOWED", "DENIED"];
    let rows: Vec<_> = status.workloads.iter().map(|workload| row(workload, status, now)).collect();
    text.push_str(&whole(&headings, &rows));
    text
}

fn head(status: &StatusResponse, now: SystemTime) -> String {
    let revision = status.revision.map(|revision| Revision::from(revision).to_string());
    let lines = [
        ("mesh", format!("{} (kith {})", status.trust_domain, status.version)),
        (
            "root",
            format!("SHA-256 {}, expires {}", status.root_sha256, time::left(now, status.root_not_after_ms)),
        ),
        ("issuing", format!("expires {}", time::left(now, status.issuing_not_after_ms))),
        ("policies", format!("{} in {}", status.policies, status.policies_folder)),
        ("revision", revision.unwrap_or_else(|| "none".to_owned())),
    ];
    lines.into_iter().fold(String::new(), |text, (name, value)| {
        text + &Tone::Heading.paint(&format!("{name:<9}")) + " " + &escape(&value) + "\n"
    })
}

fn row(workload: &WorkloadStatus, status: &StatusResponse, now: SystemTime) -> Vec<Cell> {
    let acknowledged = workload.acknowledged.map(|revision| Revision::from(revision).to_string());
    let serial = if workload.serial.is_empty() { "-" } else { &workload.serial };
    let expires = match workload.not_after_ms {
        0 => "-".to_owned(),
        millis => time::left(now, millis),
    };
    vec![
        Cell::from(&workload.name),
        Cell::from(&workload.identity),
        state(workload, status),
        Cell::from(acknowledged.unwrap_or_else(|| "-".to_owned())),
        Cell::new(serial, Tone::Quiet),
        Cell::from(expires),
        Cell::from(workload.allowed.to_string()),
        Cell::from(workload.denied.to_string()),
    ]
}

fn state(workload: &WorkloadStatus, status: &StatusResponse) -> Cell {
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
pub struct StatusJson<'a> {
    version: &'a str,
    trust_domain: &'a str,
    root_sha256: &'a str,
    root_not_after: Option<String>,
    issuing_not_after: Option<String>,
    revision: Option<String>,
    policies: u32,
    policies_folder: &'a str,
    policies_error: Option<&'a str>,
    workloads: Vec<WorkloadJson<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkloadJson<'a> {
    name: &'a str,
    identity: &'a str,
    connected: bool,
    acknowledged: Option<String>,
    refusal: Option<&'a str>,
    serial: Option<&'a str>,
    not_after: Option<String>,
    allowed: u64,
    denied: u64,
}

impl<'a> From<&'a StatusResponse> for StatusJson<'a> {
    fn from(status: &'a StatusResponse) -> Self {
        Self {
            version: &status.version,
            trust_domain: &status.trust_domain,
            root_sha256: &status.root_sha256,
            root_not_after: moment(status.root_not_after_ms),
            issuing_not_after: moment(status.issuing_not_after_ms),
            revision: status.revision.map(|revision| Revision::from(revision).to_string()),
            policies: status.policies,
            policies_folder: &status.policies_folder,
            policies_error: known(&status.policies_error),
            workloads: status.workloads.iter().map(WorkloadJson::from).collect(),
        }
    }
}

impl<'a> From<&'a WorkloadStatus> for WorkloadJson<'a> {
    fn from(workload: &'a WorkloadStatus) -> Self {
        Self {
            name: &workload.name,
            identity: &workload.identity,
            connected: workload.connected,
            acknowledged: workload.acknowledged.map(|revision| Revision::from(revision).to_string()),
            refusal: known(&workload.refusal),
            serial: known(&workload.serial),
            not_after: moment(workload.not_after_ms),
            allowed: workload.allowed,
            denied: workload.denied,
        }
    }
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// 0 is how the wire says that there is none.
fn moment(millis: i64) -> Option<String> {
    if millis == 0 { None } else { from_millis("time", millis).ok().map(rfc3339) }
}

#[cfg(test)]
mod tests;
