//! What is found of an earlier injection: this webhook is asked again after another one has changed the pod (K23). Owns
//! what of it stays: everything of ours is written anew, and of what others added only what cannot change what our
//! containers do. Cloud providers add variables and tokens to every container of a pod, ours included.

use kith_proto::pod::{PROBES_VARIABLE, Probes, REDIRECT_CONTAINER, SIDECAR_CONTAINER};
use serde_json::{Map, Value};

use super::annotations::INJECTED;
use super::at::At;
use super::quantity::Quantity;
use super::refusal::Refusal;
use super::token_mount;

/// Variables that neither our processes nor their libraries read.
const HARMLESS_VARIABLES: [&str; 6] = ["AWS_", "AZURE_", "DD_", "GOOGLE_", "KUBERNETES_", "OTEL_"];
/// Fields that would change what our containers do. Others that are not ours stay: a newer Kubernetes fills in fields
/// of its own, and its users could not start a pod otherwise.
const HARMFUL_FIELDS: [&str; 13] = [
    "command",
    "args",
    "envFrom",
    "lifecycle",
    "livenessProbe",
    "ports",
    "readinessProbe",
    "restartPolicy",
    "restartPolicyRules",
    "startupProbe",
    "stdin",
    "volumeDevices",
    "workingDir",
];

/// Our containers as they were found.
#[derive(Debug, Default)]
pub(super) struct Kept<'a> {
    pub(super) redirect: Option<&'a Value>,
    pub(super) sidecar: Option<&'a Value>,
    /// What the sidecar was told to replay.
    pub(super) probes: Probes,
}

impl<'a> Kept<'a> {
    /// Finds them. Without the injector's mark their names are somebody else's, and `rules` refuses them.
    pub(super) fn find(pod: &At<'a>) -> Result<Self, Refusal> {
        let mut kept = Self::default();
        if pod.get("metadata").get("annotations").get(INJECTED).is_absent() {
            return Ok(kept);
        }
        for container in pod.get("spec").get("initContainers").list()? {
            let place = match container.get("name").text()? {
                Some(SIDECAR_CONTAINER) => &mut kept.sidecar,
                Some(REDIRECT_CONTAINER) => &mut kept.redirect,
                _ => continue,
            };
            if place.replace(container.value()).is_some() {
                return Err(container
                    .get("name")
                    .refuse("this name is the injector's, and it is there twice; remove both"));
            }
            if container.get("name").text()? == Some(SIDECAR_CONTAINER) {
                kept.probes = probes(&container)?;
            }
        }
        Ok(kept)
    }

    /// Whether a container of this list is one of ours, found above.
    pub(super) fn has(&self, container: &Value) -> bool {
        [self.redirect, self.sidecar].into_iter().flatten().any(|ours| std::ptr::eq(ours, container))
    }
}

fn probes(sidecar: &At<'_>) -> Result<Probes, Refusal> {
    let Some(variable) = sidecar.get("env").named(PROBES_VARIABLE)? else { return Ok(Probes::new()) };
    let value = variable.get("value");
    serde_json::from_str(value.text()?.unwrap_or("{}")).map_err(|_| {
        value.refuse(
            "this is not what the injector writes; remove its containers and the annotation config.kith.dev/injected, \
             and begin anew",
        )
    })
}

/// Our container with what may stay of the one that was found; the pod's author may have written that one, too.
/// `volumes` are the pod's, as they were found.
pub(super) fn over(
    found: Option<&Value>,
    ours: Value,
    path: &str,
    volumes: &At<'_>,
) -> Result<Value, Refusal> {
    let Some(found) = found else { return Ok(ours) };
    let found = At::of(path, found);
    let (Some(before), Value::Object(mut fields)) = (found.object()?, ours) else {
        return Err(found.refuse("an object of fields has to stand here"));
    };
    let variables = merged(&found.get("env"), fields.get("env"), "name", check_variable)?;
    let mounts = merged(&found.get("volumeMounts"), fields.get("volumeMounts"), "mountPath", |mount| {
        token_mount::check(mount, volumes)
    })?;
    fields.insert("env".to_owned(), variables);
    fields.insert("volumeMounts".to_owned(), mounts);
    if before
        .get("resources")
        .is_some_and(|found| fields.get("resources").is_some_and(|ours| same_amounts(found, ours)))
    {
        fields.insert("resources".to_owned(), before["resources"].clone());
    }
    if let Some(context) = fields.get_mut("securityContext").and_then(Value::as_object_mut) {
        keep_default_proc_mount(&found.get("securityContext"), context);
    }
    for (name, value) in before {
        if !fields.contains_key(name) && !HARMFUL_FIELDS.contains(&name.as_str()) {
            fields.insert(name.clone(), value.clone());
        }
    }
    Ok(Value::Object(fields))
}

/// Filled in by some versions of Kubernetes; the other value would show the node's kernel.
fn keep_default_proc_mount(found: &At<'_>, context: &mut Map<String, Value>) {
    let proc_mount = found.get("procMount");
    if proc_mount.value() == "Default" {
        context.insert("procMount".to_owned(), proc_mount.value().clone());
    }
}

fn check_variable(variable: &At<'_>) -> Result<(), Refusal> {
    let name = variable.get("name");
    let text = name.text()?.unwrap_or_default();
    if HARMLESS_VARIABLES.iter().any(|prefix| text.starts_with(prefix)) {
        return Ok(());
    }
    Err(name.refuse(
        "nothing but the injector may write this into a container of Kith; keep the webhook that added it away from \
         them",
    ))
}

/// Our entries where they stood, and of the others those that `check` lets through; ours that are missing come last.
fn merged(
    found: &At<'_>,
    ours: Option<&Value>,
    key: &str,
    check: impl Fn(&At<'_>) -> Result<(), Refusal>,
) -> Result<Value, Refusal> {
    let mut left: Vec<&Value> = ours.and_then(Value::as_array).into_iter().flatten().collect();
    let ours: Vec<&Value> = left.clone();
    let named = |entry: &Value, name: &str| entry.get(key).and_then(Value::as_str) == Some(name);
    let mut all = Vec::new();
    for entry in found.list()? {
        let text = entry.get(key).text()?.unwrap_or_default();
        if let Some(index) = left.iter().position(|ours| named(ours, text)) {
            all.push(left.remove(index).clone());
        } else if ours.iter().any(|ours| named(ours, text)) {
            // A second one of this name would win.
        } else {
            check(&entry)?;
            all.push(entry.value().clone());
        }
    }
    all.extend(left.into_iter().cloned());
    Ok(Value::Array(all))
}

/// Kubernetes writes amounts its own way: `0.1` becomes `100m`.
fn same_amounts(found: &Value, ours: &Value) -> bool {
    match (found, ours) {
        (Value::Object(found), Value::Object(ours)) => {
            found.len() == ours.len()
                && ours
                    .iter()
                    .all(|(key, ours)| found.get(key).is_some_and(|found| same_amounts(found, ours)))
        }
        (Value::String(found), Value::String(ours)) => {
            match (Quantity::parse(found), Quantity::parse(ours)) {
                (Ok(found), Ok(ours)) => found.equals(&ours),
                _ => false,
            }
        }
        _ => false,
    }
}
