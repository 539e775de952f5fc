//! What an installation consists of: definitions, configuration, the control plane's pod, its service, its webhooks, its
//! rights.

use serde::Deserialize;
use serde_json::Value;

use super::Judgement;
use super::Outcome::Error;
use super::facts::{Deployment, Facts};
use super::role;
use crate::crd;
use crate::webhook::VALIDATOR;

/// The webhook that a policy is shown to.
const ASKED: &str = "policies.kith.dev";
const REINSTALL: &str = "install or upgrade the chart kith";

pub(super) fn definitions(facts: &Facts) -> Judgement {
    let expected = match crd::schemas() {
        Ok(expected) => expected,
        Err(error) => return Judgement::error(error.to_string(), "use another build of kith"),
    };
    let (mut causes, mut unknown) = (Vec::new(), Vec::new());
    for (name, stored) in &facts.definitions {
        match stored {
            Ok(Some(stored)) => {
                let ours = expected.get(name.as_str());
                if ours.is_none_or(|ours| plain(ours) != plain(stored)) {
                    causes.push(format!("{name} is that of another version"));
                }
            }
            Ok(None) => causes.push(format!("{name} is missing")),
            Err(reason) => unknown.push(format!("of {name} nothing is known: {reason}")),
        }
    }
    wrong_or_unknown(causes, unknown, "install or upgrade the chart kith-crds, of the version of kith")
}

/// An error where something is known to be wrong; otherwise good only if all is known.
fn wrong_or_unknown(causes: Vec<String>, unknown: Vec<String>, hint: &str) -> Judgement {
    match unknown.is_empty() || !causes.is_empty() {
        true => Judgement::from_causes(Error, causes.into_iter().chain(unknown).collect(), hint),
        false => Judgement::unknown(&unknown.join("; ")),
    }
}

/// What cannot be without our kinds, of which one is missing.
pub(super) fn undefined(facts: &Facts) -> Option<Judgement> {
    let missing = facts.definitions.iter().any(|(_, stored)| matches!(stored, Ok(None)));
    missing.then(|| Judgement::skipped("because of the error in definitions"))
}

/// Without what the API server may leave out, and with numbers written in one way.
fn plain(value: &Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !is_empty(value));
            Value::Object(kept.map(|(key, value)| (key.clone(), plain(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}

/// What is asked of the configuration here; the control plane reads all of it, and does not start when it is wrong.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Config {
    pub(super) trust_domain: String,
    namespace: String,
    #[serde(default)]
    pub(super) dev: bool,
}

/// What the configuration says, or what is wrong with it.
pub(super) fn read_config(facts: &Facts) -> Result<Config, String> {
    match &facts.config {
        Ok(Some(text)) => {
            serde_saphyr::from_str(text).map_err(|error| format!("config.yaml is not readable: {error}"))
        }
        Ok(None) => Err("the ConfigMap kith-config is missing, or has no config.yaml".to_owned()),
        Err(reason) => Err(reason.clone()),
    }
}

pub(super) fn configuration(facts: &Facts) -> Judgement {
    match read_config(facts) {
        Ok(config) if config.namespace != facts.namespace => {
            let cause =
                format!("it is for the namespace {}, and lies in {}", config.namespace, facts.namespace);
            Judgement::error(cause, REINSTALL)
        }
        Ok(config) => Judgement::ok_with(format!("trust domain {}", config.trust_domain)),
        Err(reason) if facts.config.is_err() => Judgement::unknown(&reason),
        Err(reason) => Judgement::error(reason, REINSTALL),
    }
}

pub(super) fn deployment(facts: &Facts) -> Judgement {
    match &facts.deployment {
        Ok(Some(Deployment { wanted, ready, waiting })) => {
            if *ready >= 1 && ready >= wanted {
                return Judgement::ok();
            }
            if *wanted == 0 {
                let start = format!(
                    "kubectl -n {} scale deployment/kith-control-plane --replicas=1",
                    facts.namespace
                );
                return Judgement::error("it is scaled to 0", start);
            }
            let mut causes = vec![format!("{ready} of {wanted} pods are ready")];
            causes.extend(waiting.iter().cloned());
            let logs = format!(
                "kubectl -n {} describe pods, and kubectl -n {0} logs deploy/kith-control-plane, say why",
                facts.namespace
            );
            Judgement::from_causes(Error, causes, &logs)
        }
        Ok(None) => Judgement::error(
            format!("there is no Deployment kith-control-plane in the namespace {}", facts.namespace),
            "install Kith, or name its namespace with -n; before an installation, check with --pre",
        ),
        Err(reason) => Judgement::unknown(reason),
    }
}

pub(super) fn service(facts: &Facts) -> Judgement {
    match &facts.endpoints {
        Ok(Some(0)) => Judgement::error(
            "the Service kith-control-plane has no ready endpoint, so that sidecars and the API server cannot connect",
            "see the check of the deployment; if it is ready, compare the Service's selector with its pod's labels",
        ),
        Ok(Some(_)) => Judgement::ok(),
        Ok(None) => Judgement::error("the Service kith-control-plane is missing", REINSTALL),
        Err(reason) => Judgement::unknown(reason),
    }
}

pub(super) fn webhooks(facts: &Facts) -> Judgement {
    let (mut causes, mut unknown, mut bundles) = (Vec::new(), Vec::new(), Vec::new());
    for (name, webhooks) in &facts.webhooks {
        match webhooks {
            Ok(Some(webhooks)) => {
                let empty = webhooks.ca_bundles.iter().filter(|(_, bundle)| bundle.is_empty());
                causes
                    .extend(empty.map(|(webhook, _)| format!("{webhook} in {name} has no certificate yet")));
                bundles.extend(webhooks.ca_bundles.values().filter(|bundle| !bundle.is_empty()));
            }
            Ok(None) => causes.push(format!("{name} is missing, so that what it guards passes unseen")),
            Err(reason) => unknown.push(format!("of {name} nothing is known: {reason}")),
        }
    }
    if bundles.windows(2).any(|pair| pair[0] != pair[1]) {
        causes.push("not all of them have the same certificate, and the control plane serves one".to_owned());
    }
    let hint =
        "the control plane writes the certificate within seconds of its start; its log says why it does not";
    wrong_or_unknown(causes, unknown, hint)
}

pub(super) fn webhook_answers(facts: &Facts) -> Judgement {
    match &facts.webhook_answers {
        Ok(Ok(())) => were_asked(facts),
        Ok(Err(reason)) => undefined(facts).unwrap_or_else(|| Judgement::error(
            format!("a policy that is right was not accepted (nothing was stored): {reason}"),
            "if it speaks of a certificate, the webhooks' caBundle is not that of the control plane, which writes it: see its \
             log; if of a timeout, the API server cannot reach pods on port 7451: see network policies and firewalls",
        )),
        Err(reason) => Judgement::unknown(reason),
    }
}

/// What a policy that was accepted says of the webhooks: nothing, unless there is one that was asked about it.
fn were_asked(facts: &Facts) -> Judgement {
    let validator = facts.webhooks.iter().find(|(name, _)| name.ends_with(VALIDATOR)).map(|(_, it)| it);
    match validator {
        Some(Ok(Some(webhooks))) if webhooks.ca_bundles.contains_key(ASKED) => Judgement::ok(),
        Some(Err(reason)) => Judgement::unknown(reason),
        _ => Judgement::skipped(format!("because there is no webhook {ASKED} to be reached")),
    }
}

pub(super) fn own_rights(facts: &Facts) -> Judgement {
    match &facts.role {
        Ok(Some(rules)) => Judgement::from_causes(Error, role::differences(rules), REINSTALL),
        Ok(None) => Judgement::error("the ClusterRole kith-control-plane is missing", REINSTALL),
        Err(reason) => Judgement::unknown(reason),
    }
}
