//! What is added to a pod.

use super::*;

#[test]
fn the_redirect_comes_first_then_the_sidecar_then_what_the_author_wrote() {
    // K6
    let member = member(&pod());
    let spec = &member["spec"];
    assert_eq!(names(&spec["initContainers"]), ["kith-redirect", "kith-sidecar", "migrate"]);
    assert_eq!(names(&spec["containers"]), ["app", "log"]);
    assert_eq!(names(&spec["volumes"]), ["data", "kith-identity", "kith-nothing"]);
    assert_eq!(spec["initContainers"][1]["restartPolicy"], "Always");
    assert_eq!(spec["initContainers"][0].get("restartPolicy"), None, "it ends before the pod goes on");
    let annotations = &member["metadata"]["annotations"];
    assert_eq!(annotations["config.kith.dev/injected"], "1.0");
    assert_eq!(annotations["kubectl.kubernetes.io/default-container"], "app");
    assert_eq!(annotations["kubectl.kubernetes.io/default-logs-container"], "app");
}

#[test]
fn our_containers_are_as_narrow_as_they_can_be() {
    // K24
    let member = member(&pod());
    for (container, user) in
        [(&member["spec"]["initContainers"][0], 7441), (&member["spec"]["initContainers"][1], 7440)]
    {
        let context = &container["securityContext"];
        assert_eq!(
            (&context["runAsUser"], &context["runAsGroup"], &context["runAsNonRoot"]),
            (&json!(user), &json!(user), &json!(true))
        );
        assert_eq!(context["readOnlyRootFilesystem"], true);
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["privileged"], false);
        assert_eq!(context["capabilities"]["drop"], json!(["ALL"]));
        assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
        for amounts in ["requests", "limits"] {
            assert!(
                container["resources"][amounts]["cpu"].is_string()
                    && container["resources"][amounts]["memory"].is_string()
            );
        }
        // Kubernetes adds its general token to every container that has nothing there.
        let mounts = container["volumeMounts"].as_array().unwrap();
        let there =
            mounts.iter().find(|mount| mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount");
        assert_eq!(there.unwrap()["name"], "kith-nothing");
    }
    let [redirect, sidecar] = [0, 1].map(|index| &member["spec"]["initContainers"][index]);
    assert_eq!(redirect["securityContext"]["capabilities"]["add"], json!(["NET_ADMIN"]));
    assert_eq!(sidecar["securityContext"]["capabilities"].get("add"), None);
    assert!(!names(&redirect["volumeMounts"]).contains(&"kith-identity"), "the token is the sidecar's alone");
    assert_eq!(member["spec"].get("automountServiceAccountToken"), None, "the application's business");
}

#[test]
fn a_redirect_step_that_runs_as_root_has_one_capability_still() {
    let settings = settings_with(json!({"sidecarImage": "i", "redirectAsRoot": true}));
    let member = member_by(&pod(), &settings);
    let context = &member["spec"]["initContainers"][0]["securityContext"];
    assert_eq!((&context["runAsUser"], &context["runAsNonRoot"]), (&json!(0), &json!(false)));
    assert_eq!(context["capabilities"], json!({"add": ["NET_ADMIN"], "drop": ["ALL"]}));
    assert_eq!(member["spec"]["initContainers"][1]["securityContext"]["runAsUser"], 7440);
}

#[test]
fn the_sidecar_is_told_who_it_is_by_the_pod_and_whom_to_trust_by_a_volume() {
    let member = member(&pod());
    let sidecar = &member["spec"]["initContainers"][1];
    let env: Vec<(&str, &str)> = sidecar["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| {
            let field = &variable["valueFrom"]["fieldRef"]["fieldPath"];
            let value = variable["value"].as_str().or(field.as_str());
            (variable["name"].as_str().unwrap(), value.unwrap())
        })
        .collect();
    assert_eq!(
        env,
        [
            ("KITH_TRUST_DOMAIN", "prod.example"),
            ("KITH_CONTROL_PLANE", "kith-control-plane.kith.svc:7450"),
            ("KITH_POD_NAMESPACE", "metadata.namespace"),
            ("KITH_POD_NAME", "metadata.name"),
            ("KITH_SERVICE_ACCOUNT", "spec.serviceAccountName"),
            ("KITH_POD_IPS", "status.podIPs"),
            ("KITH_PROBES", "{}"),
            ("KITH_LOG", "warn"),
            ("KITH_KEY_EXCHANGE", "RequirePq"),
        ]
    );
    assert_eq!(sidecar["args"], json!(["pod"]));
    assert_eq!(
        sidecar["startupProbe"]["httpGet"],
        json!({"path": "/started", "port": 7447, "scheme": "HTTP"})
    );
    assert_eq!(
        (&sidecar["startupProbe"]["periodSeconds"], &sidecar["startupProbe"]["failureThreshold"]),
        (&json!(1), &json!(60))
    );
    assert_eq!(sidecar.get("livenessProbe"), None);
    let mount = json!({"name": "kith-identity", "mountPath": "/var/run/kith/identity", "readOnly": true});
    assert_eq!(sidecar["volumeMounts"][0], mount);
    let sources = &member["spec"]["volumes"][1]["projected"]["sources"];
    assert_eq!(
        sources,
        &json!([
            {"serviceAccountToken": {"audience": "kith.dev/ca", "expirationSeconds": 600, "path": "token"}},
            {"configMap": {"name": "kith-trust", "items": [{"key": "roots.pem", "path": "roots.pem"}]}},
        ])
    );
}

#[test]
fn what_the_author_asks_for_by_annotation_is_done() {
    let member = member(&with(
        "/metadata/annotations",
        json!({
            "config.kith.dev/skip-inbound-ports": "9000-9010,9100",
            "config.kith.dev/skip-outbound-ports": "3306",
            "config.kith.dev/cpu-request": "5m",
            "config.kith.dev/cpu-limit": "2",
            "config.kith.dev/memory-request": "20Mi",
            "config.kith.dev/memory-limit": "100Mi",
            "config.kith.dev/log-level": "warn,kith_sidecar=trace",
            "kubectl.kubernetes.io/default-container": "log",
        }),
    ));
    let [redirect, sidecar] = [0, 1].map(|index| &member["spec"]["initContainers"][index]);
    let told: Value = serde_json::from_str(variable(redirect, "KITH_REDIRECT")).unwrap();
    assert_eq!(
        told,
        json!({"skipInbound": ["9000-9010", "9100"], "skipOutbound": ["3306"], "quic": "Refuse"})
    );
    assert_eq!(
        sidecar["resources"],
        json!({
            "requests": {"cpu": "5m", "memory": "20Mi"}, "limits": {"cpu": "2", "memory": "100Mi"},
        })
    );
    assert_eq!(variable(sidecar, "KITH_LOG"), "warn,kith_sidecar=trace");
    let annotations = &member["metadata"]["annotations"];
    assert_eq!(annotations["kubectl.kubernetes.io/default-container"], "log", "somebody chose it");
}

#[test]
fn a_pod_with_nothing_but_a_container_gets_everything_it_lacks() {
    let member = member(&json!({"spec": {"containers": [{"name": "app"}]}}));
    assert_eq!(names(&member["spec"]["initContainers"]), ["kith-redirect", "kith-sidecar"]);
    assert_eq!(names(&member["spec"]["volumes"]), ["kith-identity", "kith-nothing"]);
}
