//! What a file may say, and every way in which it is refused: with the place, the line and what to do.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::local::services::{App, Process, Protocol};

const SMALL: &str = "trustDomain: demo.local\nservices: { web: { run: [web] } }\npolicies: .\n";

fn refused(text: &str) -> String {
    MeshFile::parse("kith.yaml", text).expect_err(text).to_string()
}

/// A file with these fields in its only service.
fn service(fields: &str) -> String {
    format!("trustDomain: demo.local\npolicies: .\nservices:\n  web:\n    run: [web]\n{fields}")
}

fn parse(text: &str) -> MeshFile {
    MeshFile::parse("kith.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

fn process(service: &crate::local::services::ServiceSpec) -> &Process {
    match &service.app {
        App::Process(process) => process,
        App::External { .. } => panic!("not a process"),
    }
}

/// A folder with one program, and the mesh of a file in it.
fn on_ground(text: &str) -> Result<MeshSpec, DocumentError> {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("web"), "").unwrap();
    fs::set_permissions(bin.join("web"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(bin.join("notes"), "").unwrap();
    let search = format!("relative:{}", bin.display());
    let inherited =
        BTreeMap::from([("PATH".to_owned(), search.clone()), ("USER".to_owned(), "me".to_owned())]);
    let ground =
        Ground { folder: folder.path(), search: &search, kith: Path::new("/proc/self/exe"), inherited };
    MeshFile::parse("kith.yaml", text)?.on(&ground, "shop")
}

#[test]
fn a_small_file_has_the_documented_defaults() {
    let spec = on_ground(SMALL).unwrap();
    assert_eq!((spec.name.as_str(), spec.svid_seconds, spec.services.len()), ("shop", 60, 1));
    let web = &spec.services[0];
    assert_eq!(
        web.identity(&spec.trust_domain).unwrap().to_string(),
        "spiffe://demo.local/ns/default/sa/web"
    );
    assert_eq!(web.labels, BTreeMap::from([("app".to_owned(), "web".to_owned())]));
    assert_eq!((web.port, web.protocol, process(web).listens), (0, Protocol::Detect, false));
    assert!(process(web).argv[0].ends_with("/bin/web"));
    assert!(web.workload_api);
    assert!(parse(SMALL).fronts().is_empty());
}

#[test]
fn every_field_has_its_effect() {
    let text = "name: shop\ntrustDomain: shop.example\nnamespace: front\ncertificates: { ttl: 5m }\nkeyExchange: RequirePq\npolicies: ./bin\n\
                services:\n  web:\n    run: [./web, --verbose, \"\"]\n    cwd: bin\n    port: 3000\n    expose: 8080\n    \
                calls: [db]\n    protocol: http\n    env: { LOG: debug, USER: other }\n    labels: { tier: front, app: shop }\n    \
                namespace: edge\n    serviceAccount: keeper\n    workloadApi: false\n  db: { run: [web], port: 5432, protocol: tcp }\n";
    let spec = on_ground(text).unwrap();
    assert_eq!((spec.svid_seconds, spec.key_exchange), (300, KeyExchange::RequirePq));
    let (web, db) = (&spec.services[0], &spec.services[1]);
    assert_eq!(
        web.identity(&spec.trust_domain).unwrap().to_string(),
        "spiffe://shop.example/ns/edge/sa/keeper"
    );
    assert_eq!(db.namespace, "front");
    assert_eq!(
        (web.port, web.protocol, web.calls.as_slice()),
        (8080, Protocol::Http, &["db".to_owned()][..])
    );
    assert_eq!((web.workload_api, db.workload_api), (false, true));
    assert_eq!((db.port, db.protocol), (5432, Protocol::Tcp));
    assert_eq!(web.labels.get("tier").map(String::as_str), Some("front"));
    assert_eq!(web.labels.get("app").map(String::as_str), Some("shop"));
    let Process { argv, env, cwd, listens } = process(web);
    assert!(cwd.as_ref().unwrap().ends_with("bin") && *listens);
    assert!(argv[0].ends_with("/bin/web"), "found from the folder it runs in: {argv:?}");
    assert_eq!(argv[1..], ["--verbose".to_owned(), String::new()]);
    assert_eq!(env["LOG"], "debug");
    assert_eq!(env["USER"], "other", "the file's own value is stronger than an inherited one");
    assert!(env.contains_key("PATH"));
    let file = parse(text);
    assert_eq!(file.name.as_deref(), Some("shop"));
    assert_eq!(file.fronts(), BTreeMap::from([("web".to_owned(), 8080)]), "nobody opens TCP in a browser");
}

#[test]
fn a_refusal_shows_the_place_and_the_line() {
    assert_eq!(
        refused("trustDomain: demo.local\nservices:\n  web: { run: [web], prot: 80 }\npolicies: .\n"),
        "kith.yaml:3:22: unknown field \"prot\"; did you mean \"port\"?\n \
         3 |   web: { run: [web], prot: 80 }\n   |                      ^"
    );
}

#[test]
fn what_is_wrong_with_the_file_is_refused_where_it_stands() {
    for (text, place, said) in [
        ("", "1:1", "the file is empty; kith dev init FOLDER writes one to begin with"),
        ("# nothing yet\n", "1:1", "the file is empty"),
        (
            "trustDomain: demo.local\npolicies: .\nservices:\n  a: { run: [x] }\n  b:\n    run: [x]\n    serviceAccount: a\n",
            "7:21",
            "spiffe://demo.local/ns/default/sa/a is the identity of a already",
        ),
        ("trustDomain: demo.local\nservices: {}\npolicies: .\n", "2:11", "at least one service"),
        ("services: { web: { run: [web] } }\npolicies: .\n", "1:1", "trustDomain is missing"),
        ("trustDomain: demo.local\npolicies: .\n", "1:1", "services is missing"),
        ("trustDomain: demo.local\nservices: { web: { run: [web] } }\n", "1:1", "policies is missing"),
        ("trustDomain: demo.local\nservices:\npolicies: .\n", "2:9", "services has no value"),
        ("trustDomain: Demo_Local!\nservices: { web: { run: [web] } }\npolicies: .\n", "1:14", "Demo_Local!"),
        (&format!("{SMALL}name: My Shop\n"), "4:7", "the mesh name \"My Shop\" is not 1 to 40"),
        (&format!("{SMALL}certificates: {{ ttl: 19s }}\n"), "4:22", "\"19s\" is no lifetime"),
        (&format!("{SMALL}certificates: {{ ttl: 60 }}\n"), "4:22", "such as 60s"),
        (&format!("{SMALL}keyExchange: require-pq\n"), "4:14", "write PreferPq or RequirePq"),
        (&format!("{SMALL}certificates: {{}}\n"), "4:15", "certificates.ttl is missing"),
        (&format!("{SMALL}service: {{}}\n"), "4:1", "did you mean \"services\"?"),
        (&format!("{SMALL}policies: ..\n"), "4:1", "\"policies\" is written twice"),
        (&format!("{SMALL}---\n{SMALL}"), "5:1", "a file describes one mesh"),
        (
            "trustDomain: demo.local\nservices: { web: &a { run: [web] }, b: *a }\npolicies: .\n",
            "2",
            "anchors",
        ),
        ("trustDomain: [demo.local\n", "", "kith.yaml:"),
    ] {
        let error = refused(text);
        assert!(
            error.starts_with(&format!("kith.yaml:{place}")) && error.contains(said),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_service_is_refused_where_it_stands() {
    for (fields, place, said) in [
        ("    port: 70000\n", "6:11", "wanted a port number"),
        ("    port: \n", "6:9", "port has no value"),
        ("    port: 80\n  b: { run: [b], port: 80 }\n", "7:24", "port 80 is taken already, in line 6"),
        ("    expose: 80\n  b: { run: [b], port: 80 }\n", "7:24", "port 80 is taken already, in line 6"),
        ("    calls: [payments]\n", "6:13", "\"payments\" is not a service of this file; there are: web"),
        ("    calls: [web, web]\n", "6:18", "called twice"),
        ("    protocol: udp\n", "6:15", "unknown protocol \"udp\"; write http or tcp"),
        ("    env: { PORT: \"1\" }\n", "6:12", "PORT is set by kith"),
        ("    env: { KITH_SERVICE: x }\n", "6:12", "KITH_SERVICE is set by kith"),
        ("    env: { SPIFFE_ENDPOINT_SOCKET: x }\n", "6:12", "SPIFFE_ENDPOINT_SOCKET is set by kith"),
        ("    workloadApi: sometimes\n", "6:18", "bool"),
        ("    calls: [web]\n    env: { WEB_URL: x }\n", "7:12", "WEB_URL is set by kith"),
        ("    calls: [web]\n    env: { WEB_ADDRESS: x }\n", "7:12", "WEB_ADDRESS is set by kith"),
        ("    env: { 1A: x }\n", "6:12", "\"1A\" names no variable"),
        ("    env: { \"A=B\": x }\n", "6:12", "names no variable"),
        ("    env: { A: }\n", "6:", "env.A has no value"),
        ("    env: { A: \"\\0\" }\n", "6:15", "a zero byte"),
        ("    labels: { \"\": x }\n", "6:15", "a key of labels is empty"),
        ("    namespace: a/b\n", "6:16", "cannot have an identity"),
        ("    serviceAccount: ../a\n", "6:21", "cannot have an identity"),
        ("    cwd:\n", "6:8", "cwd has no value"),
        ("  b: { port: 1 }\n", "6:3", "services.b.run is missing"),
        ("  b: { run: [] }\n", "6:13", "the command is empty"),
        ("  b: { run: [\"\"] }\n", "6:13", "the command is empty"),
        ("  b: { run: b }\n", "6:13", "wanted a list here"),
        ("  b: { run: [\"a\\0\"] }\n", "6:14", "a zero byte"),
        ("  b:\n", "6:", "services.b has no value"),
        ("  B: { run: [b] }\n", "6:3", "the service name \"B\" is not 1 to 40"),
        ("  ../b: { run: [b] }\n", "6:3", "the service name \"../b\" is not 1 to 40"),
        ("  web: { run: [b] }\n", "6:3", "\"web\" is written twice"),
    ] {
        let error = refused(&service(fields));
        let found = error.starts_with(&format!("kith.yaml:{place}")) && error.contains(said);
        assert!(found, "{fields:?} should be refused at {place} ({said}): {error}");
    }
}

#[test]
fn any_port_may_be_asked_for_by_many() {
    let file = parse(&service("    port: 0\n  b: { run: [b], port: 0 }\n"));
    assert!(file.fronts().is_empty(), "nobody knows it before");
}

#[test]
fn what_is_not_on_this_machine_is_refused_before_anything_starts() {
    let in_bin = |run: &str, rest: &str| {
        format!("trustDomain: demo.local\npolicies: .\nservices:\n  web: {{ run: {run}{rest} }}\n")
    };
    for (text, place, said) in [
        (in_bin("[nothing]", ""), "4:16", "cannot run \"nothing\": no such command in PATH"),
        (in_bin("[notes]", ""), "4:16", "no such command in PATH"),
        (in_bin("[./nothing]", ""), "4:16", "No such file"),
        (in_bin("[./bin/notes]", ""), "4:16", "not executable; chmod +x"),
        (in_bin("[./bin]", ""), "4:16", "it is not a file"),
        (in_bin("[web]", ", cwd: nowhere"), "4:27", "cwd: the folder"),
        (in_bin("[web]", ", cwd: bin/web"), "4:27", "is not a folder"),
        (in_bin("[web]", "").replace("policies: .", "policies: rules"), "2:11", "policies: the folder"),
    ] {
        let error = on_ground(&text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("kith.yaml:{place}: ")) && error.contains(said), "{error}");
    }
    let spec = on_ground(&in_bin("[kith, demo-service, web]", "")).unwrap();
    assert_eq!(process(&spec.services[0]).argv[0], "/proc/self/exe", "kith is the one that runs");
}

#[test]
fn a_file_that_is_not_there_says_how_to_get_one() {
    let error = MeshFile::read(Path::new("/nonexistent/kith.yaml")).unwrap_err();
    assert_eq!(error.to_string(), "there is no /nonexistent/kith.yaml; write one with: kith dev init");
    let error = MeshFile::read(Path::new("/")).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /");
}
