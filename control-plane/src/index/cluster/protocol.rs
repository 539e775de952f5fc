//! What an application speaks on a port, as far as somebody declared it. Owns the one table of the words for it.

use kith_proto::v1::Protocol;

/// From `appProtocol` and the port's name; `Unspecified` where neither says it: then it is detected. A name counts as a
/// whole or up to its first hyphen (`http-metrics`).
pub(super) fn declared(app_protocol: Option<&str>, name: Option<&str>) -> Protocol {
    let of_name = || {
        let name = name?;
        named(name).or_else(|| named(name.split_once('-')?.0))
    };
    app_protocol.and_then(app).or_else(of_name).unwrap_or(Protocol::Unspecified)
}

/// Only TCP is carried; Kubernetes means it where nothing is said.
pub(super) fn is_tcp(transport: Option<&str>) -> bool {
    transport.is_none_or(|transport| transport == "TCP")
}

/// Of `appProtocol`: standard service names of IANA, and Kubernetes' own (KEP-3726).
fn app(word: &str) -> Option<Protocol> {
    match word {
        "kubernetes.io/h2c" | "kubernetes.io/ws" => Some(Protocol::Http),
        "kubernetes.io/wss" => Some(Protocol::Tls),
        word => named(word),
    }
}

/// TLS of the application's own is opaque to us, and what servers speak first cannot be detected. What may turn into TLS
/// after a greeting, as databases do it, is not declared to be TLS.
fn named(word: &str) -> Option<Protocol> {
    match word {
        "http" | "http2" | "h2c" | "grpc" | "grpc-web" => Some(Protocol::Http),
        "tls" | "https" => Some(Protocol::Tls),
        "tcp" | "mysql" | "redis" | "mongo" | "mongodb" | "postgres" | "postgresql" => Some(Protocol::Tcp),
        _ => None,
    }
}

/// What two declarations of one port say together: where they contradict each other, neither is believed. TLS is TCP,
/// said more precisely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declaration {
    One(Protocol),
    Contradicted,
}

impl Declaration {
    pub(super) fn and(self, other: Protocol) -> Self {
        match (self, other) {
            (Self::One(Protocol::Tcp | Protocol::Tls), Protocol::Tls)
            | (Self::One(Protocol::Tls), Protocol::Tcp) => Self::One(Protocol::Tls),
            (Self::One(one), other) if one == other => self,
            (Self::One(_) | Self::Contradicted, _) => Self::Contradicted,
        }
    }

    pub(super) fn protocol(self) -> Protocol {
        match self {
            Self::One(protocol) => protocol,
            Self::Contradicted => Protocol::Unspecified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_is_what_app_protocol_says_else_the_ports_name_else_it_is_detected() {
        let cases = [
            (Some("http"), None, Protocol::Http),
            (Some("kubernetes.io/h2c"), None, Protocol::Http),
            (Some("kubernetes.io/ws"), None, Protocol::Http),
            (Some("grpc"), Some("tcp"), Protocol::Http),
            (Some("http2"), None, Protocol::Http),
            (Some("tcp"), Some("http"), Protocol::Tcp),
            (Some("https"), None, Protocol::Tls),
            (Some("kubernetes.io/wss"), None, Protocol::Tls),
            (Some("tls"), Some("http"), Protocol::Tls),
            (Some("tcp"), Some("https"), Protocol::Tcp),
            (Some("postgresql"), None, Protocol::Tcp),
            (Some("example.com/own"), Some("http"), Protocol::Http),
            (Some("example.com/own"), None, Protocol::Unspecified),
            (None, Some("http"), Protocol::Http),
            (None, Some("http-metrics"), Protocol::Http),
            (None, Some("grpc-web"), Protocol::Http),
            (None, Some("grpc-web-2"), Protocol::Http),
            (None, Some("https"), Protocol::Tls),
            (None, Some("https-admin"), Protocol::Tls),
            (None, Some("tls-mqtt"), Protocol::Tls),
            (None, Some("redis-cache"), Protocol::Tcp),
            (None, Some("mongo"), Protocol::Tcp),
            (None, Some("httpd"), Protocol::Unspecified),
            (None, Some("-http"), Protocol::Unspecified),
            (None, Some("HTTP"), Protocol::Unspecified),
            (None, Some(""), Protocol::Unspecified),
            (None, None, Protocol::Unspecified),
        ];
        for (app_protocol, name, protocol) in cases {
            assert_eq!(declared(app_protocol, name), protocol, "{app_protocol:?} {name:?}");
        }
    }

    #[test]
    fn a_contradiction_is_believed_by_nobody_whatever_follows() {
        let (http, tcp) = (Protocol::Http, Protocol::Tcp);
        assert_eq!(Declaration::One(http).and(http).protocol(), http);
        assert_eq!(Declaration::One(http).and(tcp).protocol(), Protocol::Unspecified);
        assert_eq!(Declaration::One(http).and(tcp).and(tcp).protocol(), Protocol::Unspecified);
    }

    #[test]
    fn tls_says_more_than_tcp_in_either_order_and_contradicts_http() {
        let (http, tcp, tls) = (Protocol::Http, Protocol::Tcp, Protocol::Tls);
        for (one, other) in [(tcp, tls), (tls, tcp), (tls, tls)] {
            assert_eq!(Declaration::One(one).and(other).protocol(), tls, "{one:?} {other:?}");
        }
        for (one, other) in [(http, tls), (tls, http)] {
            assert_eq!(Declaration::One(one).and(other).and(tls).protocol(), Protocol::Unspecified);
        }
    }
}
