//! Addresses in objects. Owns which texts are the address of somebody else: never this machine's own, nor one of the
//! link, where clouds answer with credentials.

use std::net::IpAddr;

/// `None` for a text that is no address, and for an address that no service or pod can have. A mapped address
/// (`::ffff:10.0.0.1`) is the IPv4 address that it means (K11).
pub(super) fn read(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let nobodys = address.is_loopback() || address.is_unspecified() || address.is_multicast() || link_local;
    (!nobodys).then_some(address)
}

/// A port that is one.
pub(super) fn port(number: i32) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_what_it_means_and_one_that_cannot_be_a_pods_is_none() {
        assert_eq!(read("10.0.0.7"), "10.0.0.7".parse().ok());
        assert_eq!(read("::ffff:10.0.0.7"), "10.0.0.7".parse().ok()); // K11
        assert_eq!(read("fd00::7"), "fd00::7".parse().ok());
        for text in ["", "None", "10.0.0.7:80", "10.0.0", "127.0.0.1", "::1", "0.0.0.0", "::", "224.0.0.1"] {
            assert_eq!(read(text), None, "{text}");
        }
        for metadata in ["169.254.169.254", "fe80::a9fe:a9fe", "::ffff:169.254.169.254"] {
            assert_eq!(read(metadata), None, "{metadata}");
        }
    }

    #[test]
    fn a_port_is_a_number_from_1_to_65535() {
        assert_eq!((port(1), port(65_535)), (Some(1), Some(65_535)));
        for number in [0, -1, 65_536, i32::MAX, i32::MIN] {
            assert_eq!(port(number), None);
        }
    }
}
