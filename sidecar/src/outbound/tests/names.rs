//! Questions for names over TCP: to the pod's own resolvers they are let through whatever `egress` says, and to nobody else.

use super::*;

const RESOLVER: &str = "10.96.0.10:53";
const QUESTION: &[u8] = b"\x00\x04asks";

/// A sidecar whose application calls this address, and whose pod asks `10.96.0.10` and a cache on its node for names.
async fn calling(authority: &Authority, address: &str) -> TestSidecar {
    let own = own().asking(["10.96.0.10", "169.254.20.10"].map(|ip| ip.parse::<IpAddr>().unwrap()));
    let capture = Capture::Told { destination: address.parse().unwrap(), own };
    TestSidecar::start(authority, "web", capture, Applications::OriginalDestination).await
}

/// The Service of those who answer, here.
fn names(address: SocketAddr) -> v1::Destination {
    v1::Destination {
        name: RESOLVER.to_owned(),
        service: "kube-system/kube-dns".into(),
        ..service(vec![plain(address)])
    }
}

async fn asked(at: SocketAddr) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(at).await?;
    stream.write_all(QUESTION).await?;
    let mut back = [0; QUESTION.len()];
    stream.read_exact(&mut back).await?;
    assert_eq!(back, QUESTION);
    Ok(stream)
}

// K13
#[tokio::test]
async fn long_answers_of_the_pods_resolvers_come_through_where_egress_denies_and_each_is_a_line() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut web = calling(&authority, RESOLVER).await;
    for egress in [v1::Egress::Deny, v1::Egress::Unspecified, v1::Egress::Observe, v1::Egress::Allow] {
        web.enforce(snapshot(names(address), egress));
        drop(asked(web.outbound).await.unwrap());
        let call = web.next_call().await;
        assert_eq!((call.verdict, would_deny(&call)), (Verdict::Allow, None), "{egress:?}");
        assert_eq!((call.protocol.as_str(), call.server_address), ("tcp", Some(address.to_string())));
    }
}

// K13
#[tokio::test]
async fn another_port_of_a_resolver_and_port_53_of_anybody_else_are_egress() {
    let authority = Authority::new();
    for address in ["10.96.0.10:80", "10.96.0.10:853", "10.96.0.11:53", "198.51.100.1:53"] {
        let mut web = calling(&authority, address).await;
        web.enforce(snapshot(outside(address), v1::Egress::Deny));
        assert!(asked(web.outbound).await.is_err(), "{address}");
        assert_eq!(web.next_call().await.denial_reason.as_deref(), Some("egress_denied"), "{address}");
    }
}

#[tokio::test]
async fn a_resolver_with_a_sidecar_is_called_like_any_member() {
    let authority = Authority::new();
    let (application, _running) = echo_application().await;
    let serving = serving(&authority, application).await;
    let mut web = calling(&authority, RESOLVER).await;
    let endpoints = vec![meshed(serving.inbound)];
    web.enforce(snapshot(v1::Destination { endpoints, ..names(application) }, v1::Egress::Deny));
    drop(asked(web.outbound).await.unwrap());
    assert_eq!(web.next_call().await.destination, Some(identity("payments").to_string()));
}

#[tokio::test]
async fn who_is_cut_off_learns_no_names_either_and_what_is_open_ends() {
    let authority = Authority::new();
    let (address, _running) = echo_application().await;
    let mut web = calling(&authority, RESOLVER).await;
    web.enforce(snapshot(names(address), v1::Egress::Deny));
    let open = asked(web.outbound).await.unwrap();
    web.quarantine(v1::Quarantines { yourself: true, ..v1::Quarantines::default() });
    assert_eq!(web.next_call().await.denial_reason.as_deref(), Some("quarantined"));
    ends_in_a_reset(open).await;
    assert!(asked(web.outbound).await.is_err());
    assert_eq!(web.next_call().await.denial_reason.as_deref(), Some("quarantined"));
}
