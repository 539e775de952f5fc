//! What a scrape shows after lines were written.

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;
use crate::identity_log::{SessionEnded, SessionFacts, SessionOpened, SessionRefused, WouldDeny};

fn call(source: Option<&str>, path: &str, denied: Option<&str>) -> Event {
    Event::Call(Box::new(Call {
        direction: Direction::Inbound,
        source: source.map(str::to_owned),
        destination: Some("spiffe://t/to".to_owned()),
        client_address: "127.0.0.1:5".to_owned(),
        server_address: None,
        method: "GET".to_owned(),
        path: path.to_owned(),
        protocol: "1.1".to_owned(),
        rpc_system: None,
        status: Some(200),
        verdict: if denied.is_some() { Verdict::Deny } else { Verdict::Allow },
        policy: denied.is_none().then(|| "demo/p".to_owned()),
        rule: denied.is_none().then(|| "r".to_owned()),
        revision: None,
        denial_id: None,
        denial_reason: denied.map(str::to_owned),
        denial_detail: None,
        posture: None,
        would_deny: None,
        error: None,
        duration_us: 700,
        request_bytes: None,
        response_bytes: None,
        session: None,
    }))
}

fn facts() -> SessionFacts {
    SessionFacts {
        session: 1,
        tls_version: "1.3".to_owned(),
        group: String::new(),
        own_serial: String::new(),
        peer_serial: String::new(),
    }
}

/// The samples of a sidecar that has neither svid nor snapshot.
fn samples(metrics: &Arc<Metrics>) -> Vec<String> {
    let (_, svid) = watch::channel(None);
    let (_, enforced) = watch::channel(Arc::new(Enforced::nothing()));
    let (writer, _thread) = Writer::start(std::io::sink(), 1).unwrap();
    let mut registry = Registry::default();
    let metrics = Arc::clone(metrics);
    registry.register_collector(Box::new(Figures { metrics, svid, enforced, writer }));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn has(samples: &[String], line: &str) {
    assert!(samples.iter().any(|sample| sample == line), "{line} is not in {samples:#?}");
}

#[test]
fn every_call_is_counted_once_by_who_whom_and_what_decided() {
    let metrics = Arc::new(Metrics::new());
    metrics.call_opened(Direction::Inbound);
    metrics.call_opened(Direction::Inbound);
    metrics.call_opened(Direction::Inbound);
    metrics.count(&call(Some("spiffe://t/a"), "/", None));
    metrics.count(&call(Some("spiffe://t/a"), "/other", Some("default_deny")));
    let samples = samples(&metrics);
    has(
        &samples,
        "kith_calls_total{direction=\"inbound\",source=\"spiffe://t/a\",destination=\"spiffe://t/to\",\
         verdict=\"allow\",policy=\"demo/p\",rule=\"r\",reason=\"\"} 1",
    );
    has(
        &samples,
        "kith_calls_total{direction=\"inbound\",source=\"spiffe://t/a\",destination=\"spiffe://t/to\",\
         verdict=\"deny\",policy=\"\",rule=\"\",reason=\"default_deny\"} 1",
    );
    has(&samples, r#"kith_call_duration_seconds_bucket{le="0.001",direction="inbound",verdict="allow"} 1"#);
    has(&samples, r#"kith_call_duration_seconds_count{direction="inbound",verdict="deny"} 1"#);
    has(&samples, r#"kith_calls_open{direction="inbound"} 1"#);
    has(&samples, r#"kith_calls_open{direction="outbound"} 0"#);
}

#[test]
fn a_call_that_would_have_been_refused_is_allowed_and_counted_by_what_it_would_have_been_refused_for() {
    let metrics = Arc::new(Metrics::new());
    for reason in ["default_deny", "no_identity", "no_identity"] {
        let Event::Call(mut observed) = call(None, "/", None) else { unreachable!("a call") };
        let (id, detail, reason) = (String::new(), String::new(), reason.to_owned());
        observed.would_deny = Some(WouldDeny { id, reason, detail });
        metrics.count(&Event::Call(observed));
    }
    metrics.count(&call(None, "/", None));
    let samples = samples(&metrics);
    has(&samples, r#"kith_would_denials_total{direction="inbound",reason="default_deny"} 1"#);
    has(&samples, r#"kith_would_denials_total{direction="inbound",reason="no_identity"} 2"#);
    let allowed: Vec<_> = samples.iter().filter(|line| line.starts_with("kith_calls_total")).collect();
    assert!(allowed.len() == 1 && allowed[0].ends_with(" 4"), "{allowed:?}");
}

// D8
#[test]
fn paths_are_no_labels_and_identities_are_bounded() {
    const FLOOD: usize = 100_000;
    let metrics = Arc::new(Metrics::new());
    for number in 0..FLOOD {
        metrics.count(&call(None, &format!("/{number}"), Some("default_deny")));
    }
    let of_calls = |samples: &[String]| samples.iter().filter(|line| line.starts_with(CALLS)).count();
    let open = 2;
    let with_paths = of_calls(&samples(&metrics));
    assert_eq!(with_paths, 1 + open, "an unverified peer is one, whatever it asks for");
    for number in 0..FLOOD {
        metrics.count(&call(Some(&format!("spiffe://t/{number}")), "/", Some("default_deny")));
    }
    let samples = samples(&metrics);
    assert_eq!(of_calls(&samples), kith_runtime::metrics::MOST_SETS + 1 + open);
    let dropped = FLOOD + 1 - kith_runtime::metrics::MOST_SETS;
    has(&samples, &format!("kith_label_sets_dropped_total {dropped}"));
}

#[test]
fn sessions_are_open_between_their_two_lines_and_refused_ones_never_are() {
    let metrics = Arc::new(Metrics::new());
    let peer = "spiffe://t/a".to_owned();
    for _ in 0..2 {
        metrics.count(&Event::SessionOpened(SessionOpened {
            direction: Direction::Outbound,
            peer: peer.clone(),
            alpn: String::new(),
            facts: facts(),
        }));
    }
    metrics.count(&Event::SessionEnded(SessionEnded {
        direction: Direction::Outbound,
        peer,
        session: 1,
        reason: "closed".to_owned(),
        calls: 0,
        cut: 0,
    }));
    metrics.count(&Event::SessionRefused(SessionRefused {
        direction: Direction::Inbound,
        client_address: "127.0.0.1:5".to_owned(),
        denial_id: String::new(),
        reason: "no_client_certificate".to_owned(),
        detail: String::new(),
    }));
    let samples = samples(&metrics);
    has(&samples, r#"kith_sessions_open{direction="outbound"} 1"#);
    has(&samples, r#"kith_sessions_open{direction="inbound"} 0"#);
    has(&samples, r#"kith_sessions_refused_total{direction="inbound",reason="no_client_certificate"} 1"#);
    has(&samples, r#"kith_handshakes_total{direction="inbound",group="",outcome="refused"} 1"#);
}

#[test]
fn a_session_without_the_hybrid_key_exchange_is_counted_as_one() {
    let metrics = Arc::new(Metrics::new());
    for group in ["X25519MLKEM768", "X25519", "X25519"] {
        metrics.count(&Event::SessionOpened(SessionOpened {
            direction: Direction::Inbound,
            peer: String::new(),
            alpn: String::new(),
            facts: SessionFacts { group: group.to_owned(), ..facts() },
        }));
    }
    let samples = samples(&metrics);
    let counted = |group: &str, times: u32| {
        let labels = format!(r#"direction="inbound",group="{group}",outcome="established""#);
        has(&samples, &format!("kith_handshakes_total{{{labels}}} {times}"));
    };
    counted("X25519MLKEM768", 1);
    counted("X25519", 2);
}

#[test]
fn the_first_svid_is_no_renewal_and_what_is_missing_is_left_out() {
    let metrics = Arc::new(Metrics::new());
    for previous in [None, Some("1".to_owned())] {
        metrics.count(&Event::SvidRenewed(SvidRenewed {
            previous,
            serial: String::new(),
            not_after: String::new(),
        }));
    }
    metrics.snapshot_refused();
    let samples = samples(&metrics);
    has(&samples, "kith_svid_renewals_total 1");
    has(&samples, "kith_snapshots_refused_total 1");
    has(&samples, "kith_identity_log_lines_lost_total 0");
    for name in [SVID_NOT_AFTER, REVISION_EPOCH, REVISION_COUNTER] {
        assert!(!samples.iter().any(|line| line.starts_with(name)), "{name} of nothing");
    }
}
