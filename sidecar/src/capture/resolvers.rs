//! Who answers the pod's questions for names, as the platform wrote it for every container of the pod. Owns the reading of
//! that file; what a call to one of them may do is decided elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;

/// The same in all containers of a pod: `dnsPolicy` and `dnsConfig` are the pod's.
const FILE: &str = "/etc/resolv.conf";
/// Kubernetes writes no more, and no library asks more.
const MOST: usize = 3;
/// Far more than Kubernetes lets anybody write.
const MOST_BYTES: u64 = 64 * 1024;

/// Those of this pod; none where that cannot be read, and then calls to them are calls like any other.
pub(crate) fn resolvers() -> Vec<IpAddr> {
    match read() {
        Ok(text) => listed(&text),
        Err(error) => {
            tracing::warn!(%error, file = FILE, "The pod's resolvers are not known");
            Vec::new()
        }
    }
}

fn read() -> io::Result<String> {
    let mut text = String::new();
    File::open(FILE)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// As resolv.conf(5) has it: what is no address is passed over, as libraries do.
fn listed(text: &str) -> Vec<IpAddr> {
    let words = text.lines().map(str::split_whitespace);
    let named = words.filter_map(|mut words| (words.next()? == "nameserver").then(|| words.next())?);
    named.filter_map(|ip| ip.parse().ok()).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_that_are_addresses_are_the_resolvers() {
        let ips = |all: &[&str]| all.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        for (text, expected) in [
            ("search shop.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n", ips(&["10.96.0.10"])),
            (" nameserver\tfd00::a # the other\nnameserver 10.0.0.2", ips(&["fd00::a", "10.0.0.2"])),
            ("#nameserver 10.0.0.1\n; nameserver 10.0.0.2\nnameservers 10.0.0.3\nnameserver\n", ips(&[])),
            ("nameserver dns.example\nnameserver fe80::1%eth0\nnameserver 10.0.0.1:53\n", ips(&[])),
            (
                "nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
                ips(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]),
            ),
            ("", ips(&[])),
        ] {
            assert_eq!(listed(text), expected, "{text:?}");
        }
    }
}
