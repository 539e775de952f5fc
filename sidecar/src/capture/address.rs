//! Addresses that no call may be for, whatever a policy or a namespace says: the sidecar's own ports, which would make a
//! loop (K14, K15); what is no address of one host; and metadata services, which hand out the machine's own credentials
//! (K17).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use http::StatusCode;
use kith_proto::pod::{INBOUND_PORT, OUTBOUND_PORT};

use crate::refusal::Refusal;

/// Where most clouds have their metadata service.
const METADATA_LINK_LOCAL: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// Alibaba Cloud's metadata service, the one that is not link-local.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
/// Metadata services that have an address of IPv6: those of Amazon (instance, pod) and Google.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];
/// RFC 6052 §2.1: the last 32 bits are an IPv4 address, behind a translator.
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Where questions for names go (RFC 1035 §4.2).
const DNS_PORT: u16 = 53;

/// The addresses of the pod, and of those that it asks for names.
#[derive(Debug, Clone)]
pub(crate) struct OwnAddresses {
    pod: Arc<[IpAddr]>,
    resolvers: Arc<[IpAddr]>,
}

impl OwnAddresses {
    /// As Kubernetes gave them.
    pub(crate) fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { pod: canonical_ips(addresses), resolvers: Arc::default() }
    }

    /// The same, of a pod that asks these for names.
    pub(crate) fn asking(self, resolvers: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { resolvers: canonical_ips(resolvers), ..self }
    }

    /// The pod's first: where the kubelet asks.
    pub(crate) fn first(&self) -> Option<IpAddr> {
        self.pod.first().copied()
    }

    /// Whether this is one of the pod's.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.pod.contains(&address.to_canonical())
    }

    /// Whether this is where the pod asks for names.
    pub(crate) fn is_resolver(&self, address: SocketAddr) -> bool {
        address.port() == DNS_PORT && self.resolvers.contains(&address.ip().to_canonical())
    }

    /// Refuses the sidecar's own ports.
    pub(crate) fn check_not_listener(&self, address: SocketAddr) -> Result<(), Refusal> {
        let here = address.ip().is_loopback() || self.contains(address.ip());
        if here && matches!(address.port(), INBOUND_PORT | OUTBOUND_PORT) {
            let detail = format!("{address} is a port of this sidecar: call the application's port");
            return Err(Refusal::bad_request("own_listener", detail));
        }
        Ok(())
    }
}

/// Refuses what no application may call.
pub(crate) fn check_called(own: &OwnAddresses, address: SocketAddr) -> Result<(), Refusal> {
    check_carried(own, address)?;
    let ip = canonical(address).ip();
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || is_broadcast(ip)
    {
        let detail = format!("{address} is not the address of another host's port");
        return Err(Refusal::bad_request("unusable_address", detail));
    }
    Ok(())
}

/// Refuses what is never carried out of a pod, be it the application's choice or an endpoint that somebody declared.
pub(crate) fn check_carried(own: &OwnAddresses, address: SocketAddr) -> Result<(), Refusal> {
    own.check_not_listener(address)?;
    let ip = canonical(address).ip();
    // Caches of names on the node have a link-local address, too.
    let asks_names = own.is_resolver(address) && is_link_local(ip) && ip != METADATA_LINK_LOCAL;
    if is_metadata(ip) && !asks_names {
        let detail = format!("{address} is link-local, or a metadata service: calls there are never carried");
        return Err(Refusal::new(StatusCode::FORBIDDEN, "metadata_address", detail));
    }
    Ok(())
}

/// An IPv4 address as such, also when it came in an IPv6 one (`::ffff:10.0.0.1`, K11).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn canonical_ips(ips: impl IntoIterator<Item = IpAddr>) -> Arc<[IpAddr]> {
    ips.into_iter().map(|ip| ip.to_canonical()).collect()
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.is_broadcast())
}

/// Link-local addresses as a whole: clouds put their metadata there, each at another one.
fn is_metadata(ip: IpAddr) -> bool {
    let is_one = match ip {
        IpAddr::V4(v4) => v4 == METADATA_V4,
        IpAddr::V6(v6) => METADATA_V6.contains(&v6) || behind_nat64(v6).is_some_and(is_metadata),
    };
    is_one || is_link_local(ip)
}

fn behind_nat64(v6: Ipv6Addr) -> Option<IpAddr> {
    let [prefix @ .., high, low] = v6.segments();
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    (prefix == NAT64).then_some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}
