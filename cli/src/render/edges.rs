//! Who called whom: `kith edges`, and what a quarantine hits.

use std::borrow::Cow;

use kith_proto::v1::{Edge, EdgesResponse};
use serde::Serialize;

use super::json::known;
use super::name::Names;
use super::table::{Cell, Tone, whole};

const HEADINGS: [&str; 6] = ["SRC", "DST", "ALLOWED", "WOULD", "DENIED", "FAILED"];
/// Who called and proved no identity.
const NOBODY: &str = "(no identity)";

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
    let named = |identity: &str| match identity {
        "" => Cell::from(NOBODY),
        identity => Cell::from(names.of(identity).as_deref().unwrap_or(identity)),
    };
    vec![
        named(&edge.source),
        named(&edge.destination),
        Cell::from(edge.allowed.to_string()),
        bad(edge.would_deny),
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
    src_name: Option<Cow<'a, str>>,
    dst_name: Option<Cow<'a, str>>,
    #[serde(flatten)]
    edge: EdgeJson<'a>,
}

/// One edge, by identities alone.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct EdgeJson<'a> {
    /// `null`: whoever proved no identity.
    src: Option<&'a str>,
    dst: &'a str,
    allowed: u64,
    would_deny: u64,
    denied: u64,
    failed: u64,
}

impl<'a> EdgesJson<'a> {
    /// The answer, with names where the mesh has one.
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
        let Edge { source, destination, allowed, denied, failed, would_deny } = edge;
        Self {
            src: known(source),
            dst: destination,
            allowed: *allowed,
            would_deny: *would_deny,
            denied: *denied,
            failed: *failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use kith_proto::v1::{StatusResponse, WorkloadStatus};

    use super::*;

    fn edge(source: &str, destination: &str, denied: u64) -> Edge {
        let identity = |name: &str| format!("spiffe://demo.local/ns/demo/sa/{name}");
        Edge {
            source: identity(source),
            destination: identity(destination),
            allowed: 12,
            denied,
            failed: 1,
            would_deny: 2 * denied,
        }
    }

    fn answer() -> EdgesResponse {
        let nobody = Edge { source: String::new(), ..edge("", "orders", 1) };
        EdgesResponse { edges: vec![nobody, edge("web", "orders", 0), edge("gone\u{202e}", "payments", 3)] }
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
        let shown = table(&answer(), &Names::of_workloads(&status()), Some(80));
        let shown = anstream::adapter::strip_str(&shown).to_string();
        assert!(!shown.lines().any(|line| line.chars().any(crate::render::escape::deceives)), "G2: {shown}");
        insta::assert_snapshot!(shown);
    }

    /// One pod has the one identity, several the other, and of a third nothing runs.
    #[test]
    fn in_a_cluster_both_sides_have_one_form() {
        let pod = |name: &str, account: &str| WorkloadStatus {
            name: name.into(),
            identity: format!("spiffe://demo.local/ns/demo/sa/{account}"),
            ..WorkloadStatus::default()
        };
        let workloads =
            vec![pod("demo/web-0", "web"), pod("demo/web-1", "web"), pod("demo/orders-0", "orders")];
        let trust_domain = "demo.local".to_owned();
        let status = StatusResponse { trust_domain, workloads, ..StatusResponse::default() };
        let answer = EdgesResponse { edges: vec![edge("web", "orders", 0), edge("gone", "web", 3)] };
        let names = Names::of_accounts(&status);
        let shown = anstream::adapter::strip_str(&table(&answer, &names, Some(80))).to_string();
        let row = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let rows: Vec<_> = shown.lines().skip(1).map(row).collect();
        assert_eq!(rows[0][..2], ["demo/web", "demo/orders"], "{shown}");
        assert_eq!(rows[1][..2], ["demo/gone", "demo/web"], "{shown}");
        let json = crate::render::json::line(&EdgesJson::new(&answer, &names)).unwrap();
        assert!(json.contains(r#""src_name":"demo/web","dst_name":"demo/orders""#), "{json}");
    }

    #[test]
    fn the_json() {
        let status = status();
        let names = Names::of_workloads(&status);
        let shown = crate::render::json::pretty(&EdgesJson::new(&answer(), &names)).unwrap();
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn a_mesh_without_a_call_says_so() {
        let (nothing, status) = (EdgesResponse::default(), StatusResponse::default());
        let names = Names::of_workloads(&status);
        assert_eq!(table(&nothing, &names, None), "nobody called anybody yet");
        let json = crate::render::json::line(&EdgesJson::new(&nothing, &names)).unwrap();
        assert_eq!(json, r#"{"edges":[]}"#);
    }
}
