//! Callers without a sidecar: refused, and in Observe let in and written down; and what of the control plane they reach.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, Called, Namespace, apply_refused, eventually, kubectl};
use serde_json::Value;

use crate::in_mesh;

/// The line of a call in the log of its destination.
fn line_of(orders: &App<'_>, path: &str) -> anyhow::Result<Value> {
    eventually(Duration::from_secs(15), || {
        let lines = orders.identity_log()?;
        let mut found = lines.into_iter().filter(|line| line["url.path"] == path);
        found.next().with_context(|| format!("no line for {path}"))
    })
}

/// Observe, for longer than any test.
fn observe(namespace: &Namespace) -> anyhow::Result<()> {
    let end = "config.kith.dev/observe-until=2099-01-31T00:00:00Z";
    namespace.kubectl(&["annotate", "namespace", &namespace.name, end])?;
    posture(namespace, "Observe")
}

fn posture(namespace: &Namespace, posture: &str) -> anyhow::Result<()> {
    let label = format!("kith.dev/posture={posture}");
    namespace.kubectl(&["label", "namespace", &namespace.name, &label, "--overwrite"]).map(drop)
}

fn is_refused(called: &Called) -> bool {
    called.status == 403 || (called.status == 0 && !called.error.is_empty())
}

#[test]
fn a_pod_outside_the_mesh_is_refused() -> anyhow::Result<()> {
    in_mesh("inside", |_, namespace| {
        let elsewhere = Namespace::new("plain", &[], &[])?;
        let (orders, plain) = (App::start(namespace, "orders", &[])?, App::start(&elsewhere, "plain", &[])?);
        let (orders, plain) = (orders.ready()?, plain.ready()?);
        // Not even a rule that names it lets it in.
        orders.allow(&["web", "plain"])?;
        for path in ["/one", "/two"] {
            let called = plain.call(&orders.url(path))?;
            ensure!(is_refused(&called), "{called:?}");
        }
        let pod = orders.pod(".status.podIPs[1].ip")?;
        let called = plain.call(&format!("http://[{pod}]:8080/direct"))?;
        ensure!(is_refused(&called), "{called:?}");
        eventually(Duration::from_secs(15), || {
            let lines = orders.identity_log()?;
            let refused = |line: &&Value| line["kith.denial.reason"] == "plaintext";
            ensure!(lines.iter().filter(refused).count() >= 3, "not three refusals in the log");
            Ok(())
        })
    })
}

#[test]
fn observe_writes_down_who_would_be_refused_and_enforce_refuses() -> anyhow::Result<()> {
    in_mesh("observe", |_, namespace| {
        observe(namespace)?;
        let elsewhere = Namespace::new("plain", &[], &[])?;
        let [orders, web] = ["orders", "web"].map(|name| App::start(namespace, name, &[]));
        let plain = App::start(&elsewhere, "plain", &[])?;
        let (orders, web, plain) = (orders?.ready()?, web?.ready()?, plain.ready()?);

        plain.call_until(&orders.url("/plain"), 200)?;
        let line = line_of(&orders, "/plain")?;
        ensure!(line["kith.posture"] == "Observe" && line["kith.would_deny.id"].is_string(), "{line:#}");
        ensure!(line["kith.source.identity"].is_null(), "{line:#}");
        web.call_until(&orders.url("/meshed"), 200)?;
        let line = line_of(&orders, "/meshed")?;
        ensure!(line["kith.would_deny.reason"] == "default_deny", "{line:#}");

        posture(namespace, "Enforce")?;
        web.call_until(&orders.url("/later"), 403)?;
        let refused = plain.call(&orders.url("/later"))?;
        ensure!(is_refused(&refused), "{refused:?}");
        Ok(())
    })
}

/// A Service for the port on which the application speaks TLS of its own.
const OWN_TLS: &str = "apiVersion: v1\nkind: Service\nmetadata: { name: orders-tls, namespace: NAMESPACE }\nspec:\n  \
                       selector: { app: orders }\n  ports: [{ name: https, port: 443, targetPort: 8443 }]\n";

#[test]
fn an_application_with_tls_of_its_own_keeps_its_callers_while_it_observes() -> anyhow::Result<()> {
    in_mesh("tls", |_, namespace| {
        observe(namespace)?;
        namespace.apply(OWN_TLS)?;
        let elsewhere = Namespace::new("plain", &[], &[])?;
        let orders = App::start(namespace, "orders", &["--tls-probe"])?;
        let (web, plain) = (App::start(namespace, "web", &[])?, App::start(&elsewhere, "plain", &[])?);
        let (orders, web, plain) = (orders.ready()?, web.ready()?, plain.ready()?);
        let url = format!("https://orders-tls.{}/own", namespace.name);
        // Its certificate is for this name, as only a caller can complain of who has seen it, and not the sidecar's.
        let is_reached = |called: &Called| called.error.contains("valid for kith-test-app");
        for caller in [&plain, &web] {
            eventually(Duration::from_secs(15), || {
                let called = caller.call(&url)?;
                ensure!(is_reached(&called), "{called:?}");
                Ok(())
            })?;
        }
        eventually(Duration::from_secs(15), || {
            let lines = orders.identity_log()?;
            let line = |protocol: &str| {
                lines.iter().rfind(|line| line["network.protocol.version"] == protocol).context("no line yet")
            };
            let (outside, member) = (line("tls")?, line("tcp")?);
            ensure!(outside["kith.source.identity"].is_null(), "{outside:#}");
            ensure!(outside["kith.would_deny.reason"] == "no_identity", "{outside:#}");
            let source = member["kith.source.identity"].as_str().unwrap_or_default();
            ensure!(source.ends_with("/sa/web"), "{member:#}");
            Ok(())
        })?;
        for stricter in ["Encrypt", "Enforce"] {
            posture(namespace, stricter)?;
            eventually(Duration::from_secs(15), || {
                let called = plain.call(&url)?;
                ensure!(!is_reached(&called) && called.status == 0, "{stricter}: {called:?}");
                Ok(())
            })?;
        }
        Ok(())
    })
}

#[test]
fn a_pod_that_brings_a_sidecar_of_its_own_is_created_nowhere() -> anyhow::Result<()> {
    const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: own\n  namespace: NAMESPACE\n  annotations: { \
                       config.kith.dev/injected: '1' }\nspec:\n  initContainers: [{ name: kith-sidecar, image: \
                       kith.test/app:1, restartPolicy: Always }]\n  containers: [{ name: app, image: kith.test/app:1 }]\n";
    in_mesh("own", |mesh, namespace| {
        let elsewhere = Namespace::new("plain", &[], &[])?;
        for unasked in [elsewhere.name.as_str(), mesh.namespace, "kube-system"] {
            let said = apply_refused(&POD.replace("NAMESPACE", unasked))?;
            ensure!(said.contains("which only the injector adds"), "{unasked}: {said}");
        }
        // There the injector is asked, and makes of it what it makes of any pod.
        namespace.apply(POD)?;
        let image = "-o=jsonpath={.spec.initContainers[?(@.name==\"kith-sidecar\")].image}";
        let image = namespace.kubectl(&["get", "pod", "own", image])?;
        ensure!(image.contains("kith-sidecar"), "{image}");
        Ok(())
    })
}

#[test]
fn the_api_of_the_control_plane_is_reached_by_nobody_else() -> anyhow::Result<()> {
    in_mesh("api", |mesh, _| {
        let path = "-o=jsonpath={.items[0].status.podIPs[*].ip}";
        let addresses = kubectl(&["--namespace", mesh.namespace, "get", "pods", path])?;
        let elsewhere = Namespace::new("plain", &[], &[])?;
        let plain = App::start(&elsewhere, "plain", &[])?.ready()?;
        for address in addresses.split_whitespace() {
            let address: IpAddr = address.parse()?;
            // From the node, and so past every redirect.
            let tried = TcpStream::connect_timeout(&SocketAddr::new(address, 7452), Duration::from_secs(3));
            ensure!(
                tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused),
                "{address} answers"
            );
            let called = plain.call(&format!("http://{}/", SocketAddr::new(address, 7452)))?;
            ensure!(called.error.contains("connection refused"), "{called:?}");
        }
        Ok(())
    })
}
