//! Callers without a sidecar: refused, and in Observe let in and written down; and what of the control plane they reach.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, Called, Namespace, eventually, kubectl};
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

fn is_refused(called: &Called) -> bool {
    called.status == 403 || (called.status == 0 && !called.error.is_empty())
}

#[test]
fn a_pod_outside_the_mesh_is_refused() -> anyhow::Result<()> {
    in_mesh("inside", |_, namespace| {
        let elsewhere = Namespace::new("plain", &[], &[])?;
        let (orders, plain) = (App::start(namespace, "orders", &[])?, App::start(&elsewhere, "plain", &[])?);
        let (orders, plain) = (orders.ready()?, plain.ready()?);
        // Not even a rule for everybody in the mesh lets it in.
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
        namespace.kubectl(&[
            "annotate",
            "namespace",
            &namespace.name,
            "config.kith.dev/observe-until=2099-01-31T00:00:00Z",
        ])?;
        namespace.kubectl(&["label", "namespace", &namespace.name, "kith.dev/posture=Observe"])?;
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

        namespace.kubectl(&[
            "label",
            "namespace",
            &namespace.name,
            "kith.dev/posture=Enforce",
            "--overwrite",
        ])?;
        web.call_until(&orders.url("/later"), 403)?;
        let refused = plain.call(&orders.url("/later"))?;
        ensure!(is_refused(&refused), "{refused:?}");
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
