//! What a connection may be for, in both families, and what it is for where nothing is redirected.

use std::net::IpAddr;

use tokio::net::TcpListener;

use super::*;

fn own() -> OwnAddresses {
    OwnAddresses::new(["10.1.2.3", "fd00::3"].map(|ip| ip.parse::<IpAddr>().unwrap()))
}

fn reason(address: &str) -> Option<&'static str> {
    check_called(&own(), address.parse().unwrap()).err().map(|refusal| refusal.reason)
}

#[test]
fn the_sidecars_own_ports_are_no_destination_in_either_family() {
    // K14, K15, K11
    for port in [7441, 7442] {
        for ip in ["10.1.2.3", "[fd00::3]", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:10.1.2.3]"] {
            assert_eq!(reason(&format!("{ip}:{port}")), Some("own_listener"), "{ip}:{port}");
        }
        assert_eq!(reason(&format!("10.1.2.4:{port}")), None, "another pod's");
    }
    assert_eq!(reason("10.1.2.3:8080"), None);
}

#[test]
fn metadata_services_are_no_destination_however_their_address_is_written() {
    // K17, K11
    for ip in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "100.100.100.200",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fd20:ce::254]",
        "[fe80::1]",
        "[febf::1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:100.100.100.200]",
        "[64:ff9b::a9fe:a9fe]",
    ] {
        assert_eq!(reason(&format!("{ip}:80")), Some("metadata_address"), "{ip}");
    }
    for ip in ["169.253.255.255", "100.100.100.201", "[fec0::1]", "[fd00:ec2::255]", "[64:ff9b::808:808]"] {
        assert_eq!(reason(&format!("{ip}:80")), None, "{ip}");
    }
}

#[test]
fn a_cache_of_names_on_the_node_is_a_destination_on_its_one_port_and_metadata_is_none_whatever_is_asked_there()
 {
    // K13, K17
    let resolvers = ["169.254.20.10", "169.254.169.254", "10.96.0.10", "100.100.100.200", "127.0.0.53"];
    let own = own().asking(resolvers.map(|ip| ip.parse::<IpAddr>().unwrap()));
    let reason = |address: &str| check_called(&own, address.parse().unwrap()).err().map(|it| it.reason);
    for address in ["169.254.20.10:53", "[::ffff:169.254.20.10]:53", "10.96.0.10:53"] {
        assert_eq!(reason(address), None, "{address}");
    }
    for address in [
        "169.254.20.10:80",
        "169.254.20.11:53",
        "169.254.169.254:53",
        "[::ffff:169.254.169.254]:53",
        "100.100.100.200:53",
    ] {
        assert_eq!(reason(address), Some("metadata_address"), "{address}");
    }
    assert_eq!(reason("127.0.0.53:53"), Some("unusable_address"));
}

#[test]
fn what_is_not_one_host_is_no_destination() {
    for address in [
        "0.0.0.0:80",
        "[::]:80",
        "224.0.0.1:80",
        "[ff02::1]:80",
        "255.255.255.255:80",
        "127.0.0.1:80",
        "[::1]:80",
        "10.0.0.1:0",
        "[::ffff:127.0.0.1]:80",
    ] {
        assert_eq!(reason(address), Some("unusable_address"), "{address}");
    }
}

async fn connected() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, peer) = listener.accept().await.unwrap();
    (client, accepted, peer)
}

#[tokio::test]
async fn a_connection_that_was_not_redirected_is_refused() {
    // K14, K15: without rules there is nothing to ask connection tracking for; with them it says the local address.
    let (_client, accepted, peer) = connected().await;
    let refused = Capture::Redirected(own()).outbound(&accepted, peer).unwrap_err();
    assert_eq!(refused.reason, "own_listener");
}

#[tokio::test]
async fn in_local_mode_a_connection_is_for_the_port_that_it_was_made_to() {
    let (client, accepted, peer) = connected().await;
    let accepted = Capture::Explicit.inbound(&accepted, peer).unwrap();
    assert_eq!(accepted.destination, client.peer_addr().unwrap());
    assert_eq!(accepted.peer, client.local_addr().unwrap());
}

#[tokio::test]
async fn a_connection_to_the_workload_is_for_an_address_of_its_pod() {
    let (_client, accepted, peer) = connected().await;
    let inbound = |destination: &str| {
        let told = Capture::Told { destination: destination.parse().unwrap(), own: own() };
        told.inbound(&accepted, peer).map(|accepted| accepted.destination).map_err(|refusal| refusal.reason)
    };
    assert_eq!(inbound("10.1.2.3:8080"), Ok("10.1.2.3:8080".parse().unwrap()));
    assert_eq!(inbound("[fd00::3]:8080"), Ok("[fd00::3]:8080".parse().unwrap()));
    assert_eq!(inbound("10.1.2.4:8080"), Err("not_own_address"));
    assert_eq!(inbound("10.1.2.3:7442"), Err("own_listener"));
}

#[test]
fn the_application_is_where_the_connection_was_for_unless_it_is_fixed() {
    let (destination, fixed) = ("10.1.2.3:80".parse().unwrap(), "127.0.0.1:3000".parse().unwrap());
    assert_eq!(Applications::OriginalDestination.of(destination), destination);
    assert_eq!(Applications::Fixed(fixed).of(destination), fixed);
}
