//! Texts in, texts out.

use std::net::SocketAddr;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::args::{Cli, Command};

const CONFIG: &str = "trustDomain: prod.example\ncontrolPlaneAddress: kith-control-plane.kith.svc:7450\n\
                      injector:\n  sidecarImage: registry.example/kith-sidecar:1.0\n";
const DEPLOYMENT: &str = "# what the shop shows
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      volumes:
      - {name: data, configMap: {name: c, defaultMode: 0644}}
      containers:
      - name: web
        image: web
        command: [\"sh\", \"-c\", \"yes\"]
        ports: [{containerPort: 53, protocol: UDP}]
        readinessProbe: {httpGet: {port: 8080, path: /ready}}
";

fn inject(text: &str) -> anyhow::Result<(String, Vec<String>)> {
    let configuration = read("config.yaml", CONFIG).unwrap().documents.remove(0).0;
    let settings = Settings::of_configuration(&configuration, "1.0").unwrap();
    let (text, reports) = transform(Path::new("shop.yaml"), text, &settings)?;
    Ok((text, reports.iter().flat_map(told).collect()))
}

fn values(text: &str) -> Vec<Value> {
    read("result", text).unwrap().documents.into_iter().map(|(value, _)| value).collect()
}

#[test]
fn documents_come_out_in_their_order_and_what_was_done_is_told() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n";
    let (text, told) = inject(&format!("---\n{DEPLOYMENT}---\n---\n{service}")).unwrap();
    assert_eq!(
        told,
        [
            "deployment/web injected",
            "deployment/web warning: port 53 is UDP, which passes the mesh by: no identity, no policy",
            "service/web skipped: not a workload",
        ]
    );
    let [deployment, other] = &values(&text)[..] else { panic!("{text}") };
    assert_eq!(vec![other.clone()], values(service));
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][1]["name"], "kith-sidecar");
    assert_eq!(pod["volumes"][0]["configMap"]["defaultMode"], 0o644, "octal, as kubectl reads it");
    assert_eq!(pod["containers"][0]["command"][2], "yes");
    assert!(text.contains("- \"yes\""), "and as it reads it again: {text}");
    let (again, told) = inject(&text).unwrap();
    assert_eq!((again, told[0].as_str()), (text, "deployment/web skipped: it is injected already"));
}

#[test]
fn every_run_and_every_document_has_hooks_that_nobody_can_guess() {
    // A1
    let hooked =
        format!("{DEPLOYMENT}        lifecycle: {{preStop: {{httpGet: {{port: 8080, path: /stop}}}}}}\n");
    let text = format!("{hooked}---\n{hooked}");
    let paths = |text: &str| -> Vec<String> {
        let path = "/spec/template/spec/containers/0/lifecycle/preStop/httpGet/path";
        values(text).iter().map(|value| value.pointer(path).unwrap().as_str().unwrap().to_owned()).collect()
    };
    let (first, _) = inject(&text).unwrap();
    let (second, _) = inject(&text).unwrap();
    let mut all = [paths(&first), paths(&second)].concat();
    let whole = "/probe/web/pre-stop/".len() + 32;
    assert!(
        all.iter().all(|path| path.starts_with("/probe/web/pre-stop/") && path.len() == whole),
        "{all:?}"
    );
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 4, "{all:?}");
    assert_eq!(inject(&first).unwrap().0, first, "what is injected already keeps what it has");
}

#[test]
fn json_stays_json() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": values(DEPLOYMENT)});
    let (text, told) = inject(&format!("\n{list}")).unwrap();
    assert_eq!(told[0], "deployment/web injected");
    let out: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(out["items"][0]["spec"]["template"]["spec"]["initContainers"][0]["name"], "kith-redirect");
}

#[test]
fn anchors_mean_what_they_mean() {
    let text = "apiVersion: v1\nkind: ConfigMap\ndata: {a: &x {k: v}, b: {<<: *x, l: m}}\n";
    assert_eq!(values(&inject(text).unwrap().0)[0]["data"]["b"], json!({"k": "v", "l": "m"}));
}

#[test]
fn bad_input_is_refused_at_its_place() {
    for (text, begins) in [
        ("a: 1\nb: [", "shop.yaml:"),
        ("a: 1\na: 2\n", "shop.yaml:2:1: "),
        ("{\"a\": ]", "shop.yaml:1:"),
        ("", "there is no object in shop.yaml"),
        ("---\n# nothing\n---\n", "there is no object in shop.yaml"),
        (
            &format!("x: 1\n---\n{DEPLOYMENT}      hostNetwork: true\n"),
            "shop.yaml:4:1: deployment/web: spec.template.spec.hostNetwork is true: ",
        ),
    ] {
        let error = inject(text).unwrap_err();
        assert!(error.to_string().starts_with(begins), "{text:?}: {error}");
        assert_eq!(Exit::of(&error), Exit::BadInput);
    }
    let deep = "[".repeat(100_000);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    for text in [&deep, bomb] {
        inject(text).unwrap_err();
    }
}

#[test]
fn a_configuration_that_does_not_say_how_is_refused_with_its_file() {
    for (text, named) in [
        ("trustDomain: prod.example\n", "injector is missing"),
        ("", "no object"),
        ("a: [", "config.yaml:1:"),
    ] {
        let error = settings_of("config.yaml", text).unwrap_err();
        assert!(error.to_string().starts_with("config.yaml") || error.to_string().ends_with("config.yaml"));
        assert!(error.to_string().contains(named), "{error}");
        assert_eq!(Exit::of(&error.into()), Exit::BadInput);
    }
    settings_of("config.yaml", CONFIG).unwrap();
    assert!(matches!(content(Path::new("/nonexistent/config.yaml")), Err(InjectError::Read { .. })));
}

/// `kith inject` without `--config`, where a kubeconfig names this API server, or there is none.
async fn settings_from(server: Option<SocketAddr>) -> Result<Settings, InjectError> {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    if let Some(server) = server {
        let kubeconfig = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: x\nusers: [{{ name: me, user: {{}} }}]\n\
             clusters: [{{ name: here, cluster: {{ server: 'http://{server}' }} }}]\n\
             contexts: [{{ name: x, context: {{ cluster: here, user: me }} }}]\n"
        );
        fs::create_dir(folder.path().join(".kube")).unwrap();
        fs::write(folder.path().join(".kube/config"), kubeconfig).unwrap();
    }
    let line = ["kith", "inject", "-f", "shop.yaml", "--home", home, "--kubeconfigs", ""];
    let Command::Inject(args) = Cli::try_parse_from(line).unwrap().command else { panic!("another verb") };
    settings_in(&args.cluster).await
}

// What a cluster answers is tested in one: tests/tests/cluster/inject.rs.
#[tokio::test]
async fn who_has_neither_a_file_nor_a_cluster_is_told_of_both_ways() {
    let nobody: SocketAddr = "127.0.0.1:1".parse().unwrap();
    for (server, way) in [(None, "--kubeconfig"), (Some(nobody), "the kubeconfig")] {
        let error = settings_from(server).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("--config FILE") && told.contains(way), "{told}");
        assert_eq!(Exit::of(&error.into()), Exit::Unreachable, "{told}");
    }
}

#[test]
fn a_file_and_a_cluster_are_two_answers_to_one_question() {
    let line = ["kith", "inject", "-f", "shop.yaml", "--config", "config.yaml", "-n", "kith"];
    assert!(Cli::try_parse_from(line).is_err());
    Cli::try_parse_from(&line[..6]).unwrap();
}
