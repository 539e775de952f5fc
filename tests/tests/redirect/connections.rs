//! What the kernel does with the connections of a pod that is redirected.

use std::io::ErrorKind;
use std::net::UdpSocket;

use crate::ground::{APPLICATION, Ground, Listener, OUTSIDE, POD, SIDECAR, datagram};

/// The outbound side of the sidecar, by family.
const OUTBOUND: [&str; 2] = ["127.0.0.1:7441", "[::1]:7441"];
/// Its inbound side.
const INBOUND: [&str; 2] = ["0.0.0.0:7442", "[::]:7442"];

fn at([v4, v6]: [&str; 2], port: u16) -> [String; 2] {
    [format!("{v4}:{port}"), format!("[{v6}]:{port}")]
}

#[test]
fn what_a_container_sends_comes_to_the_sidecar_which_learns_whom_it_was_meant_for() {
    // K11
    let ground = Ground::redirected("{}");
    let outbound = OUTBOUND.map(|it| ground.listen(it));
    let outside = at(OUTSIDE, 8080).map(|it| ground.outside(|| Listener::at(&it)));
    for (family, to) in [
        (0, "198.51.100.7:80"),
        (1, "[2001:db8::7]:443"),
        (0, &at(OUTSIDE, 8080)[0]),
        (1, &at(OUTSIDE, 8080)[1]),
        // To itself by its own address: that is a call like any other.
        (0, &at(POD, 8080)[0]),
        (1, &at(POD, 8080)[1]),
    ] {
        for user in [0, APPLICATION, 7441] {
            let caller = ground.call(user, to).unwrap();
            assert_eq!(outbound[family].meant_for(&caller), to, "as {user}");
        }
    }
    drop(outside);
}

#[test]
fn a_mapped_address_is_redirected_as_the_ipv4_address_that_it_is() {
    // K11
    let ground = Ground::redirected("{}");
    let outbound = ground.listen(OUTBOUND[0]);
    let caller = ground.call(APPLICATION, "[::ffff:198.51.100.7]:80").unwrap();
    assert_eq!(outbound.meant_for(&caller), "198.51.100.7:80");
}

#[test]
fn what_comes_from_outside_comes_to_the_sidecar_although_the_application_listens() {
    let ground = Ground::redirected("{}");
    let inbound = INBOUND.map(|it| ground.listen(it));
    let application = ["0.0.0.0:8080", "[::]:8080"].map(|it| ground.listen(it));
    for (inbound, to) in inbound.iter().zip(at(POD, 8080)) {
        let caller = ground.call_from_outside(&to).unwrap();
        assert_eq!(inbound.meant_for(&caller), to);
    }
    // K14: whoever calls the sidecar's own ports from outside meets its inbound side, and it can tell.
    for (inbound, to) in inbound.iter().zip(at(POD, 7441)) {
        let caller = ground.call_from_outside(&to).unwrap();
        assert_eq!(inbound.meant_for(&caller), to);
    }
    drop(application);
}

#[test]
fn nothing_passes_while_the_sidecar_is_down() {
    // K19
    let ground = Ground::redirected("{}");
    let application = ["0.0.0.0:8080", "[::]:8080"].map(|it| ground.listen(it));
    let outside = at(OUTSIDE, 8080).map(|it| ground.outside(|| Listener::at(&it)));
    for to in at(POD, 8080) {
        assert_eq!(ground.call_from_outside(&to).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
    }
    for to in at(OUTSIDE, 8080) {
        assert_eq!(ground.call(APPLICATION, &to).unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
    }
    drop((application, outside));
}

#[test]
fn what_the_sidecar_sends_is_not_redirected_to_itself() {
    // K14, K15
    let ground = Ground::redirected("{}");
    let outbound = OUTBOUND.map(|it| ground.listen(it));
    for to in at(OUTSIDE, 8080) {
        let outside = ground.outside(|| Listener::at(&to));
        assert!(outside.met(&ground.call(SIDECAR, &to).unwrap()), "{to}");
    }
    // So does it deliver to the application, by the address that the caller meant.
    for to in at(POD, 8080) {
        let application = ground.listen(&to);
        assert!(application.met(&ground.call(SIDECAR, &to).unwrap()), "{to}");
    }
    drop(outbound);
}

#[test]
fn a_session_of_the_sidecar_to_its_own_pod_meets_its_inbound_side_once() {
    // K16
    let ground = Ground::redirected("{}");
    let inbound = INBOUND.map(|it| ground.listen(it));
    let outbound = OUTBOUND.map(|it| ground.listen(it));
    for (family, from) in ["127.0.0.1:0", "[::1]:0"].into_iter().enumerate() {
        let to = &at(POD, 8080)[family];
        let caller = ground.call_from(SIDECAR, from, to).unwrap();
        assert_eq!(inbound[family].meant_for(&caller), *to);
        // Sending from loopback is no way around for anybody else.
        let caller = ground.call_from(APPLICATION, from, to).unwrap();
        assert_eq!(outbound[family].meant_for(&caller), *to);
    }
}

#[test]
fn ports_that_are_skipped_pass_and_their_neighbours_do_not() {
    let ground = Ground::redirected(r#"{"skipInbound":["9000-9010","25"],"skipOutbound":["5432","26"]}"#);
    let (inbound, outbound) = (INBOUND.map(|it| ground.listen(it)), OUTBOUND.map(|it| ground.listen(it)));
    for family in 0..2 {
        for port in [9000, 9010, 25] {
            let to = &at(POD, port)[family];
            let application = ground.listen(to);
            assert!(application.met(&ground.call_from_outside(to).unwrap()), "{to}");
        }
        for port in [8999, 9011, 26, 5432] {
            let to = &at(POD, port)[family];
            assert_eq!(inbound[family].meant_for(&ground.call_from_outside(to).unwrap()), *to);
        }
        for port in [5432, 26] {
            let to = &at(OUTSIDE, port)[family];
            let outside = ground.outside(|| Listener::at(to));
            assert!(outside.met(&ground.call(APPLICATION, to).unwrap()), "{to}");
        }
        for port in [5431, 9000, 25] {
            let to = &at(OUTSIDE, port)[family];
            assert_eq!(outbound[family].meant_for(&ground.call(APPLICATION, to).unwrap()), *to);
        }
    }
}

#[test]
fn the_health_port_is_reached_from_outside_without_the_sidecars_inbound_side() {
    let ground = Ground::redirected("{}");
    let inbound = INBOUND.map(|it| ground.listen(it));
    for to in at(POD, 7447) {
        let health = ground.listen(&to);
        assert!(health.met(&ground.call_from_outside(&to).unwrap()), "{to}");
    }
    drop(inbound);
}

#[test]
fn what_containers_say_to_each_other_by_loopback_is_left_alone() {
    let ground = Ground::redirected("{}");
    let sidecar = OUTBOUND.into_iter().chain(INBOUND).map(|it| ground.listen(it)).collect::<Vec<_>>();
    for to in ["127.0.0.1:8080", "127.0.0.9:8081", "[::1]:8080"] {
        let neighbour = ground.listen(to);
        assert!(neighbour.met(&ground.call(APPLICATION, to).unwrap()), "{to}");
    }
    drop(sidecar);
}

/// What becomes of datagrams to a port: of those that leave the pod, and of those that come to it.
struct Datagrams {
    out: [std::io::Result<()>; 2],
    into: [std::io::Result<()>; 2],
}

fn datagrams(ground: &Ground, port: u16) -> Datagrams {
    let bind = |at: &str| UdpSocket::bind(at).unwrap();
    let (there, here) = (at(OUTSIDE, port), at(POD, port));
    let out = |to: &str, any: &str| {
        let server = ground.outside(|| bind(to));
        datagram(&ground.in_pod(APPLICATION, || bind(any)), to, &server)
    };
    let into = |to: &str, any: &str| {
        let server = ground.in_pod(0, || bind(to));
        datagram(&ground.outside(|| bind(any)), to, &server)
    };
    let [v4, v6] = ["0.0.0.0:0", "[::]:0"];
    Datagrams {
        out: [out(&there[0], v4), out(&there[1], v6)],
        into: [into(&here[0], v4), into(&here[1], v6)],
    }
}

#[test]
fn quic_is_refused_at_once_in_both_directions_and_other_udp_passes() {
    // K12
    let ground = Ground::redirected("{}");
    let quic = datagrams(&ground, 443);
    for refused in quic.out {
        // The kernel tells the sender by the call itself, or by the one after it.
        let kind = refused.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::PermissionDenied | ErrorKind::ConnectionRefused), "{kind}");
    }
    for refused in quic.into {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    let other = datagrams(&ground, 53);
    for passed in other.out.into_iter().chain(other.into) {
        passed.unwrap();
    }
    let neighbour = ground.in_pod(0, || UdpSocket::bind("127.0.0.1:443").unwrap());
    let sender = ground.in_pod(APPLICATION, || UdpSocket::bind("127.0.0.1:0").unwrap());
    datagram(&sender, "127.0.0.1:443", &neighbour).unwrap();
}

#[test]
fn quic_that_is_let_alone_passes_in_both_directions() {
    // K12
    let ground = Ground::redirected(r#"{"quic":"Allow"}"#);
    let quic = datagrams(&ground, 443);
    for passed in quic.out.into_iter().chain(quic.into) {
        passed.unwrap();
    }
}
