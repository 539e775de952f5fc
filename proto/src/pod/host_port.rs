//! Where the control plane is, as the injector writes it into a pod and the sidecar reads it. Owns what may stand there:
//! what the injector lets through, every sidecar can start with.

use std::net::SocketAddr;

use kith_identity::is_name;

/// A name or an address, and a port; looked up anew for each connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// Why a text is not where something is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not HOST:PORT, such as kith-control-plane.kith.svc:7450")]
pub struct NoHostPort(String);

impl HostPort {
    /// `kith-control-plane.kith.svc:7450`, `10.96.0.1:7450`, `[fd00::1]:7450`. Nothing in it means anything to whoever
    /// expands variables.
    pub fn parse(text: &str) -> Result<Self, NoHostPort> {
        let found = match text.parse::<SocketAddr>() {
            Ok(address) => Some((address.ip().to_string(), address.port())),
            Err(_) => named(text),
        };
        match found {
            Some((host, port)) if port != 0 => Ok(Self { host, port }),
            _ => Err(NoHostPort(text.chars().take(300).collect())),
        }
    }

    /// The name, which may end with a dot, or the address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn named(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let good = is_name(host.strip_suffix('.').unwrap_or(host));
    Some((host.to_owned(), super::port(port).filter(|_| good)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_is_a_name_or_an_address_and_a_port() {
        for (text, host, port) in [
            ("kith-control-plane.kith.svc:7450", "kith-control-plane.kith.svc", 7450),
            (
                "kith-control-plane.kith.svc.cluster.local.:7450",
                "kith-control-plane.kith.svc.cluster.local.",
                7450,
            ),
            ("10.96.0.1:1", "10.96.0.1", 1),
            ("[fd00::1]:7450", "fd00::1", 7450),
        ] {
            assert_eq!(HostPort::parse(text), Ok(HostPort { host: host.to_owned(), port }), "{text}");
        }
        // K8
        for text in [
            "",
            "kith",
            ":7450",
            "kith:",
            "kith:0",
            "kith:65536",
            "kith:+1",
            "kith:1-2",
            "a b:1",
            "http://kith:1",
            "fd00::1:70000",
            "Kith-CP:7450",
            "-x:1",
            "[zz]:1",
            "$(EVIL):1",
        ] {
            assert!(HostPort::parse(text).is_err(), "{text:?}");
        }
    }
}
