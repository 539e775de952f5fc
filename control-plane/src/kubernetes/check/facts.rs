//! What the checks are about, as plain values. Owns the shape; where they come from is `gather`'s.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use kith_policy::document::quarantine::QuarantineTarget;
use kith_proto::v1;
use serde_json::Value;

/// For a new pod's sidecar to get its svid and its first snapshot.
const TO_START: Duration = Duration::from_secs(10);

/// A fact, or why it is not known.
pub type Known<T> = Result<T, String>;

/// Everything that is looked at.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When.
    pub now: SystemTime,
    /// Of whoever checks.
    pub version: String,
    /// Where Kith is installed, or is to be.
    pub namespace: String,
    /// The API server's version, if it answers.
    pub api: Known<ApiVersion>,
    /// What whoever checks needs, and whether they may.
    pub rights: Vec<Right>,
    /// Objects of ours that are the cluster's, before an installation: `ClusterRole kith-control-plane`.
    pub leftovers: Known<Vec<String>>,
    /// All namespaces.
    pub namespaces: Known<Vec<Namespace>>,
    /// The definitions of our kinds: their names, and the schema that is stored.
    pub definitions: Vec<(String, Known<Option<Value>>)>,
    /// The text of the control plane's configuration.
    pub config: Known<Option<String>>,
    /// The control plane's Deployment.
    pub deployment: Known<Option<Deployment>>,
    /// How many ready endpoints its Service has; `None` when there is no such Service.
    pub endpoints: Known<Option<usize>>,
    /// The webhook configurations.
    pub webhooks: Vec<(String, Known<Option<Webhooks>>)>,
    /// Whether the API server could ask the webhooks about a policy.
    pub webhook_answers: Known<Result<(), String>>,
    /// What the control plane may do.
    pub role: Known<Option<Vec<Rule>>>,
    /// The Secret with the key, where there is one.
    pub key: Known<Option<KeySecret>>,
    /// What the control plane says of itself and its sidecars.
    pub status: Known<v1::StatusResponse>,
    /// The pods of labelled namespaces, and elsewhere those that have a sidecar, or something of ours written on them.
    pub pods: Known<Vec<Pod>>,
    /// What is not made in labelled namespaces, and elsewhere what is not for its sidecar.
    pub refused: Known<Vec<Refused>>,
    /// Who is cut off, as it is written.
    pub quarantines: Known<Vec<Quarantine>>,
    /// What policies and quarantines mean that is not there, one sentence each.
    pub unmatched: Known<Vec<String>>,
}

/// Of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiVersion {
    /// Such as 1.
    pub major: u32,
    /// Such as 36.
    pub minor: u32,
    /// Such as `v1.36.2`.
    pub text: String,
}

/// Something that whoever checks needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// In words: `list pods in the cluster`.
    pub what: String,
    /// Whether they may.
    pub allowed: Known<bool>,
    /// What of the chart grants it: `ClusterRole kith-viewer`.
    pub role: Option<&'static str>,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// All of them.
    pub labels: BTreeMap<String, String>,
    /// All of them.
    pub annotations: BTreeMap<String, String>,
}

/// The control plane's Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deployment {
    /// How many pods it wants.
    pub wanted: i32,
    /// How many of the newest kind are ready.
    pub ready: i32,
    /// What pods that are not ready wait for.
    pub waiting: Vec<String>,
}

/// One webhook configuration: the certificate authorities that its webhooks are to be reached by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Of each webhook, by its name; empty until the control plane wrote it.
    pub ca_bundles: BTreeMap<String, Vec<u8>>,
}

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `""` is the core.
    pub groups: Vec<String>,
    /// Such as `pods`.
    pub resources: Vec<String>,
    /// Such as `list`.
    pub verbs: Vec<String>,
    /// Empty: any.
    pub names: Vec<String>,
}

/// The Secret that the authority's file is sealed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySecret {
    /// Its name.
    pub name: String,
    /// Whether somebody said that it is there, or it is only what it may be called.
    pub expected: bool,
    /// What is in it.
    pub stored: Known<Stored>,
    /// Of those who are everybody, who may read it.
    pub readers: Known<Vec<String>>,
}

/// What is in the Secret that ought to have the key. The key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// There is no such Secret.
    Missing,
    /// The control plane would refuse what is in it, and why.
    Wrong(String),
    /// A key.
    Good,
}

/// Pods that somebody wants and that are not made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// Where.
    pub namespace: String,
    /// Of whoever wants them, such as `ReplicaSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the API server said.
    pub message: String,
}

impl Refused {
    /// `ReplicaSet shop/web-5d8f`.
    pub fn owner(&self) -> String {
        format!("{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The object's name.
    pub name: String,
    /// Who is cut off; `None` where that cannot be read.
    pub target: Option<QuarantineTarget>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it runs as.
    pub service_account: String,
    /// Where it runs; empty before that is decided.
    pub node: String,
    /// Whether it has a sidecar.
    pub in_mesh: bool,
    /// Whether it says that it stays outside.
    pub opted_out: bool,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// Whether it ran to its end.
    pub over: bool,
    /// Whether somebody deleted it, and it takes its time to stop.
    pub ending: bool,
    /// When it was made.
    pub created: Option<SystemTime>,
    /// Whether its sidecar is ready.
    pub sidecar_ready: bool,
    /// The version that injected it.
    pub injected: Option<String>,
    /// Those that are ours.
    pub labels: BTreeMap<String, String>,
    /// Those that are ours.
    pub annotations: BTreeMap<String, String>,
}

impl Pod {
    /// `namespace/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Whether it runs, or is about to, and goes on. Of others nothing is expected any more.
    pub fn goes_on(&self) -> bool {
        !self.over && !self.ending
    }

    /// Whether it is in the mesh, and stays.
    pub fn is_member(&self) -> bool {
        self.in_mesh && self.goes_on()
    }

    /// Whether it is too new for its sidecar to be known already. The two clocks are those of two machines: whose pod is
    /// made in the future, by more than this, is not new for as long as they differ.
    pub fn is_starting(&self, now: SystemTime) -> bool {
        let age = |created| now.duration_since(created).unwrap_or_else(|ahead| ahead.duration());
        self.created.is_some_and(|created| age(created) < TO_START)
    }
}
