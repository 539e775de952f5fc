//! What holds of every pod, also of one that no API server would have let through.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Where something may be asked.
const PLACES: [&str; 5] =
    ["/livenessProbe", "/readinessProbe", "/startupProbe", "/lifecycle/postStart", "/lifecycle/preStop"];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        select(vec![0, 1, -1, 80, 7440, 7441, 7442, 7447, 65536, i64::MAX]).prop_map(Value::from),
        select(vec![
            "",
            "app",
            "kith-sidecar",
            "kith-redirect",
            "kith-identity",
            "disabled",
            "http",
            "$(X)",
            "HTTPS"
        ])
        .prop_map(Value::from),
    ]
}

/// Anything, with the names that the injector looks at.
fn anything() -> impl Strategy<Value = Value> {
    let keys = vec![
        "spec",
        "metadata",
        "labels",
        "annotations",
        "kith.dev/inject",
        "config.kith.dev/injected",
        "name",
        "value",
        "config.kith.dev/skip-inbound-ports",
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "env",
        "ports",
        "containerPort",
        "securityContext",
        "runAsUser",
        "capabilities",
        "add",
        "livenessProbe",
        "lifecycle",
        "preStop",
        "httpGet",
        "tcpSocket",
        "grpc",
        "port",
        "path",
        "httpHeaders",
        "volumeMounts",
        "projected",
        "sources",
        "resources",
        "limits",
        "timeoutSeconds",
        "hostNetwork",
    ];
    scalar().prop_recursive(6, 64, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(select(keys.clone()), inner, 0..6).prop_map(|fields| {
                Value::Object(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

fn probe() -> impl Strategy<Value = Value> {
    let port = prop_oneof![Just(json!(80)), Just(json!("http")), Just(json!(9001))];
    let handler =
        (0..5, port, select(vec!["/", "/healthz?x=1", "/$(A)"])).prop_map(|(kind, port, path)| match kind {
            0 => json!({"httpGet": {"port": port, "path": path}}),
            1 => json!({"httpGet": {"port": port, "path": path, "scheme": "HTTPS"}}),
            2 => json!({"tcpSocket": {"port": port}}),
            3 => json!({"exec": {"command": [path]}}),
            _ => json!({"grpc": {"port": 9, "service": path}}),
        });
    (handler, option::of(1..30)).prop_map(|(mut handler, seconds)| {
        if let Some(seconds) = seconds {
            handler["timeoutSeconds"] = json!(seconds);
        }
        handler
    })
}

fn container(name: String) -> impl Strategy<Value = Value> {
    let probes = (option::of(probe()), option::of(probe()), option::of(probe()));
    let hooks = (option::of(probe()), option::of(probe()));
    (probes, hooks, any::<bool>()).prop_map(move |((liveness, readiness, startup), (start, stop), plain)| {
        let mut container =
            json!({"name": name, "ports": [{"name": "http", "containerPort": 8080}], "newer": {"x": [1]}});
        for (field, probe) in
            [("livenessProbe", liveness), ("readinessProbe", readiness), ("startupProbe", startup)]
        {
            probe.into_iter().for_each(|probe| container[field] = probe);
        }
        start.into_iter().for_each(|start| container["lifecycle"]["postStart"] = start);
        stop.into_iter().for_each(|stop| container["lifecycle"]["preStop"] = stop);
        if plain {
            container["env"] = json!([{"name": "A", "value": "1"}]);
        }
        container
    })
}

fn containers(prefix: &'static str, fewest: usize) -> impl Strategy<Value = Value> {
    let container = move |index| container(format!("{prefix}{index}"));
    (fewest..4)
        .prop_flat_map(move |count| (0..count).map(container).collect::<Vec<_>>())
        .prop_map(Value::from)
}

/// A pod that people could write.
fn sensible() -> impl Strategy<Value = Value> {
    let annotations = option::of(select(vec![
        json!({"config.kith.dev/skip-inbound-ports": "9000-9005"}),
        json!({"config.kith.dev/log-level": "debug", "other.example/x": "y"}),
        json!({"config.kith.dev/cpu-limit": "0.5"}),
    ]));
    (containers("app", 1), option::of(containers("init", 0)), annotations, any::<bool>()).prop_map(
        |(containers, init, annotations, volumes)| {
            let mut pod = json!({"metadata": {"name": "x"}, "spec": {"containers": containers, "futureField": [{"a": 1}]}});
            init.into_iter().for_each(|init| pod["spec"]["initContainers"] = init);
            annotations.into_iter().for_each(|entries| pod["metadata"]["annotations"] = entries);
            if volumes {
                pod["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}]);
            }
            pod
        },
    )
}

/// What the author wrote, without what may be rewritten and what is ours.
fn of_the_author(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(annotations) = pod["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| !key.starts_with("kubectl.") && key != "config.kith.dev/injected");
    }
    for list in ["containers", "initContainers", "volumes"] {
        let Some(items) = pod["spec"][list].as_array_mut() else { continue };
        items.retain(|item| !rules::is_ours(item));
        for item in items.iter_mut().filter(|_| list != "volumes") {
            for place in PLACES {
                if let Some(probe) = item.pointer_mut(place).and_then(Value::as_object_mut) {
                    probe.retain(|key, _| !["httpGet", "tcpSocket", "grpc"].contains(&key.as_str()));
                }
            }
        }
    }
    for (object, field) in [("metadata", "annotations"), ("spec", "initContainers"), ("spec", "volumes")] {
        let empty = match &pod[object][field] {
            Value::Object(fields) => fields.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => true,
        };
        if empty && let Some(fields) = pod[object].as_object_mut() {
            fields.remove(field);
        }
    }
    pod
}

proptest! {
    // K20
    #[test]
    fn nothing_makes_the_injector_panic(pod in anything(), other in anything()) {
        for membership in [Membership::Off, Membership::Enabled, Membership::Required] {
            let namespace = namespace(membership);
            if let Ok(Injection::Patch(steps)) = inject(&pod, &namespace, &settings(), nonce()) {
                let mut member = pod.clone();
                apply(&mut member, &steps);
                prop_assert_eq!(check_pod(&member, &namespace, &settings()), Ok(()));
            }
            let _ = check_pod(&pod, &namespace, &settings());
        }
        let _ = check_ephemeral(&pod, &other);
        let mut document = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": pod}});
        let _ = inject_document(&mut document, &settings(), nonce());
        let mut document = other;
        let _ = inject_document(&mut document, &settings(), nonce());
    }

    #[test]
    fn a_sensible_pod_becomes_a_member_once_and_keeps_what_its_author_wrote(pod in sensible()) {
        let member = member(&pod);
        let namespace = namespace(Membership::Required);
        prop_assert_eq!(check_pod(&member, &namespace, &settings()), Ok(()));
        let again = inject(&member, &namespace, &settings(), another_nonce());
        prop_assert_eq!(again, Ok(Injection::Nothing(Untouched::AlreadyInjected)));
        prop_assert_eq!(of_the_author(&member), of_the_author(&pod));
        // Every question that was pointed at the sidecar is remembered, and no other.
        let mut pointed: Vec<String> = member.to_string().split("\"/probe/").skip(1)
            .map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect();
        pointed.sort();
        prop_assert_eq!(asked(&member).into_keys().collect::<Vec<_>>(), pointed.clone());
        // A1: an order has a nonce, a question has none.
        for key in pointed {
            let is_hook = key.contains("/post-start") || key.contains("/pre-stop");
            prop_assert_eq!(key.ends_with(&format!("/{}", nonce().digits())), is_hook, "{}", key);
        }
    }
}
