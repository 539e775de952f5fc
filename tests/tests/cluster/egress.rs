//! Destinations outside the mesh: an address of nobody's, the one where clouds hand out credentials, and who answers for names.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use kith_tests::cluster::{App, eventually};
use serde_json::Value;

use crate::in_mesh;

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Answers every connection on an address that the node gets for it. It ends with the tests.
fn server(address: Ipv4Addr) -> anyhow::Result<SocketAddr> {
    let added =
        Command::new("ip").args(["address", "replace", &format!("{address}/32"), "dev", "lo"]).status()?;
    ensure!(added.success(), "{address} cannot be added");
    let listener = TcpListener::bind((address, 0))?;
    let bound = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            // A caller that has gone wants no answer.
            let _answered = stream.read(&mut request).and_then(|_| {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\nconnection: close\r\n\r\noutside")
            });
        }
    });
    Ok(bound)
}

#[test]
fn what_lies_outside_the_mesh_follows_the_namespaces_egress_and_metadata_is_never_reached()
-> anyhow::Result<()> {
    in_mesh("egress", |_, namespace| {
        let (outside, metadata) = (server(OUTSIDE)?, server(METADATA)?);
        let address = outside.to_string();
        let (outside, metadata) = (format!("http://{outside}/out"), format!("http://{metadata}/latest"));
        let web = App::start(namespace, "web", &[])?.ready()?;
        let egress = |value: &str| {
            let label = format!("kith.dev/egress={value}");
            namespace.kubectl(&["label", "namespace", &namespace.name, &label, "--overwrite"])
        };
        ensure!(web.call(&outside)?.status != 200, "unset is Deny");
        for (value, is_open) in [("Allow", true), ("Deny", false), ("Observe", true)] {
            egress(value)?;
            eventually(Duration::from_secs(15), || {
                let called = web.call(&outside)?;
                ensure!((called.status == 200) == is_open, "{value}: {called:?}");
                Ok(())
            })?;
            let called = web.call(&metadata)?;
            ensure!(called.status != 200, "{value}: {called:?}");
        }
        eventually(Duration::from_secs(10), || {
            let lines = web.identity_log()?;
            let mut to_outside = lines.iter().filter(|line| line["server.address"] == address);
            let is_observed = to_outside.any(|line| line["kith.would_deny.reason"] == "egress_denied");
            ensure!(is_observed, "what Deny would refuse is not written down in Observe");
            let barred = lines.iter().filter(|line| line["kith.denial.reason"] == "metadata_address").count();
            ensure!(barred == 3, "{barred} refusals of the metadata address, where 3 were asked for");
            Ok(())
        })
    })
}

/// Asks the pod's resolver over TCP where `kubernetes.default.svc.cluster.local` is, and counts the bytes of the answer.
const ASK: &str = r"printf '\000\066\022\064\001\000\000\001\000\000\000\000\000\000\012kubernetes\007default\003svc\007cluster\005local\000\000\001\000\001' \
| nc -w 5 $(/bin/busybox awk '/^nameserver/ { print $2; exit }' /etc/resolv.conf) 53 | /bin/busybox wc -c";
/// What the question itself has, which every answer repeats.
const QUESTION: u64 = 56;

#[test]
fn names_are_answered_over_tcp_where_nothing_else_may_leave_the_mesh() -> anyhow::Result<()> {
    // K13
    in_mesh("names", |_, namespace| {
        namespace.kubectl(&["label", "namespace", &namespace.name, "kith.dev/egress=Deny"])?;
        let web = App::start(namespace, "web", &[])?.ready()?;
        eventually(Duration::from_secs(15), || {
            let answered: u64 = web.exec(&["sh", "-c", ASK])?.trim().parse()?;
            ensure!(answered > QUESTION, "{answered} bytes are no answer");
            Ok(())
        })?;
        eventually(Duration::from_secs(10), || {
            let lines = web.identity_log()?;
            let answered = |line: &&Value| line["kith.response.bytes"].as_u64() > Some(QUESTION);
            let line = lines.iter().find(answered).context("no line of the answer")?;
            ensure!(line["kith.verdict"] == "allow" && line["kith.would_deny.id"].is_null(), "{line:#}");
            Ok(())
        })
    })
}
