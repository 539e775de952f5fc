//! Containers that get svids for themselves: those that the pod's author names, and no other. Owns what is added to them,
//! the sidecar's socket and the variable that says where it is, and who may mount what the socket lies in. Whoever has it
//! has the pod's identity.

use kith_proto::pod::{ENDPOINT_SOCKET_VARIABLE, WORKLOAD_API_FOLDER, WORKLOAD_API_SOCKET};
use serde_json::{Map, Value, json};

use super::at::At;
use super::refusal::Refusal;

/// The volume with the socket.
pub(super) const VOLUME: &str = "kith-workload-api";
/// Sockets have no contents: this is for the folder.
const VOLUME_SIZE: &str = "1Mi";
const MAX_NAMES: usize = 64;

/// Whether a container has a name that one can have: lower-case letters, digits and '-'.
pub(super) fn is_container_name(text: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(known)
}

/// Names of containers with commas between them, with blanks around each if somebody likes them.
pub(super) fn names(field: &str, text: &str) -> Result<Vec<String>, Refusal> {
    let refuse = |advice: &str| Err(Refusal::of_text(field, text, advice));
    let names: Vec<&str> = text.split(',').map(|name| name.trim_matches(' ')).take(MAX_NAMES + 1).collect();
    if names.len() > MAX_NAMES {
        return refuse("these are more containers than a pod of the mesh may name here, which is 64");
    }
    if !names.iter().all(|name| is_container_name(name)) {
        return refuse("write the names of containers of this pod, with commas between them");
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Refuses a name that no container has. `containers` are the author's.
pub(super) fn check_names(field: &str, names: &[String], containers: &[At<'_>]) -> Result<(), Refusal> {
    let mut known = Vec::new();
    for container in containers {
        known.extend(container.get("name").text()?);
    }
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(unknown) => Err(Refusal::of_text(
            field,
            unknown,
            format!("the pod has no such container; there are: {}", known.join(", ")),
        )),
    }
}

/// The volume that sidecar and named containers share. In memory: autoscalers do not move pods that have another.
pub(super) fn volume() -> Value {
    json!({"name": VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": VOLUME_SIZE}})
}

/// The sidecar's mount: it alone may write.
pub(super) fn mount_of_sidecar() -> Value {
    json!({"name": VOLUME, "mountPath": WORKLOAD_API_FOLDER})
}

/// A named container's mount. One can connect to a socket, and not replace it.
fn mount() -> Value {
    json!({"name": VOLUME, "mountPath": WORKLOAD_API_FOLDER, "readOnly": true})
}

fn variable() -> Value {
    json!({"name": ENDPOINT_SOCKET_VARIABLE, "value": format!("unix://{WORKLOAD_API_SOCKET}")})
}

/// Refuses a mount of the volume, unless the container is named and it is the very mount that it gets.
pub(super) fn check_mount(mounted: &At<'_>, named: bool) -> Result<(), Refusal> {
    let name = mounted.get("name");
    if name.text()? != Some(VOLUME) || (named && *mounted.value() == mount()) {
        return Ok(());
    }
    Err(name.refuse(
        "this volume is the sidecar's: whoever reaches its socket has the pod's identity; name the container in the \
         annotation config.kith.dev/workload-api, and the injector mounts it",
    ))
}

/// A named container with its socket. `found` is the one that the author wrote, or that an earlier injection left.
pub(super) fn give(found: &At<'_>, container: &mut Value) -> Result<(), Refusal> {
    for other in found.get("volumeMounts").list()? {
        let path = other.get("mountPath");
        if path.text()?.is_some_and(|text| text.trim_end_matches('/') == WORKLOAD_API_FOLDER)
            && *other.value() != mount()
        {
            return Err(path.refuse("the Workload API is mounted here; mount this one elsewhere"));
        }
    }
    for other in found.get("env").list()? {
        if other.get("name").text()? == Some(ENDPOINT_SOCKET_VARIABLE) && *other.value() != variable() {
            return Err(other.refuse(format!(
                "config.kith.dev/workload-api sets {ENDPOINT_SOCKET_VARIABLE}; leave the variable out, or the \
                 container out of the annotation"
            )));
        }
    }
    if let Some(fields) = container.as_object_mut() {
        add(fields, "volumeMounts", mount());
        add(fields, "env", variable());
    }
    Ok(())
}

/// Adds an entry to a list, at its end, unless it is there.
fn add(fields: &mut Map<String, Value>, list: &str, entry: Value) {
    match fields.get_mut(list) {
        Some(Value::Array(entries)) if entries.contains(&entry) => {}
        Some(Value::Array(entries)) => entries.push(entry),
        // Whatever else a list can be was refused.
        _ => drop(fields.insert(list.to_owned(), Value::Array(vec![entry]))),
    }
}
