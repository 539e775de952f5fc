//! Who called whom: `kith edges`, and what a quarantine hits.

use kith_proto::v1::{Edge, EdgesResponse};
use serde::Serialize;

use super::name::Names;
use super::table::{Cell, Tone, whole};

const HEADINGS: [&str; 5] = ["SRC", "DST", "ALLOWED", "DENIED", "FAILED"];

/// For people: names where the mesh has one, identities where it has none.
pub fn table(answer: &EdgesResponse, names: &Names<'_>, width: Option<usize>) -> String {
    if answer.edges.is_empty() {
        return "nobody called anybody yet".to_owned();
    }
    let rows: Vec<_> = answer.edges.iter().map(|edge| row(edge, names)).collect();
    whole(&HEADINGS, &rows, width)
}

fn row(edge: &Edge, names: &Names<'_>) -> Vec<Cell> {
    let bad = |count: u64| Cell::new(count.to_string(), if count == 0 { Tone::Plain } else { Tone::Bad });
    vec![
        Cell::from(names.of(&edge.source).unwrap_or(&edge.source)),
        Cell::from(names.of(&edge.destination).unwrap_or(&edge.destination)),
        Cell::from(edge.allowed.to_string()),
        bad(edge.denied),
        bad(edge.failed),
    ]
}

/// For programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EdgesJson<'a> {
    edges: Vec<NamedEdgeJson<'a>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct NamedEdgeJson<'a> {
    src_name: Option<&'a str>,
    dst_name: Option<&'a str>,
    #[serde(flatten)]
    edge: EdgeJson<'a>,
}

/// One edge, by identities alone.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EdgeJson<'a> {
    src: &'a str,
    dst: &'a str,
    allowed: u64,
    denied: u64,
    failed: u64,
}

impl<'a> EdgesJson<'a> {
    /// The answer, with the names of the workloads that have one.
    pub fn new(answer: &'a EdgesResponse, names: &Names<'a>) -> Self {
        let named = |edge: &'a Edge| NamedEdgeJson {
            src_name: names.of(&edge.source),
            dst_name: names.of(&edge.destination),
            edge: EdgeJson::from(edge),
        };
        Self { edges: answer.edges.iter().map(named).collect() }
    }
}

impl<'a> From<&'a Edge> for EdgeJson<'a> {
    fn from(edge: &'a Edge) -> Self {
        let Edge { source, destination, allowed, denied, failed } = edge;
        Self { src: source, dst: destination, allowed: *allowed, denied: *denied, failed: *failed }
    }
}

#[cfg(test)]
mod tests {
    use kith_proto::v1::{StatusResponse, WorkloadStatus};

    use super::*;

    fn edge(source: &str, destination: &str, denied: u64) -> Edge {
        let identity = |name: &str| format!("spiffe://demo.local/ns/demo/sa/{name}");
        Edge { source: identity(source), destination: identity(destination), allowed: 12, denied, failed: 1 }
    }

    fn answer() -> EdgesResponse {
        EdgesResponse { edges: vec![edge("web", "orders", 0), edge("gone\u{202e}", "payments", 3)] }
    }

    /// The name of a workload need not be that of its service account.
    fn status() -> StatusResponse {
        let workload = |name: &str, account: &str| WorkloadStatus {
            name: name.into(),
            identity: format!("spiffe://demo.local/ns/demo/sa/{account}"),
            ..WorkloadStatus::default()
        };
        let workloads =
            vec![workload("front", "web"), workload("orders", "orders"), workload("pay", "payments")];
        StatusResponse { workloads, ..StatusResponse::default() }
    }

    #[test]
    fn the_table() {
        let shown = table(&answer(), &Names::new(&status()), Some(80));
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert!(!shown.lines().any(|line| line.chars().any(crate::render::escape::deceives)), "G2: {shown}");
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn the_json() {
        let status = status();
        let shown = crate::render::json::pretty(&EdgesJson::new(&answer(), &Names::new(&status))).unwrap();
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_mesh_without_a_call_says_so() {
        let nothing = EdgesResponse::default();
        assert_eq!(table(&nothing, &Names::default(), None), "nobody called anybody yet");
        let json = crate::render::json::line(&EdgesJson::new(&nothing, &Names::default())).unwrap();
        assert_eq!(json, r#"{"edges":[]}"#);
    }
}
