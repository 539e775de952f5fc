//! Destinations outside the mesh: an address of nobody's, and the one where clouds hand out credentials.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::ensure;
use kith_tests::cluster::{App, eventually};

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
            Ok(())
        })
    })
}
