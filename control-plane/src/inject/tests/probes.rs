//! The kubelet's questions: what is asked of the sidecar from then on, and what the sidecar asks.

use kith_proto::pod::{Probe, ProbeAction};

use super::*;

fn http(port: u16, path: &str) -> ProbeAction {
    ProbeAction::Http { port, path: path.into(), https: false, headers: Vec::new() }
}

/// The liveness probe of a member whose author wrote this one, and what is remembered of it.
fn liveness(probe: Value) -> (Value, Option<Probe>) {
    let member = member(&with("/spec/containers/0/livenessProbe", probe));
    (member["spec"]["containers"][0]["livenessProbe"].clone(), asked(&member).remove("app/liveness"))
}

#[test]
fn every_question_over_the_network_is_asked_of_the_sidecar_and_keeps_its_timing() {
    let headers = json!([{"name": "X-A", "value": "1"}, {"name": "x-a", "value": "2"}]);
    let two = vec![("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())];
    for (name, handler, action) in [
        (
            "HTTP",
            json!({"httpGet": {"port": 8081, "path": "/healthz?full=1"}}),
            http(8081, "/healthz?full=1"),
        ),
        ("a path that is left out", json!({"httpGet": {"port": 8081}}), http(8081, "/")),
        ("a named port", json!({"httpGet": {"port": "http", "path": "/"}}), http(8080, "/")),
        ("a number as text", json!({"httpGet": {"port": "8082", "path": "/"}}), http(8082, "/")),
        (
            "HTTPS",
            json!({"httpGet": {"port": 8443, "path": "/", "scheme": "HTTPS", "httpHeaders": headers}}),
            ProbeAction::Http { port: 8443, path: "/".into(), https: true, headers: two },
        ),
        ("TCP", json!({"tcpSocket": {"port": "http"}}), ProbeAction::Tcp { port: 8080 }),
        (
            "gRPC",
            json!({"grpc": {"port": 9, "service": "a.B"}}),
            ProbeAction::Grpc { port: 9, service: "a.B".into() },
        ),
        (
            "gRPC, all of it",
            json!({"grpc": {"port": 9, "service": null}}),
            ProbeAction::Grpc { port: 9, service: "".into() },
        ),
    ] {
        let mut probe = handler;
        let timing = json!({
            "timeoutSeconds": 7, "periodSeconds": 3, "initialDelaySeconds": 2, "failureThreshold": 4,
            "successThreshold": 1, "terminationGracePeriodSeconds": 9, "somethingNewer": {"a": 1},
        });
        for (key, value) in timing.as_object().unwrap() {
            probe[key] = value.clone();
        }
        let (found, remembered) = liveness(probe);
        let mut wanted = timing;
        wanted["httpGet"] = json!({"path": "/probe/app/liveness", "port": 7447, "scheme": "HTTP"});
        assert_eq!(found, wanted, "{name}");
        assert_eq!(remembered, Some(Probe { action, timeout_seconds: 7 }), "{name}");
    }
}

#[test]
fn what_does_not_ask_the_pod_over_the_redirect_stays_as_it_is() {
    for probe in [
        json!({"exec": {"command": ["true"]}}),
        json!({"httpGet": {"host": "elsewhere.example", "port": 80, "path": "/"}}),
        json!({"tcpSocket": {"host": "10.0.0.1", "port": 80}}),
        json!({"somethingNewer": {}}),
    ] {
        assert_eq!(liveness(probe.clone()), (probe, None));
    }
    let mut pod = with("/spec/containers/0/livenessProbe", json!({"tcpSocket": {"port": 9005}}));
    put(&mut pod, "/metadata/annotations", json!({"config.kith.dev/skip-inbound-ports": "9000-9010"}));
    let member = member(&pod);
    assert_eq!(
        member["spec"]["containers"][0]["livenessProbe"],
        pod["spec"]["containers"][0]["livenessProbe"]
    );
}

#[test]
fn every_kind_of_question_of_every_kind_of_container_has_a_path_of_its_own() {
    let mut pod = pod();
    let get = json!({"httpGet": {"port": 8080, "path": "/x"}});
    for container in ["/spec/containers/0", "/spec/initContainers/0"] {
        for field in
            ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle/postStart", "lifecycle/preStop"]
        {
            put(&mut pod, &format!("{container}/{field}"), get.clone());
        }
    }
    put(&mut pod, "/spec/terminationGracePeriodSeconds", json!(90));
    put(&mut pod, "/spec/containers/1/lifecycle/preStop", json!({"sleep": {"seconds": 5}}));
    put(&mut pod, "/spec/containers/1/lifecycle/postStart", json!({"exec": {"command": ["x"]}}));
    let member = member(&pod);
    let asked = asked(&member);
    let keys: Vec<&str> = asked.keys().map(String::as_str).collect();
    let nonce = nonce().digits();
    let hook = |stem: &str| format!("{stem}/{nonce}");
    assert_eq!(
        keys,
        [
            "app/liveness",
            &hook("app/post-start"),
            &hook("app/pre-stop"),
            "app/readiness",
            "app/startup",
            "migrate/liveness",
            &hook("migrate/post-start"),
            &hook("migrate/pre-stop"),
            "migrate/readiness",
            "migrate/startup",
        ]
    );
    assert_eq!(asked[&hook("app/pre-stop")].timeout_seconds, 90, "as long as the pod may take to stop");
    assert_eq!(asked["app/liveness"].timeout_seconds, 1, "what Kubernetes fills in");
    let question =
        json!({"path": format!("/probe/{}", hook("migrate/pre-stop")), "port": 7447, "scheme": "HTTP"});
    assert_eq!(member["spec"]["initContainers"][2]["lifecycle"]["preStop"], json!({"httpGet": question}));
    assert_eq!(member["spec"]["containers"][1], pod["spec"]["containers"][1]);
}

#[test]
fn a_question_that_cannot_be_asked_is_refused() {
    for (probe, field) in [
        (json!({"httpGet": {"port": "nowhere"}}), "httpGet.port is \"nowhere\""),
        (json!({"httpGet": {"port": 0}}), "httpGet.port is 0"),
        (json!({"tcpSocket": {"port": 65536}}), "tcpSocket.port is 65536"),
        (json!({"tcpSocket": {}}), "tcpSocket.port is null"),
        (json!({"httpGet": {"port": 7447, "path": "/ready"}}), "httpGet.port is 7447"),
        (json!({"tcpSocket": {"port": 7442}}), "tcpSocket.port is 7442"),
        (json!({"httpGet": {"port": 80, "scheme": "gopher"}}), "httpGet.scheme is \"gopher\""),
        (json!({"httpGet": {"port": 80}, "tcpSocket": {"port": 80}}), "livenessProbe is {"),
        // A path of ours that nobody remembers: what it asked is lost.
        (json!({"httpGet": {"port": 7447, "path": "/probe/app/liveness"}}), "httpGet is {"),
    ] {
        let text = refused(&with("/spec/containers/0/livenessProbe", probe)).to_string();
        assert!(text.starts_with("spec.containers[0].livenessProbe") && text.contains(field), "{text}");
    }
}

#[test]
fn nothing_that_somebody_wrote_is_a_variable_for_the_kubelet() {
    // K8: it expands $(NAME) in values.
    let path = "/$(KITH_TRUST_DOMAIN)?a=$$b";
    let member =
        member(&with("/spec/containers/0/livenessProbe", json!({"httpGet": {"port": 80, "path": path}})));
    assert!(!variable(&member["spec"]["initContainers"][1], "KITH_PROBES").contains('$'));
    assert_eq!(asked(&member)["app/liveness"].action, http(80, path));
}

#[test]
fn a_hook_is_asked_by_a_path_that_nobody_can_guess() {
    // A1: whoever reaches the port could stop the application otherwise.
    let mut pod = pod();
    for field in ["livenessProbe", "lifecycle/postStart", "lifecycle/preStop"] {
        put(&mut pod, &format!("/spec/containers/0/{field}"), json!({"httpGet": {"port": 80, "path": "/x"}}));
    }
    let member = member(&pod);
    let app = &member["spec"]["containers"][0];
    let path = |place: &str| app.pointer(place).unwrap()["httpGet"]["path"].as_str().unwrap().to_owned();
    for (place, stem) in
        [("/lifecycle/postStart", "/probe/app/post-start/"), ("/lifecycle/preStop", "/probe/app/pre-stop/")]
    {
        let path = path(place);
        let digits = path.strip_prefix(stem).unwrap_or_else(|| panic!("{path}"));
        assert!(
            digits.len() == 32 && digits.bytes().all(|digit| b"0123456789abcdef".contains(&digit)),
            "{path}"
        );
    }
    assert_eq!(path("/livenessProbe"), "/probe/app/liveness", "a question that is asked by anybody");
}
