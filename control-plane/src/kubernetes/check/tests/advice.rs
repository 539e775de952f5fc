//! What is advised, and what is not said where it would be untrue.

use super::*;
use crate::kubernetes::check::Outcome::{Error, Ok as Good, Skipped, Warning};

const LABEL: (&str, &str) = ("kith.dev/inject", "enabled");

fn judged(facts: &Facts, id: &str) -> Judgement {
    (CHECKS.iter().find(|check| check.id == id).unwrap().judge)(facts)
}

fn hint(facts: &Facts, id: &str) -> String {
    judged(facts, id).hint.unwrap_or_default()
}

#[test]
fn namespaces_that_are_never_injected_are_told_so_and_their_pods_are_not_missed() {
    for name in ["kith", "kube-system"] {
        let labelled = with(|facts| {
            let strict = ("pod-security.kubernetes.io/enforce", "restricted");
            facts.namespaces = Ok(vec![namespace(name, &[LABEL, strict])]);
            let (namespace, in_mesh) = (name.into(), false);
            facts.pods = Ok(vec![Pod { namespace, in_mesh, ..member("x-0") }]);
        });
        let said = format!("{name} has the label kith.dev/inject, and is never injected");
        assert_eq!(found(&labelled, "pods-injected"), (Warning, said));
        assert!(
            hint(&labelled, "pods-injected").contains("kubectl label namespace NAMESPACE kith.dev/inject-")
        );
        for id in ["pod-security", "labelled-namespaces"] {
            assert_eq!(found(&labelled, id), (Good, String::new()), "{id} of {name}");
        }
    }
}

#[test]
fn of_a_pod_without_a_sidecar_no_more_is_said_than_is_known() {
    let bare = with(|it| it.pods.as_mut().unwrap()[0].in_mesh = false);
    assert_eq!(found(&bare, "pods-injected"), (Warning, "shop/web-0 has no sidecar".into()));
    assert!(hint(&bare, "pods-injected").contains("rollout restart"));
}

#[test]
fn a_sidecar_that_came_with_the_text_is_for_a_labelled_namespace() {
    let policy = "pods \"y\" is forbidden: ValidatingAdmissionPolicy 'kith-members' denied request: no";
    let by = |namespace: &str| {
        with(|it| it.refused = Ok(vec![Refused { namespace: namespace.into(), ..refused(policy) }]))
    };
    let (outcome, causes) = found(&by("elsewhere"), "pods-refused");
    assert!(outcome == Error && causes.starts_with("ReplicaSet elsewhere/web-5d: pods"), "{causes}");
    let way = hint(&by("elsewhere"), "pods-refused");
    assert!(way.ends_with("\nkubectl label namespace elsewhere kith.dev/inject=enabled"), "{way}");
    assert!(way.contains("without the sidecar"), "{way}");
    // There the label would change nothing.
    assert!(!hint(&by("kube-system"), "pods-refused").contains("kubectl label"));
    assert!(!hint(&with(|it| it.refused = Ok(vec![refused("quota")])), "pods-refused").contains("label"));
}

#[test]
fn webhooks_that_are_not_there_are_not_reached() {
    let accepted = |validator| with(|it| it.webhooks[1].1 = validator);
    let others = Ok(Some(webhooks(&["pods.kith.dev"])));
    for (facts, outcome) in [
        (accepted(Ok(None)), Skipped),
        (accepted(others), Skipped),
        (accepted(Err("you may not look".into())), Warning),
        (good(), Good),
    ] {
        assert_eq!(judged(&facts, "webhook-answers").outcome, outcome, "{:?}", facts.webhooks[1]);
    }
}

#[test]
fn a_control_plane_that_is_scaled_to_nothing_is_scaled_up_again() {
    let unasked = "failed calling webhook \"inject.kith.dev\": no endpoints available";
    let scaled = with(|facts| {
        facts.deployment = Ok(Some(Deployment { wanted: 0, ready: 0, waiting: vec![] }));
        facts.refused = Ok(vec![refused(unasked)]);
    });
    assert_eq!(found(&scaled, "deployment"), (Error, "it is scaled to 0".into()));
    let way = "kubectl -n kith scale deployment/kith-control-plane --replicas=1";
    assert_eq!(hint(&scaled, "deployment"), way);
    assert_eq!(judged(&scaled, "pods-refused").outcome, Skipped);
}

#[test]
fn pods_are_said_not_to_start_only_where_they_do_not() {
    let labelled = |labels: &[(&str, &str)]| {
        let labels = labels.to_vec();
        with(|it| it.namespaces = Ok(vec![namespace("shop", &labels)]))
    };
    let misread = ("kith.dev/inject", "yes");
    let mut without = labelled(&[misread]);
    without.webhooks[0].1 = Ok(None);
    let mut own = labelled(&[misread]);
    own.namespaces.as_mut().unwrap()[0].name = "kith".into();
    for (facts, is_said) in [
        (labelled(&[misread]), true),
        (labelled(&[LABEL, ("kith.dev/posture", "enforced")]), false),
        (labelled(&[("kith.dev/posture", "enforced")]), false),
        (without, false),
        (own, false),
    ] {
        let hint = hint(&facts, "namespace-labels");
        assert!(hint.contains("everything is refused there"), "{hint}");
        assert_eq!(hint.contains("no pod starts"), is_said, "{:?}: {hint}", facts.namespaces);
    }
}

#[test]
fn who_leaves_needs_a_control_plane_and_waits_for_observe() {
    let replicas = |ready| Ok(Some(Deployment { wanted: 1, ready, waiting: vec![] }));
    for (deployment, first) in [
        (replicas(1), "let each leave"),
        (replicas(0), "start the control plane first"),
        (Ok(None), "there is no control plane in the namespace kith"),
        (Err("you may not look".into()), "see with kith status -n kith that the control plane answers"),
    ] {
        let way = hint(&with(|it| it.deployment = deployment), "labelled-namespaces");
        assert!(way.starts_with(first), "{way}");
        let lines: Vec<_> = way.lines().collect();
        let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
        let wait = at("kith status -n kith   # again, until it says Observe of shop");
        assert!(at("kith.dev/posture=Observe") < wait && wait < at("kith.dev/inject-"), "{way}");
    }
}

#[test]
fn who_only_looks_needs_no_right_to_cut_off() {
    let right = |role, allowed| {
        with(|it| {
            it.rights.push(Right { what: "create quarantines.kith.dev".into(), allowed, role: Some(role) });
        })
    };
    let operator = "ClusterRole kith-operator";
    let viewer = right(operator, Ok(false));
    assert_eq!(found(&viewer, "your-rights"), (Good, String::new()));
    let told = "you may not create quarantines.kith.dev, which only the ClusterRole kith-operator grants";
    assert_eq!(judged(&viewer, "your-rights").detail.as_deref(), Some(told));
    assert_eq!(judged(&right(operator, Ok(true)), "your-rights").detail, None);
    assert_eq!(found(&right(operator, Err("no".into())), "your-rights").0, Warning);
    assert_eq!(found(&right("ClusterRole kith-viewer", Ok(false)), "your-rights").0, Warning);
}
