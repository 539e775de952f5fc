//! What is added to a pod: two containers and their volumes, as JSON. Owns every field of them. Fields that the API
//! server would fill in are written out, so that a pod that comes back from it is recognised field by field.

use kith_proto::pod::{
    CONTROL_PLANE_VARIABLE, HEALTH_PORT, IDENTITY_FOLDER, KEY_EXCHANGE_VARIABLE, LOG_VARIABLE,
    POD_IPS_VARIABLE, POD_NAME_VARIABLE, POD_NAMESPACE_VARIABLE, PROBES_VARIABLE, Probes, REDIRECT_CONTAINER,
    REDIRECT_UID, REDIRECT_VARIABLE, ROOTS_FILE, SERVICE_ACCOUNT_VARIABLE, SIDECAR_CONTAINER, SIDECAR_UID,
    STARTED_LIMIT, STARTED_PATH, TOKEN_AUDIENCE, TOKEN_FILE, TRUST_CONFIG_MAP, TRUST_DOMAIN_VARIABLE,
    WORKLOAD_API_SOCKET, WORKLOAD_API_VARIABLE,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::annotations::Wishes;
use super::settings::{Resources, Settings};
use super::workload_api;

/// The token and the roots.
pub(super) const IDENTITY_VOLUME: &str = "kith-identity";
/// Nothing. It is mounted where Kubernetes would otherwise mount the pod's general token (K24).
pub(super) const NOTHING_VOLUME: &str = "kith-nothing";
/// Kubernetes mounts its token into every container that has nothing there.
const GENERAL_TOKEN_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const TOKEN_SECONDS: u32 = 600;
/// rw-r--r--: a group that the pod names gets what Kubernetes gives it.
const FILE_MODE: u32 = 0o644;

/// The step that redirects, and tries whether it did.
pub(super) fn redirect(settings: &Settings, wishes: &Wishes) -> Value {
    let (user, root) = if settings.injector.redirect_as_root { (0, true) } else { (REDIRECT_UID, false) };
    json!({
        "name": REDIRECT_CONTAINER,
        "image": settings.injector.sidecar_image,
        "imagePullPolicy": settings.injector.image_pull_policy.as_str(),
        "command": ["/kith-redirect"],
        "env": [variable(REDIRECT_VARIABLE, &in_a_variable(&wishes.redirect)), of_pod(POD_IPS_VARIABLE, "status.podIPs")],
        "resources": resources(&wishes.resources),
        "securityContext": {
            // The file itself carries the capability, which this user then has and nobody gains.
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsGroup": user,
            "runAsNonRoot": !root,
            "runAsUser": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [no_general_token()],
    })
}

/// The sidecar, which starts before everything else in the pod and stops after it.
pub(super) fn sidecar(settings: &Settings, wishes: &Wishes, probes: &Probes) -> Value {
    let mut sidecar = json!({
        "name": SIDECAR_CONTAINER,
        "image": settings.injector.sidecar_image,
        "imagePullPolicy": settings.injector.image_pull_policy.as_str(),
        "args": ["pod"],
        "restartPolicy": "Always",
        "env": [
            variable(TRUST_DOMAIN_VARIABLE, settings.trust_domain.as_str()),
            variable(CONTROL_PLANE_VARIABLE, &settings.control_plane),
            of_pod(POD_NAMESPACE_VARIABLE, "metadata.namespace"),
            of_pod(POD_NAME_VARIABLE, "metadata.name"),
            of_pod(SERVICE_ACCOUNT_VARIABLE, "spec.serviceAccountName"),
            of_pod(POD_IPS_VARIABLE, "status.podIPs"),
            variable(PROBES_VARIABLE, &in_a_variable(probes)),
            variable(LOG_VARIABLE, wishes.log_level.as_str()),
            variable(KEY_EXCHANGE_VARIABLE, settings.key_exchange.as_str()),
        ],
        // No liveness probe: a sidecar that is started again keeps none of the calls that were open, and what it waits
        // for (an svid, a snapshot) does not come sooner by it.
        // It waits for its answer: a minute of refusals at most, and longer while something is missing.
        "startupProbe": asked(STARTED_PATH, Asked { every: 1, failures: 60, wait: STARTED_LIMIT.as_secs() }),
        "readinessProbe": asked("/ready", Asked { every: 2, failures: 3, wait: 1 }),
        "resources": resources(&wishes.resources),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsGroup": SIDECAR_UID,
            "runAsNonRoot": true,
            "runAsUser": SIDECAR_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationMessagePath": "/dev/termination-log",
        // What it writes there as it fails, and not what it logs: who may see a pod may not therefore see its calls.
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"name": IDENTITY_VOLUME, "mountPath": IDENTITY_FOLDER, "readOnly": true},
            no_general_token(),
        ],
    });
    if !wishes.workload_api.is_empty() {
        let lists = [
            ("env", variable(WORKLOAD_API_VARIABLE, WORKLOAD_API_SOCKET)),
            ("volumeMounts", workload_api::mount_of_sidecar()),
        ];
        for (list, entry) in lists {
            sidecar[list].as_array_mut().expect("it is a list above").push(entry);
        }
    }
    sidecar
}

/// The volumes of the two, and of what they share with others.
pub(super) fn volumes(wishes: &Wishes) -> Vec<Value> {
    let token = json!({"audience": TOKEN_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE});
    let roots = json!({"name": TRUST_CONFIG_MAP, "items": [{"key": ROOTS_FILE, "path": ROOTS_FILE}]});
    let identity = json!({
        "name": IDENTITY_VOLUME,
        "projected": {"defaultMode": FILE_MODE, "sources": [{"serviceAccountToken": token}, {"configMap": roots}]},
    });
    // Not an emptyDir: autoscalers do not move pods that have one.
    let nothing = json!({"name": NOTHING_VOLUME, "downwardAPI": {"defaultMode": FILE_MODE}});
    let shared = (!wishes.workload_api.is_empty()).then(workload_api::volume);
    [identity, nothing].into_iter().chain(shared).collect()
}

fn no_general_token() -> Value {
    json!({"name": NOTHING_VOLUME, "mountPath": GENERAL_TOKEN_FOLDER, "readOnly": true})
}

fn variable(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn of_pod(name: &str, field: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": field}}})
}

/// How the kubelet asks.
struct Asked {
    every: u32,
    failures: u32,
    wait: u64,
}

fn asked(path: &str, Asked { every, failures, wait }: Asked) -> Value {
    json!({
        "httpGet": {"path": path, "port": HEALTH_PORT, "scheme": "HTTP"},
        "periodSeconds": every,
        "failureThreshold": failures,
        "successThreshold": 1,
        "timeoutSeconds": wait,
    })
}

fn resources(resources: &Resources) -> Value {
    let Resources { requests, limits } = resources;
    json!({
        "requests": {"cpu": requests.cpu.as_str(), "memory": requests.memory.as_str()},
        "limits": {"cpu": limits.cpu.as_str(), "memory": limits.memory.as_str()},
    })
}

/// JSON for a variable. The kubelet expands `$(NAME)` in values, also in what came from a probe's path; in JSON a dollar
/// stands inside a text only, where it has an escape.
fn in_a_variable(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("maps of text, lists and numbers are JSON");
    json.replace('$', "\\u0024")
}
