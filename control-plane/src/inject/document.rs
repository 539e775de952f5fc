//! Whatever has pods in it: a pod, or one of the kinds that make pods. Owns where in each kind the pod stands, and what
//! is told about each.

use serde_json::Value;

use super::at::At;
use super::namespace::NamespaceFacts;
use super::refusal::Refusal;
use super::settings::Settings;
use super::{HookNonce, Untouched, injected, left_alone};

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// `deployment/web`.
    pub name: String,
    /// What was done.
    pub outcome: Outcome,
    /// What the author should know.
    pub warnings: Vec<String>,
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its pods become members.
    Injected,
    /// Nothing, for its pods are to stay as they are.
    Untouched(Untouched),
    /// Nothing, for it makes no pods.
    NoWorkload,
}

/// Which object was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {refusal}")]
pub struct DocumentRefusal {
    /// `deployment/web`.
    pub name: String,
    /// Why.
    pub refusal: Refusal,
}

/// Makes the pods of an object members, and those of each object of a list. Other kinds stay as they are. `nonce` is for
/// all of them, and so for every pod that comes of them.
pub fn inject_document(
    document: &mut Value,
    settings: &Settings,
    nonce: HookNonce,
) -> Result<Vec<Report>, DocumentRefusal> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind == "List");
    let Some(items) = document.get_mut("items").and_then(Value::as_array_mut).filter(|_| is_list) else {
        return Ok(vec![inject_object(document, settings, nonce)?]);
    };
    items.iter_mut().map(|item| inject_object(item, settings, nonce)).collect()
}

fn inject_object(
    object: &mut Value,
    settings: &Settings,
    nonce: HookNonce,
) -> Result<Report, DocumentRefusal> {
    let name = name(object);
    let report = |outcome, warnings| Report { name: name.clone(), outcome, warnings };
    let Some(place) = place_of_pod(object) else { return Ok(report(Outcome::NoWorkload, Vec::new())) };
    let parent = place.split('/').skip(1).map(|field| format!("{field}.")).collect::<String>();
    let refused = |refusal: Refusal| DocumentRefusal { refusal: refusal.below(&parent), name: name.clone() };
    let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
    let namespace = NamespaceFacts::unseen(namespace);
    let Some(pod) = object.pointer_mut(place) else {
        let missing = Refusal::new("", &Value::Null, "a workload has a template for its pods; give it one");
        return Err(refused(missing));
    };
    if let Some(untouched) = left_alone(&At::root(pod), &namespace).map_err(refused)? {
        return Ok(report(Outcome::Untouched(untouched), Vec::new()));
    }
    let member = injected(pod, &namespace, settings, nonce).map_err(refused)?;
    let warnings = warnings(&At::root(&member)).map_err(refused)?;
    if *pod == member {
        return Ok(report(Outcome::Untouched(Untouched::AlreadyInjected), warnings));
    }
    *pod = member;
    Ok(report(Outcome::Injected, warnings))
}

/// By API group as well as kind: another group's `Job` is not ours to read.
fn place_of_pod(object: &Value) -> Option<&'static str> {
    let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => Some(""),
        ("v1", "ReplicationController") => Some("/spec/template"),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => Some("/spec/template"),
        ("batch/v1", "Job") => Some("/spec/template"),
        ("batch/v1", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

fn name(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind").unwrap_or("object").to_lowercase();
    let name =
        text("/metadata/name").or_else(|| text("/metadata/generateName")).unwrap_or("(without a name)");
    format!("{kind}/{name}")
}

/// What the mesh does not carry, and what only the cluster can say.
fn warnings(pod: &At<'_>) -> Result<Vec<String>, Refusal> {
    let mut warnings = Vec::new();
    for container in pod.get("spec").get("containers").list()? {
        for port in container.get("ports").list()? {
            if port.get("protocol").text()? == Some("UDP") {
                let number = port.get("containerPort").number()?.unwrap_or_default();
                warnings
                    .push(format!("port {number} is UDP, which passes the mesh by: no identity, no policy"));
            }
        }
    }
    for name in ["skip-inbound-ports", "skip-outbound-ports"] {
        let annotation = pod.get("metadata").get("annotations").get(&format!("config.kith.dev/{name}"));
        if !annotation.is_absent() {
            warnings.push(format!("config.kith.dev/{name} holds only where the namespace permits it"));
        }
    }
    Ok(warnings)
}
