//! Whatever objects there are, and in whichever order they become known.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn text(choices: &'static [&'static str]) -> impl Strategy<Value = Value> {
    of(select(choices)).prop_map(|text| text.map_or(Value::Null, Value::from))
}

const NAMES: &[&str] = &["a", "b", "kith", "kith-control-plane", "UPPER", "a/../b", "x y", "\u{0}", "é"];
const NAMESPACES: &[&str] = &["shop", "kith", "bad namespace"];
const IPS: &[&str] =
    &["10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:10.0.0.1", "None", "", "127.0.0.1", "10.0.0.1/8"];
const UIDS: &[&str] = &["u1", "u2", "u3"];
const WORDS: &[&str] = &["http", "tcp", "grpc-x", "", "Observe", "Enforce", "true", "2027-01-31T00:00:00Z"];
const TIMES: &[&str] = &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"];

fn meta() -> impl Strategy<Value = Value> {
    let labels = vec(
        (
            select(&["kith.dev/posture", "kith.dev/egress", "app", "kubernetes.io/service-name"][..]),
            select(WORDS),
        ),
        0..3,
    );
    (select(NAMES), select(NAMESPACES), select(UIDS), of(select(TIMES)), any::<bool>(), labels).prop_map(
        |(name, namespace, uid, created, ending, labels)| {
            let labels: serde_json::Map<_, _> = labels.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            json!({
                "name": name, "namespace": namespace, "uid": uid, "creationTimestamp": created, "labels": labels,
                "annotations": labels, "deletionTimestamp": ending.then_some(TIMES[0]),
            })
        },
    )
}

fn ports() -> impl Strategy<Value = Value> {
    let port = (
        any::<i32>(),
        select(&[80, 0, -1, 8080, 70_000][..]),
        text(WORDS),
        text(WORDS),
        text(&["TCP", "UDP", "x"]),
    );
    vec(port, 0..3).prop_map(|ports| {
        let written = ports.into_iter().map(|(odd, port, name, app, transport)| {
            let port = if odd % 5 == 0 { odd } else { port };
            json!({ "port": port, "containerPort": port, "name": name, "appProtocol": app, "protocol": transport })
        });
        written.collect()
    })
}

fn pods() -> impl Strategy<Value = Change> {
    let spec =
        (text(NAMES), of(any::<bool>()), text(&["kith-sidecar", "other"]), text(&["node-1", ""]), ports());
    let status = (text(&["Running", "Failed", "odd"]), vec(select(IPS), 0..3), text(IPS));
    (meta(), spec, of(status)).prop_map(|(metadata, (account, host, init, node, ports), status)| {
        let status = status.map(|(phase, ips, ip)| {
            json!({ "phase": phase, "podIP": ip, "podIPs": ips.iter().map(|ip| json!({ "ip": ip })).collect::<Vec<_>>() })
        });
        let init = init.as_str().map(|name| json!([{ "name": name, "ports": ports }]));
        apply_pod(json!({
            "metadata": metadata, "status": status,
            "spec": {
                "serviceAccountName": account, "hostNetwork": host, "nodeName": node, "initContainers": init,
                "containers": [{ "name": "app", "ports": ports }],
            },
        }))
    })
}

fn services() -> impl Strategy<Value = Change> {
    let ips = || vec(select(IPS), 0..3);
    (meta(), ips(), ips(), ips(), ports(), text(&["ExternalName", "ClusterIP"])).prop_map(
        |(metadata, cluster, external, balanced, ports, of_type)| {
            let ingress: Vec<_> = balanced.iter().map(|ip| json!({ "ip": ip })).collect();
            apply_service(json!({
                "metadata": metadata, "status": { "loadBalancer": { "ingress": ingress } },
                "spec": { "clusterIPs": cluster, "externalIPs": external, "ports": ports, "type": of_type },
            }))
        },
    )
}

fn slices() -> impl Strategy<Value = Change> {
    let conditions = of((of(any::<bool>()), of(any::<bool>()), of(any::<bool>())));
    let endpoint = (vec(select(IPS), 0..2), text(UIDS), text(NAMESPACES), conditions);
    (meta(), vec(endpoint, 0..4), ports()).prop_map(|(metadata, endpoints, ports)| {
        let endpoints: Vec<_> = endpoints
            .into_iter()
            .map(|(addresses, uid, namespace, conditions)| {
                let target = json!({ "kind": "Pod", "namespace": namespace, "uid": uid });
                let conditions = conditions.map(|(ready, serving, terminating)| {
                    json!({ "ready": ready, "serving": serving, "terminating": terminating })
                });
                json!({ "addresses": addresses, "targetRef": uid.as_str().map(|_| target), "conditions": conditions })
            })
            .collect();
        apply_slice(json!({ "metadata": metadata, "addressType": "IPv4", "endpoints": endpoints, "ports": ports }))
    })
}

fn namespaces() -> impl Strategy<Value = Change> {
    meta().prop_map(|mut written| {
        written["name"] = written["namespace"].take();
        let (key, namespace) = NamespaceObject::read(typed(written)).unwrap();
        Change::Namespaces(Event::Apply(key, namespace))
    })
}

fn spec() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text(WORDS),
        text(NAMES),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from)
    ];
    let fields =
        &["action", "rules", "sources", "identity", "pod", "node", "namespace", "name", "reason", "type"][..];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((select(fields), inner), 0..4).prop_map(|entries| {
                Value::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

fn own(kind: &'static str) -> impl Strategy<Value = Value> {
    let good = text(&["web"]).prop_map(move |_| match kind {
        "Quarantine" => json!({ "node": "node-1" }),
        _ => json!({ "action": "ALLOW", "rules": [] }),
    });
    (meta(), prop_oneof![spec(), good]).prop_map(move |(metadata, spec)| {
        json!({ "apiVersion": "kith.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        pods(),
        services(),
        slices(),
        namespaces(),
        (select(NAMESPACES), select(NAMES)).prop_map(|(namespace, name)| apply_account(namespace, name)),
        own("AuthorizationPolicy").prop_map(|object| apply_policy(&object)),
        own("Quarantine").prop_map(|object| apply_quarantine(&object)),
    ]
}

fn key(change: &Change) -> (Kind, Key) {
    let key = match change {
        Change::Namespaces(event) => applied(event),
        Change::Pods(event) => applied(event),
        Change::Services(event) => applied(event),
        Change::EndpointSlices(event) => applied(event),
        Change::ServiceAccounts(event) => applied(event),
        Change::AuthorizationPolicies(event) => applied(event),
        Change::Quarantines(event) => applied(event),
    };
    (change.kind(), key)
}

fn applied<T>(event: &Event<T>) -> Key {
    match event {
        Event::Apply(key, _) | Event::Delete(key) => key.clone(),
        Event::All(_) => panic!("only single objects are made here"),
    }
}

/// One object of each name: what the API server has.
fn distinct(mut changes: Vec<Change>) -> Vec<Change> {
    let mut seen = BTreeSet::new();
    changes.retain(|change| seen.insert(key(change)));
    changes
}

/// The same as whole lists, one for each kind.
fn lists(changes: &[Change]) -> Vec<Change> {
    macro_rules! list {
        ($kind:ident) => {
            Change::$kind(Event::All(
                changes
                    .iter()
                    .filter_map(|change| match change {
                        Change::$kind(Event::Apply(key, object)) => Some((key.clone(), object.clone())),
                        _ => None,
                    })
                    .collect(),
            ))
        };
    }
    vec![
        list!(Namespaces),
        list!(Pods),
        list!(Services),
        list!(EndpointSlices),
        list!(ServiceAccounts),
        list!(AuthorizationPolicies),
        list!(Quarantines),
    ]
}

proptest! {
    #[test]
    fn no_object_makes_the_view_panic_and_no_order_makes_another_view(
        changes in vec(change(), 0..40).prop_map(distinct),
        seed in any::<u64>(),
    ) {
        let view = cluster(changes.clone()).view();
        let mut order: Vec<_> = changes.iter().cloned().enumerate().collect();
        order.sort_by_key(|(place, _)| (*place as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let other = cluster(order.into_iter().map(|(_, change)| change)).view();
        prop_assert_eq!(view, other);
    }

    #[test]
    fn a_whole_list_is_the_same_as_its_objects_one_by_one_whatever_was_known_before(
        before in vec(change(), 0..20).prop_map(distinct),
        changes in vec(change(), 0..40).prop_map(distinct),
    ) {
        let view = cluster(changes.clone()).view();
        let fresh = cluster(lists(&changes)).view();
        prop_assert_eq!(&view, &fresh);
        // What is remembered of an object's former versions, and of pods that are gone, is not in the lists.
        let remembers = |change: &Change| matches!(change.kind(), Kind::AuthorizationPolicies | Kind::Quarantines);
        let before = before.into_iter().filter(|change| !remembers(change));
        let replaced = cluster(before.chain(lists(&changes))).view();
        prop_assert_eq!(&view, &replaced);
    }
}
