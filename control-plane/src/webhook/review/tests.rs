//! Questions, good and bad, and their answers.

use super::*;
use crate::webhook::testing::{
    OWN, UID, changed_namespace, ephemeral, facts, namespace, new_pod, now, ours, pod, settings, world,
};

/// The response to a question that is understood.
fn respond(question: Question, review: &Value, facts: &Facts) -> Value {
    let request = Request::read(question, review.to_string().as_bytes()).unwrap();
    let (world, settings) = (world(), settings());
    let ground = Ground { facts, world: &world, settings: &settings, own_namespace: OWN, now: now() };
    let answer = request.answer(ground);
    assert_eq!(
        (&answer["apiVersion"], &answer["kind"]),
        (&json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
    );
    // K20: the API server drops an answer to another question.
    assert_eq!(answer["response"]["uid"], UID);
    answer["response"].clone()
}

fn enabled() -> std::sync::Arc<Facts> {
    facts(&[("shop", "enabled")])
}

/// The pod after the injector's patch.
fn injected() -> Value {
    injected_from(pod())
}

fn injected_from(mut injected: Value) -> Value {
    let response = respond(Question::Inject, &new_pod(&injected), &enabled());
    let patch: Value =
        serde_json::from_slice(&STANDARD.decode(response["patch"].as_str().unwrap()).unwrap()).unwrap();
    for step in patch.as_array().unwrap() {
        let (parent, key) = step["path"].as_str().unwrap().rsplit_once('/').unwrap();
        injected.pointer_mut(parent).unwrap()[key] = step["value"].clone();
    }
    injected
}

fn denied(response: &Value, code: u16) -> &str {
    assert_eq!(
        (&response["allowed"], &response["status"]["code"]),
        (&json!(false), &json!(code)),
        "{response}"
    );
    assert!(response.get("patch").is_none());
    response["status"]["message"].as_str().unwrap()
}

#[test]
fn a_pod_of_a_labelled_namespace_is_patched_and_then_left_alone() {
    let response = respond(Question::Inject, &new_pod(&pod()), &enabled());
    assert_eq!((&response["allowed"], &response["patchType"]), (&json!(true), &json!("JSONPatch")));

    // K23
    let injected = injected();
    assert_eq!(injected["spec"]["initContainers"][1]["name"], "kith-sidecar");
    let again = respond(Question::Inject, &new_pod(&injected), &enabled());
    assert_eq!(again, json!({ "allowed": true, "uid": UID }));
    let checked = respond(Question::Pods, &new_pod(&injected), &enabled());
    assert_eq!(checked, json!({ "allowed": true, "uid": UID }));
}

// A1
#[test]
fn every_new_member_has_hooks_of_its_own_that_nobody_can_guess() {
    let mut hooked = pod();
    hooked["spec"]["containers"][0]["lifecycle"] =
        json!({ "preStop": { "httpGet": { "port": 8080, "path": "/shutdown" } } });
    let place = "/spec/containers/0/lifecycle/preStop/httpGet/path";
    let members = [(); 2].map(|()| injected_from(hooked.clone()));
    let [one, other] = members.each_ref().map(|member| member.pointer(place).unwrap().as_str().unwrap());
    assert!(
        one.starts_with("/probe/app/pre-stop/") && one.len() == "/probe/app/pre-stop/".len() + 32,
        "{one}"
    );
    assert_ne!(one, other);
    for question in [Question::Inject, Question::Pods] {
        // K23: asked again, it makes no other.
        let again = respond(question, &new_pod(&members[0]), &enabled());
        assert_eq!(again, json!({ "allowed": true, "uid": UID }));
    }
}

#[test]
fn a_pod_that_was_not_injected_is_not_stored() {
    let response = respond(Question::Pods, &new_pod(&pod()), &enabled());
    assert!(denied(&response, 403).contains("kith-sidecar"), "{response}");
}

// K1
#[test]
fn a_pod_that_opts_out_is_let_through_with_a_warning_or_refused() {
    let mut out = pod();
    out["metadata"]["labels"]["kith.dev/inject"] = json!("disabled");
    let response = respond(Question::Inject, &new_pod(&out), &enabled());
    assert_eq!(response["allowed"], true);
    assert!(response["warnings"][0].as_str().unwrap().contains("outside the mesh"), "{response}");
    assert_eq!(respond(Question::Pods, &new_pod(&out), &enabled())["allowed"], true);

    let required = facts(&[("shop", "required")]);
    for question in [Question::Inject, Question::Pods] {
        let response = respond(question, &new_pod(&out), &required);
        assert!(denied(&response, 403).contains("requires every pod"), "{response}");
    }
}

// K5
#[test]
fn a_pod_that_cannot_be_a_member_is_refused_with_field_value_and_what_to_do() {
    let mut bad = pod();
    bad["spec"]["containers"][0]["securityContext"] = json!({ "runAsUser": 7440 });
    let response = respond(Question::Inject, &new_pod(&bad), &enabled());
    let message = denied(&response, 403);
    assert!(message.contains("runAsUser") && message.contains("7440"), "{message}");
    assert_eq!(response["status"]["reason"], "Forbidden");
}

#[test]
fn a_namespace_whose_label_has_not_been_heard_of_gets_no_pods_yet() {
    for known in [facts(&[]), facts(&[("shop", "")])] {
        for question in [Question::Inject, Question::Pods] {
            let request = Request::read(question, new_pod(&pod()).to_string().as_bytes()).unwrap();
            assert!(!request.can_be_answered(&known) && request.can_be_answered(&enabled()));
            let response = respond(question, &new_pod(&pod()), &known);
            assert!(denied(&response, 503).contains("namespace shop"), "{response}");
        }
    }
    // One that cannot be read is known: waiting would not help.
    let unreadable = facts(&[("shop", "yes")]);
    let request = Request::read(Question::Inject, new_pod(&pod()).to_string().as_bytes()).unwrap();
    assert!(request.can_be_answered(&unreadable));
    let response = respond(Question::Inject, &new_pod(&pod()), &unreadable);
    assert!(denied(&response, 403).contains("kith.dev/inject"), "{response}");
}

// K4
#[test]
fn an_ephemeral_container_with_the_sidecars_user_is_refused() {
    let member = injected();
    let with = |container: Value| {
        let mut new = member.clone();
        new["spec"]["ephemeralContainers"] = json!([container]);
        respond(Question::Pods, &ephemeral(&member, &new), &facts(&[]))
    };
    assert_eq!(with(json!({ "name": "debug", "image": "busybox" }))["allowed"], true);
    let response = with(json!({ "name": "debug", "image": "b", "securityContext": { "runAsUser": 7440 } }));
    assert!(denied(&response, 403).contains("7440"), "{response}");
    let response = with(json!({ "name": "debug", "image": "b", "targetContainerName": "kith-sidecar" }));
    assert!(denied(&response, 403).contains("kith-sidecar"), "{response}");
}

// A9: whoever may patch pods would put an image of their own in the sidecar's place.
#[test]
fn our_containers_stay_what_they_are_in_a_pod_that_runs() {
    let member = injected();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut new = member.clone();
        change(&mut new);
        let mut review = ephemeral(&member, &new);
        review["request"]["subResource"] = Value::Null;
        review["request"].as_object_mut().unwrap().remove("subResource");
        respond(Question::Pods, &review, &facts(&[]))
    };
    assert_eq!(changed(&|pod| pod["metadata"]["labels"] = json!({ "a": "b" }))["allowed"], true);
    assert_eq!(changed(&|pod| pod["spec"]["containers"][0]["image"] = json!("next"))["allowed"], true);
    for position in [0, 1] {
        let response = changed(&|pod| pod["spec"]["initContainers"][position]["image"] = json!("evil"));
        assert!(denied(&response, 403).contains("not changed while it runs"), "{response}");
    }
    let response = changed(&|pod| drop(pod["spec"]["initContainers"].as_array_mut().unwrap().remove(1)));
    assert!(denied(&response, 403).contains("initContainers"), "{response}");
}

// K26
#[test]
fn our_own_objects_are_read_by_their_reader_before_they_are_stored() {
    let policy = |spec: Value| {
        let metadata = json!({ "name": "callers", "namespace": "shop" });
        json!({ "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec })
    };
    let rules = json!([{ "sources": [{ "type": "Namespace", "namespace": "web" }] }]);
    let review =
        |spec| respond(Question::Policies, &ours("authorizationpolicies", &policy(spec)), &facts(&[]));
    let response = review(json!({ "action": "ALLOW", "rulez": rules }));
    assert!(denied(&response, 422).contains("rulez"), "{response}");
    assert_eq!(response["status"]["reason"], "Invalid");

    let quarantine = json!({
        "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine", "metadata": { "name": "q" },
        "spec": { "identity": "spiffe://other.example/ns/a/sa/b" },
    });
    let response = respond(Question::Policies, &ours("quarantines", &quarantine), &facts(&[]));
    assert!(denied(&response, 422).contains("other.example"), "{response}");
}

#[test]
fn an_object_that_means_nobody_now_is_stored_and_its_author_is_told() {
    let policy = |spec: Value| {
        let metadata = json!({ "name": "callers", "namespace": "shop" });
        json!({ "apiVersion": "kith.dev/v1alpha1", "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec })
    };
    let wrong = policy(json!({
        "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "app": "wbe" } } }],
        "rules": [{ "sources": [{ "type": "ServiceAccount", "serviceAccount": { "namespace": "shpo", "name": "x" } }] }],
    }));
    let review = |resource, object: &Value| respond(Question::Policies, &ours(resource, object), &enabled());
    let response = review("authorizationpolicies", &wrong);
    let warnings = json!([
        "app=wbe selects no pod of the mesh in shop now; did you mean app=web?",
        "there is no namespace shpo now; did you mean shop?",
    ]);
    assert_eq!((&response["allowed"], &response["warnings"]), (&json!(true), &warnings));

    let right = policy(json!({
        "targetRefs": [{ "kind": "Pod", "selector": { "matchLabels": { "app": "web" } } }],
        "rules": [{ "sources": [{ "type": "SPIFFE", "spiffe": "spiffe://far.example/ns/a/sa/b" }] }],
    }));
    assert_eq!(review("authorizationpolicies", &right), json!({ "allowed": true, "uid": UID }));

    // What is not its spec is no reason to say it again.
    let mut relabelled = ours("authorizationpolicies", &wrong);
    relabelled["request"]["operation"] = json!("UPDATE");
    relabelled["request"]["oldObject"] = wrong;
    let response = respond(Question::Policies, &relabelled, &enabled());
    assert_eq!(response, json!({ "allowed": true, "uid": UID }));

    let quarantine = json!({
        "apiVersion": "kith.dev/v1alpha1", "kind": "Quarantine", "metadata": { "name": "q" },
        "spec": { "node": "nowhere" },
    });
    let response = review("quarantines", &quarantine);
    assert_eq!(response["warnings"], json!(["no pod of the mesh runs on a node nowhere now"]));
}

#[test]
fn a_namespace_is_refused_for_what_is_wrong_and_told_what_surprises() {
    let ask = |review: Value| respond(Question::Namespaces, &review, &enabled());
    let response = ask(namespace(&json!({ "kith.dev/posture": "observe" }), &json!({})));
    assert!(denied(&response, 422).contains("write Observe, Encrypt or Enforce"), "{response}");

    // The one that is there already has the same mistake, and other things may change beside it.
    let (wrong, team) =
        (json!({ "kith.dev/injct": "enabled" }), json!({ "kith.dev/injct": "enabled", "team": "a" }));
    assert_eq!(ask(changed_namespace(&wrong, &team)), json!({ "allowed": true, "uid": UID }));

    let response = ask(changed_namespace(&json!({ "kith.dev/inject": "enabled" }), &json!({})));
    let warning = response["warnings"][0].as_str().unwrap();
    assert!(warning.contains("in shop 1 pod goes on with a sidecar until restarted: kubectl"), "{response}");
}

// K20
#[test]
fn what_is_no_question_is_told_so_and_never_panics() {
    let good = new_pod(&pod());
    let with = |pointer: &str, value: Value| {
        let mut review = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        review.pointer_mut(parent).unwrap()[key] = value;
        review.to_string()
    };
    let deep = format!("{}{}", r#"{"apiVersion":"#, "[".repeat(100_000));
    let deep_pod = format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500));
    for body in [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        "not json".into(),
        deep,
        deep_pod,
        with("/apiVersion", json!("admission.k8s.io/v1beta1")),
        with("/kind", json!("Pod")),
        with("/kind", json!("x".repeat(1024 * 1024))),
        with("/request", json!("x".repeat(1024 * 1024))),
        with("/request/operation", json!("x".repeat(1024 * 1024))),
        with("/kind", json!(1)),
        with("/request", Value::Null),
        with("/request/uid", json!("")),
        with("/request/uid", json!("u".repeat(129))),
        with("/request/uid", Value::Null),
        with("/request/operation", json!("UPDATE")),
        with("/request/operation", json!("DELETE")),
        with("/request/resource/resource", json!("deployments")),
        with("/request/resource/group", json!("apps")),
        with("/request/resource/version", json!("v2")),
        with("/request/subResource", json!("status")),
        with("/request/subResource", json!("ephemeralcontainers")),
        with("/request/object", Value::Null),
        with("/request/object", json!([])),
        with("/request/namespace", json!("")),
    ] {
        let shown: String = body.chars().take(120).collect();
        let error = Request::read(Question::Inject, body.as_bytes()).expect_err(&shown).to_string();
        assert!(error.len() < 400, "{error}");
    }
}

// K20
#[test]
fn an_update_without_what_was_before_is_no_question() {
    let mut review = ephemeral(&pod(), &pod());
    review["request"]["oldObject"] = Value::Null;
    let error = Request::read(Question::Pods, review.to_string().as_bytes()).unwrap_err();
    assert_eq!(error, NoRequest::Missing("oldObject"));
    let mut review = changed_namespace(&json!({}), &json!({}));
    review["request"]["oldObject"] = Value::Null;
    let error = Request::read(Question::Namespaces, review.to_string().as_bytes()).unwrap_err();
    assert_eq!(error, NoRequest::Missing("oldObject"));
}

#[test]
fn each_path_answers_its_own_objects_only() {
    let (pod, policy) = (new_pod(&pod()), ours("authorizationpolicies", &json!({})));
    let namespace = namespace(&json!({}), &json!({}));
    for (question, review, taken) in [
        (Question::Inject, &pod, true),
        (Question::Pods, &pod, true),
        (Question::Policies, &pod, false),
        (Question::Inject, &policy, false),
        (Question::Pods, &policy, false),
        (Question::Policies, &policy, true),
        (Question::Namespaces, &policy, false),
        (Question::Namespaces, &namespace, true),
        (Question::Pods, &namespace, false),
    ] {
        assert_eq!(Request::read(question, review.to_string().as_bytes()).is_ok(), taken, "{question:?}");
    }
    for path in ["", "/", "/inject/", "/Inject", "/validate", "/metrics"] {
        assert_eq!(Question::of_path(path), None, "{path}");
    }
}

#[test]
fn fields_of_a_newer_api_server_are_left_alone() {
    let mut review = new_pod(&pod());
    review["newer"] = json!({ "a": 1 });
    review["request"]["newer"] = json!([1]);
    assert_eq!(respond(Question::Inject, &review, &enabled())["allowed"], true);
}
