//! What a pod in the mesh must not be. Owns the list, one function for each thing that would let a container leave the
//! redirect, read the sidecar's key, or stand in its place. It looks at what people wrote, never at what the injector
//! did; an image's own user cannot be seen here.

use kith_proto::pod::{
    HEALTH_PORT, INBOUND_PORT, OUTBOUND_PORT, REDIRECT_CONTAINER, SIDECAR_CONTAINER, SIDECAR_UID,
    TOKEN_AUDIENCE,
};
use serde_json::Value;

use super::annotations::Wishes;
use super::at::At;
use super::containers::{IDENTITY_VOLUME, NOTHING_VOLUME};
use super::refusal::Refusal;
use super::workload_api;

/// What would undo the redirect or reach into another container's process (K10). `ALL` has them all.
const CAPABILITIES: [&str; 8] =
    ["ALL", "NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "BPF"];
const OUTSIDE: &str = "or keep the pod outside the mesh with the label kith.dev/inject: disabled, where its namespace is \
                       not \"required\"";

/// Refuses a pod that could not be a member as it is. `others` are its containers without ours, of which those that
/// `wishes` names may have the sidecar's socket; `ephemeral` are those that joined it, and may not.
pub(super) fn check(
    spec: &At<'_>,
    others: &[At<'_>],
    ephemeral: &[At<'_>],
    wishes: &Wishes,
) -> Result<(), Refusal> {
    check_host(spec)?;
    check_platform(spec)?;
    check_user(&spec.get("securityContext"))?;
    others.iter().try_for_each(|other| check_one(other, wishes.names(other)?))?;
    ephemeral.iter().try_for_each(check_ephemeral)?;
    spec.get("volumes").list()?.iter().try_for_each(check_audience)
}

/// Refuses a container that joins the pod later: nobody named it.
pub(super) fn check_ephemeral(container: &At<'_>) -> Result<(), Refusal> {
    check_one(container, false)
}

/// Refuses one container of the pod, whatever kind it is. A named one may have the sidecar's socket.
fn check_one(container: &At<'_>, named: bool) -> Result<(), Refusal> {
    check_name(container)?;
    check_user(&container.get("securityContext"))?;
    check_capabilities(&container.get("securityContext"))?;
    check_ports(container)?;
    check_mounts(container, named)
}

/// K2, K7: what the pod shares with its node, or its containers with each other.
fn check_host(spec: &At<'_>) -> Result<(), Refusal> {
    for (field, advice) in [
        ("hostNetwork", "a pod in its node's network cannot be redirected; leave it out,"),
        (
            "hostPID",
            "the processes of the node could be read through it, and the sidecar's key with them; leave it out,",
        ),
        ("shareProcessNamespace", "the sidecar's key could be read through /proc; leave it out,"),
    ] {
        let field = spec.get(field);
        if field.flag()? {
            return Err(field.refuse(format!("{advice} {OUTSIDE}")));
        }
    }
    Ok(())
}

fn check_platform(spec: &At<'_>) -> Result<(), Refusal> {
    for field in [spec.get("os").get("name"), spec.get("nodeSelector").get("kubernetes.io/os")] {
        if field.text()? == Some("windows") {
            return Err(field.refuse(format!("there is no sidecar for Windows; run it on Linux, {OUTSIDE}")));
        }
    }
    Ok(())
}

/// K5: the sidecar's own traffic is not redirected, so nobody else may have its user.
fn check_user(context: &At<'_>) -> Result<(), Refusal> {
    let user = context.get("runAsUser");
    match user.number()? {
        Some(number) if number == i64::from(SIDECAR_UID) => {
            Err(user
                .refuse("this is the sidecar's user, whose traffic is not redirected; choose another one"))
        }
        _ => Ok(()),
    }
}

/// K10
fn check_capabilities(context: &At<'_>) -> Result<(), Refusal> {
    let privileged = context.get("privileged");
    if privileged.flag()? {
        return Err(privileged
            .refuse(format!("it could undo the redirect and read the sidecar's key; drop it, {OUTSIDE}")));
    }
    for added in context.get("capabilities").get("add").list()? {
        // Runtimes take either spelling.
        let name = added.text()?.unwrap_or_default().to_ascii_uppercase();
        if CAPABILITIES.contains(&name.strip_prefix("CAP_").unwrap_or(&name)) {
            return Err(added.refuse(format!(
                "it could undo the redirect or read the sidecar's key; drop it, {OUTSIDE}"
            )));
        }
    }
    Ok(())
}

fn check_name(container: &At<'_>) -> Result<(), Refusal> {
    let name = container.get("name");
    let text = name.text()?.unwrap_or_default();
    if [SIDECAR_CONTAINER, REDIRECT_CONTAINER].contains(&text) {
        return Err(
            name.refuse("this name is the injector's, for a container that it adds; choose another one")
        );
    }
    // It becomes part of a path; Kubernetes says so too, but only later.
    if !workload_api::is_container_name(text) {
        return Err(
            name.refuse("a container is named by lower-case letters, digits and '-', at most 63 of them")
        );
    }
    Ok(())
}

fn check_ports(container: &At<'_>) -> Result<(), Refusal> {
    for port in container.get("ports").list()? {
        if !matches!(port.get("protocol").text()?, None | Some("TCP")) {
            continue;
        }
        let number = port.get("containerPort");
        check_port(&number, number.number()?.unwrap_or_default())?;
    }
    Ok(())
}

/// Refuses a port that the sidecar has; it stands at `place`.
pub(super) fn check_port(place: &At<'_>, number: i64) -> Result<(), Refusal> {
    if [OUTBOUND_PORT, INBOUND_PORT, HEALTH_PORT].map(i64::from).contains(&number) {
        return Err(place.refuse("the sidecar listens on this port; let the application use another one"));
    }
    Ok(())
}

/// What the sidecar proves itself by is nobody else's; its socket is for those that are named.
fn check_mounts(container: &At<'_>, named: bool) -> Result<(), Refusal> {
    for mount in container.get("volumeMounts").list()? {
        let name = mount.get("name");
        if name.text()?.is_some_and(|name| [IDENTITY_VOLUME, NOTHING_VOLUME].contains(&name)) {
            return Err(name.refuse("this volume is the sidecar's alone; do not mount it"));
        }
        workload_api::check_mount(&mount, named)?;
    }
    Ok(())
}

/// A token for the control plane in other hands would be an svid outside the sidecar.
fn check_audience(volume: &At<'_>) -> Result<(), Refusal> {
    if is_ours(volume.value()) {
        return Ok(());
    }
    for source in volume.get("projected").get("sources").list()? {
        let audience = source.get("serviceAccountToken").get("audience");
        if audience.text()? == Some(TOKEN_AUDIENCE) {
            return Err(audience
                .refuse("tokens for the control plane are the sidecar's alone; choose another audience"));
        }
    }
    Ok(())
}

/// Whether a volume or container bears a name of ours.
pub(super) fn is_ours(named: &Value) -> bool {
    let name = named.get("name").and_then(Value::as_str).unwrap_or_default();
    [SIDECAR_CONTAINER, REDIRECT_CONTAINER, IDENTITY_VOLUME, NOTHING_VOLUME, workload_api::VOLUME]
        .contains(&name)
}
