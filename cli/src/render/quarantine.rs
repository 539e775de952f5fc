//! Who is cut off, and what a cut hits: `kith quarantine`.

use std::time::SystemTime;

use kith_proto::v1::{Edge, HitWorkload, ListQuarantinesResponse, Quarantine, QuarantineResponse};
use serde::Serialize;

use super::edges::EdgeJson;
use super::escape::escape;
use super::json::{known, moment, revision};
use super::name::Naming;
use super::table::{Cell, Tone, facts, whole};
use super::time;

const HEADINGS: [&str; 4] = ["IDENTITY", "SINCE", "REVISION", "REASON"];
/// Where each is an object, and may mean pods and nodes as well.
const HEADINGS_OF_OBJECTS: [&str; 5] = ["OBJECT", "WHO", "SINCE", "WORKLOADS", "REASON"];

/// What is done to an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is cut off.
    Add,
    /// It is let in again.
    Remove,
}

/// Whether somebody could be asked who is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hits {
    /// By the control plane.
    Known,
    /// It was not there.
    Unknown,
}

/// What a quarantine hits, for people, before it is done.
pub fn hits(answer: &QuarantineResponse, naming: Naming) -> String {
    let who = match (answer.known, answer.connected) {
        (true, true) => "runs here, its sidecar is connected",
        (true, false) => "runs here, its sidecar is not connected",
        (false, _) => "no workload of this mesh; it is refused wherever it appears",
    };
    let mut text = format!("{}: {who}\n", escape(target(answer)));
    if let Some(nobody) = known(&answer.unmatched) {
        text.push_str(&format!("  {}\n", escape(nobody)));
    }
    if answer.unchanged {
        text.push_str("  it is in quarantine already\n");
    }
    text.push_str(&workloads(answer));
    if answer.identity.is_empty() {
        return text.trim_end().to_owned();
    }
    let own = answer.identity.as_str();
    let (calls, called): (Vec<&Edge>, Vec<&Edge>) = answer.edges.iter().partition(|edge| edge.source == own);
    for (title, edges, outbound) in [("it called", calls, true), ("called by", called, false)] {
        if edges.is_empty() {
            text.push_str(&format!("  {title}  nobody so far\n"));
        }
        for edge in edges {
            let other = if outbound { &edge.destination } else { &edge.source };
            let Edge { allowed, denied, failed, would_deny, .. } = edge;
            let name =
                if other.is_empty() { "(no identity)".to_owned() } else { naming.of(other, Some(own)) };
            // In most meshes there are none.
            let would =
                if *would_deny > 0 { format!(" {would_deny} would be denied,") } else { String::new() };
            let counts = format!("{allowed} allowed,{would} {denied} denied, {failed} failed");
            text.push_str(&format!("  {title}  {}: {counts}\n", escape(&name)));
        }
    }
    text.trim_end().to_owned()
}

/// Who is cut off. A control plane of an older version says no more than the identity.
fn target(answer: &QuarantineResponse) -> &str {
    known(&answer.target).unwrap_or(&answer.identity)
}

/// The workloads that are meant, where that is more than the identity says.
fn workloads(answer: &QuarantineResponse) -> String {
    let several = answer.workloads.len() > 1 || answer.identity.is_empty();
    let each = answer.workloads.iter().filter(|_| several).map(|workload| {
        let connected = if workload.connected { "connected" } else { "not connected" };
        format!("  workload  {} ({}), {connected}\n", escape(&workload.name), escape(&workload.identity))
    });
    each.collect()
}

/// What was done, and where it is in force, for people.
pub fn done(change: Change, answer: &QuarantineResponse, now: SystemTime) -> String {
    let (verb, tone, already) = match change {
        Change::Add => ("QUARANTINED", Tone::Bad, "  (it was already)"),
        Change::Remove => ("RELEASED", Tone::Good, "  (it was not in quarantine)"),
    };
    let already = if answer.unchanged { already } else { "" };
    let mut lines = vec![
        ("since", format!("revision {}", revision(answer.revision).unwrap_or_else(|| "unknown".to_owned()))),
        ("in force", in_force(answer)),
    ];
    if !answer.waiting_for.is_empty() {
        lines.push(("waiting", format!("{} did not confirm yet", answer.waiting_for.join(", "))));
    }
    if let (Change::Add, Some(until)) = (change, moment(answer.others_until_ms)) {
        let left = time::left(now, answer.others_until_ms);
        lines.push((
            "others",
            format!("a sidecar that is not connected may accept it until {until} ({left})"),
        ));
    }
    if let Some(nobody) = known(&answer.unmatched) {
        lines.push(("nobody", escape(nobody).into_owned()));
    }
    let title = format!("{}  {}{already}", tone.paint(verb), escape(target(answer)));
    let lines = facts(lines).lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    format!("{title}\n{lines}")
}

/// What was written down where nobody could be asked whether it is in force, for people.
pub fn stored(change: Change, answer: &QuarantineResponse) -> String {
    let (verb, already) = match change {
        Change::Add => ("QUARANTINED", if answer.unchanged { "  (it was already)" } else { "" }),
        Change::Remove => ("RELEASED", ""),
    };
    let title = format!("{}  {}{already}", Tone::Plain.paint(verb), escape(target(answer)));
    let lines = facts([
        ("objects", answer.objects.join(", ")),
        ("in force", "not confirmed: the control plane cannot be asked".to_owned()),
    ]);
    let lines = lines.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    format!("{title}\n{lines}")
}

fn in_force(answer: &QuarantineResponse) -> String {
    let (there, waiting) = (answer.in_force_at.len(), answer.waiting_for.len());
    match there + waiting {
        0 => "no sidecar is connected".to_owned(),
        all => format!("at {there} of {all} connected sidecars after {} ms", answer.took_ms),
    }
}

/// Who is cut off, for people.
pub fn list(answer: &ListQuarantinesResponse, hits: Hits, now: SystemTime, width: Option<usize>) -> String {
    if answer.quarantines.is_empty() {
        return "nobody is in quarantine".to_owned();
    }
    if answer.quarantines.iter().any(|quarantine| !quarantine.object.is_empty()) {
        let rows: Vec<_> = answer.quarantines.iter().map(|it| object_row(it, hits, now)).collect();
        return whole(&HEADINGS_OF_OBJECTS, &rows, width);
    }
    let row = |quarantine: &Quarantine| {
        vec![
            Cell::new(&quarantine.identity, Tone::Bad),
            Cell::from(time::left(now, quarantine.since_ms)),
            Cell::from(revision(quarantine.revision).unwrap_or_else(|| "-".to_owned())),
            Cell::from(known(&quarantine.reason).unwrap_or("-")),
        ]
    };
    whole(&HEADINGS, &answer.quarantines.iter().map(row).collect::<Vec<_>>(), width)
}

/// Who is cut off, in words.
fn who(quarantine: &Quarantine) -> &str {
    known(&quarantine.target).unwrap_or(&quarantine.identity)
}

fn object_row(quarantine: &Quarantine, hits: Hits, now: SystemTime) -> Vec<Cell> {
    let workloads = match (hits, quarantine.workloads.as_slice()) {
        (Hits::Unknown, _) => "not known".to_owned(),
        (Hits::Known, []) => "none now".to_owned(),
        (Hits::Known, [only]) => only.clone(),
        (Hits::Known, several) => several.len().to_string(),
    };
    vec![
        Cell::from(&quarantine.object),
        Cell::new(who(quarantine), Tone::Bad),
        Cell::from(time::left(now, quarantine.since_ms)),
        Cell::from(workloads),
        Cell::from(known(&quarantine.reason).unwrap_or("-")),
    ]
}

/// Who is cut off, for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QuarantinesJson<'a> {
    quarantines: Vec<QuarantineJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct QuarantineJson<'a> {
    target: &'a str,
    identity: Option<&'a str>,
    object: Option<&'a str>,
    /// `null`: nobody could be asked.
    workloads: Option<&'a [String]>,
    since: Option<String>,
    revision: Option<String>,
    reason: Option<&'a str>,
}

impl<'a> QuarantinesJson<'a> {
    /// The answer.
    pub fn new(answer: &'a ListQuarantinesResponse, hits: Hits) -> Self {
        let one = |quarantine: &'a Quarantine| QuarantineJson {
            target: who(quarantine),
            identity: known(&quarantine.identity),
            object: known(&quarantine.object),
            workloads: (hits == Hits::Known).then_some(&*quarantine.workloads),
            since: moment(quarantine.since_ms),
            revision: revision(quarantine.revision),
            reason: known(&quarantine.reason),
        };
        Self { quarantines: answer.quarantines.iter().map(one).collect() }
    }
}

/// What was done, or would be, for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EffectJson<'a> {
    target: &'a str,
    identity: Option<&'a str>,
    workloads: Vec<HitJson<'a>>,
    objects: &'a [String],
    change: &'static str,
    dry_run: bool,
    unchanged: bool,
    revision: Option<String>,
    known: bool,
    connected: bool,
    /// Why it means nobody now, with the name that was probably meant; `null` where it means somebody.
    unmatched: Option<&'a str>,
    edges: Vec<EdgeJson<'a>>,
    in_force_at: &'a [String],
    waiting_for: &'a [String],
    took_ms: u32,
    others_until: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct HitJson<'a> {
    name: &'a str,
    identity: &'a str,
    connected: bool,
}

impl<'a> From<&'a HitWorkload> for HitJson<'a> {
    fn from(HitWorkload { name, identity, connected }: &'a HitWorkload) -> Self {
        Self { name, identity, connected: *connected }
    }
}

impl<'a> EffectJson<'a> {
    /// The answer to a change, or to the question what it would do.
    pub fn new(change: Change, dry_run: bool, answer: &'a QuarantineResponse) -> Self {
        Self {
            target: target(answer),
            identity: known(&answer.identity),
            workloads: answer.workloads.iter().map(HitJson::from).collect(),
            objects: &answer.objects,
            change: match change {
                Change::Add => "add",
                Change::Remove => "remove",
            },
            dry_run,
            unchanged: answer.unchanged,
            revision: revision(answer.revision),
            known: answer.known,
            connected: answer.connected,
            unmatched: known(&answer.unmatched),
            edges: answer.edges.iter().map(EdgeJson::from).collect(),
            in_force_at: &answer.in_force_at,
            waiting_for: &answer.waiting_for,
            took_ms: answer.took_ms,
            others_until: moment(answer.others_until_ms),
        }
    }
}

#[cfg(test)]
mod tests;
