//! Whatever has pods in it.

use super::*;

fn workload(api: &str, kind: &str, template: &str) -> Value {
    let mut workload =
        json!({"apiVersion": api, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}});
    let pod = pod();
    put(&mut workload, &format!("{template}/spec"), pod["spec"].clone());
    workload
}

#[test]
fn every_kind_that_makes_pods_makes_members() {
    for (api, kind, template) in [
        ("v1", "Pod", ""),
        ("v1", "ReplicationController", "/spec/template"),
        ("apps/v1", "Deployment", "/spec/template"),
        ("apps/v1", "StatefulSet", "/spec/template"),
        ("apps/v1", "DaemonSet", "/spec/template"),
        ("apps/v1", "ReplicaSet", "/spec/template"),
        ("batch/v1", "Job", "/spec/template"),
        ("batch/v1", "CronJob", "/spec/jobTemplate/spec/template"),
    ] {
        let mut document = workload(api, kind, template);
        let reports = inject_document(&mut document, &settings(), nonce()).unwrap();
        let name = format!("{}/web", kind.to_lowercase());
        let told = |outcome| vec![Report { name: name.clone(), outcome, warnings: Vec::new() }];
        assert_eq!(reports, told(Outcome::Injected));
        let containers = document.pointer(&format!("{template}/spec/initContainers")).unwrap();
        assert_eq!(names(containers), ["kith-redirect", "kith-sidecar", "migrate"], "{kind}");
        let once = document.clone();
        let again = inject_document(&mut document, &settings(), another_nonce()).unwrap();
        assert_eq!((again, document), (told(Outcome::Untouched(Untouched::AlreadyInjected)), once));
    }
}

#[test]
fn a_pod_of_an_injected_workload_is_a_member_already() {
    let mut document = workload("apps/v1", "Deployment", "/spec/template");
    inject_document(&mut document, &settings(), nonce()).unwrap();
    check_pod(&document["spec"]["template"], &namespace(Membership::Required), &settings()).unwrap();
}

#[test]
fn other_kinds_pass_through_and_lists_are_opened() {
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"template": 1}});
    let foreign = json!({"apiVersion": "jobs.example/v1", "kind": "Job", "metadata": {"generateName": "x-"}});
    let mut opted_out = workload("apps/v1", "Deployment", "/spec/template");
    put(&mut opted_out, "/spec/template/metadata/labels/kith.dev~1inject", json!("disabled"));
    let mut list = json!({"apiVersion": "v1", "kind": "List", "items": [
        service, workload("batch/v1", "Job", "/spec/template"), foreign, opted_out, 7,
    ]});
    let reports = inject_document(&mut list, &settings(), nonce()).unwrap();
    let told: Vec<_> = reports.iter().map(|report| (report.name.as_str(), report.outcome)).collect();
    assert_eq!(
        told,
        [
            ("service/web", Outcome::NoWorkload),
            ("job/web", Outcome::Injected),
            ("job/x-", Outcome::NoWorkload),
            ("deployment/web", Outcome::Untouched(Untouched::OptedOut)),
            ("object/(without a name)", Outcome::NoWorkload),
        ]
    );
    assert_eq!((&list["items"][0], &list["items"][2], &list["items"][3]), (&service, &foreign, &opted_out));
}

#[test]
fn a_refusal_names_the_object_and_the_field_in_it() {
    let mut document = workload("batch/v1", "CronJob", "/spec/jobTemplate/spec/template");
    put(&mut document, "/spec/jobTemplate/spec/template/spec/hostNetwork", json!(true));
    let before = document.clone();
    let refusal = inject_document(&mut document, &settings(), nonce()).unwrap_err().to_string();
    assert!(
        refusal.starts_with("cronjob/web: spec.jobTemplate.spec.template.spec.hostNetwork is true: "),
        "{refusal}"
    );
    assert_eq!(document, before);
    let mut empty = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let refusal = inject_document(&mut empty, &settings(), nonce()).unwrap_err().to_string();
    assert!(refusal.contains("deployment/web") && refusal.contains("a template"), "{refusal}");
}

#[test]
fn what_the_mesh_does_not_carry_is_told() {
    // K12
    let mut document = workload("apps/v1", "Deployment", "/spec/template");
    put(
        &mut document,
        "/spec/template/spec/containers/0/ports/0",
        json!({"containerPort": 53, "protocol": "UDP"}),
    );
    put(
        &mut document,
        "/spec/template/metadata/annotations",
        json!({"config.kith.dev/skip-inbound-ports": "25"}),
    );
    let warnings = inject_document(&mut document, &settings(), nonce()).unwrap().remove(0).warnings;
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings[0].starts_with("port 53 is UDP") && warnings[1].contains("where the namespace permits it")
    );
}
