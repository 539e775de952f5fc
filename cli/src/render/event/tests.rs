//! Lines made by hand, in every form that a sidecar writes.

use kith_sidecar::identity_log::{SessionEnded, SessionFacts};
use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::render::name::Naming;
use crate::render::table::Tone;

const WEB: &str = "spiffe://demo.local/ns/demo/sa/web";
const ORDERS: &str = "spiffe://demo.local/ns/demo/sa/orders";

fn facts() -> SessionFacts {
    SessionFacts {
        session: 3,
        tls_version: "1.3".into(),
        group: "X25519MLKEM768".into(),
        own_serial: "aa".into(),
        peer_serial: "5c1e0000".into(),
    }
}

fn inbound() -> Call {
    Call {
        direction: Direction::Inbound,
        source: Some(WEB.into()),
        destination: Some(ORDERS.into()),
        client_address: "127.0.0.1:5000".into(),
        server_address: None,
        method: "GET".into(),
        path: "/orders/42".into(),
        protocol: "2".into(),
        rpc_system: None,
        status: Some(200),
        verdict: Verdict::Allow,
        policy: Some("demo/web-to-orders".into()),
        rule: Some("read-order".into()),
        revision: Some("1.3".into()),
        denial_id: None,
        denial_reason: None,
        denial_detail: None,
        posture: None,
        would_deny: None,
        error: None,
        duration_us: 2_149,
        request_bytes: None,
        response_bytes: None,
        session: Some(facts()),
    }
}

fn denied(reason: &str) -> Call {
    Call {
        status: Some(403),
        verdict: Verdict::Deny,
        policy: None,
        rule: None,
        denial_id: Some("0123456789abcdef0123456789abcdef".into()),
        denial_reason: Some(reason.into()),
        denial_detail: Some(
            "no rule for source spiffe://demo.local/ns/demo/sa/web (1 ALLOW policy applies)".into(),
        ),
        ..inbound()
    }
}

fn line(event: Event) -> Line {
    Line { time: "2026-11-21T10:04:07.112Z".into(), workload: ORDERS.into(), event }
}

fn call(call: Call) -> Option<Shown> {
    Shown::of_line(&line(Event::Call(Box::new(call))))
}

fn refused(direction: Direction, reason: &str) -> Shown {
    let refused = SessionRefused {
        direction,
        client_address: "127.0.0.1:51544".into(),
        denial_id: "ff".repeat(16),
        reason: reason.into(),
        detail: "the peer showed no certificate".into(),
    };
    Shown::of_line(&line(Event::SessionRefused(refused))).unwrap()
}

fn renewal() -> Shown {
    let renewed = SvidRenewed {
        previous: Some("5c1e9999".into()),
        serial: "7ea09999".into(),
        not_after: "2026-11-21T10:05:07.000Z".into(),
    };
    Shown::of_line(&line(Event::SvidRenewed(renewed))).unwrap()
}

fn cut_off(change: QuarantineChange) -> Shown {
    let quarantine = Quarantine { identity: WEB.into(), change, revision: "1.9".into() };
    Shown::of_line(&line(Event::Quarantine(quarantine))).unwrap()
}

fn opaque() -> Call {
    Call {
        method: String::new(),
        path: String::new(),
        protocol: "tcp".into(),
        status: None,
        request_bytes: Some(120),
        response_bytes: Some(4_096),
        ..inbound()
    }
}

fn everything() -> Vec<Shown> {
    let failed = Call { error: Some("connection_lost".into()), status: None, ..inbound() };
    let application = Some("application_unreachable".into());
    let unanswered = Call { error: application, status: Some(503), ..inbound() };
    let no_such_page = Call { status: Some(404), ..inbound() };
    let ambiguous =
        Call { policy: Some("demo/deny-all".into()), rule: Some("x".into()), ..denied("policy_deny") };
    vec![
        call(inbound()).unwrap(),
        call(denied("default_deny")).unwrap(),
        call(ambiguous).unwrap(),
        call(failed).unwrap(),
        call(unanswered).unwrap(),
        call(no_such_page).unwrap(),
        refused(Direction::Inbound, "no_client_certificate"),
        refused(Direction::Inbound, "unknown_authority"),
        refused(Direction::Outbound, "unexpected_identity"),
        renewal(),
        call(opaque()).unwrap(),
        cut_off(QuarantineChange::Added),
        cut_off(QuarantineChange::Removed),
        Shown::of_policies("2026-11-21T10:04:07.112Z", &policies("")),
        Shown::of_policies("2026-11-21T10:04:07.112Z", &policies(SAUCES)),
    ]
}

const SAUCES: &str =
    "payments.yaml:12:5: unknown field \"sauces\"; did you mean \"sources\"?\n 12 | sauces\n    | ^";

fn policies(error: &str) -> PolicyState {
    PolicyState {
        revision: Some(kith_policy::Revision { epoch: 1, counter: 8 }),
        policies: 2,
        error: error.to_owned(),
        nothing_in_force: false,
    }
}

fn screen(width: Option<usize>) -> String {
    let columns = Columns::new(width, Naming::Local);
    let rows = everything();
    let rows = rows.iter().map(|shown| columns.row(shown));
    let text = std::iter::once(columns.headings()).chain(rows).collect::<Vec<_>>().join("\n");
    anstream::adapter::strip_str(&text).to_string()
}

#[test]
fn the_table_at_120_columns() {
    insta::assert_snapshot!(screen(Some(120)));
}

#[test]
fn the_table_at_80_columns() {
    insta::assert_snapshot!(screen(Some(80)));
}

#[test]
fn the_table_at_100_columns() {
    insta::assert_snapshot!(screen(Some(100)));
}

#[test]
fn the_table_at_140_columns() {
    insta::assert_snapshot!(screen(Some(140)));
}

#[test]
fn the_id_of_a_refusal_is_there_at_80_columns_and_with_more_its_reason() {
    let intruder = Some("spiffe://demo.local/ns/demo/sa/intruder".to_owned());
    let shown = call(Call { source: intruder, ..denied("default_deny") }).unwrap();
    let row = |width| {
        anstream::adapter::strip_str(&Columns::new(Some(width), Naming::Local).row(&shown)).to_string()
    };
    assert!(row(80).ends_with(" #01234567 no rule all…"), "{}", row(80));
    assert!(row(100).ends_with(" no rule allows it #01234567"), "{}", row(100));
    assert!(row(110).ends_with(" no rule allows it #01234567"), "{}", row(110));
    // A rule names intruder as a source, and failed on the method: it is not said to be missing.
    let detail = Some("demo/refunds rule refund failed on method: got GET, wants DELETE".to_owned());
    let shown = call(Call { denial_detail: detail, ..denied("default_deny") }).unwrap();
    let row = |width| {
        anstream::adapter::strip_str(&Columns::new(Some(width), Naming::Local).row(&shown)).to_string()
    };
    assert!(row(100).ends_with(" no rule allows it #01234567"), "{}", row(100));
    assert!(
        row(140).contains(" default #01234567: demo/refunds rule refund failed on method"),
        "{}",
        row(140)
    );
    let unknown = refused(Direction::Inbound, "no_client_certificate");
    let row = anstream::adapter::strip_str(&Columns::new(Some(80), Naming::Local).row(&unknown)).to_string();
    assert!(row.ends_with(" #ffffffff no_client_c…"), "{row}");
}

#[test]
fn a_bad_answer_to_an_allowed_call_stands_out_without_another_word() {
    let row = |status| {
        Columns::new(Some(80), Naming::Local).row(&call(Call { status: Some(status), ..inbound() }).unwrap())
    };
    assert!(row(404).contains(&Tone::Bad.paint("404")) && row(404).contains("allow"));
    assert!(!row(200).contains(&Tone::Bad.paint("200")));
}

#[test]
fn whoever_proved_nothing_has_no_svid_and_whoever_is_another_is_unknown() {
    let from = |reason| side_of(&refused(Direction::Inbound, reason));
    for reason in [
        "no_client_certificate",
        "unknown_authority",
        "untrusted_domain",
        "svid_expired",
        "not_yet_valid",
        "bad_certificate",
        "tls_error",
    ] {
        assert_eq!(from(reason), "(no svid)", "{reason}");
    }
    assert_eq!(from("not_tls"), "(plain)");
    for reason in ["handshake_timeout", "connection_lost", "no_own_svid"] {
        assert_eq!(from(reason), "(unknown)", "{reason}");
    }
}

fn side_of(shown: &Shown) -> String {
    let row = anstream::adapter::strip_str(&Columns::new(Some(80), Naming::Local).row(shown)).to_string();
    row["10:04:07 ".len()..].split("  ").next().unwrap().split(" orders").next().unwrap().to_owned()
}

#[test]
fn a_change_of_the_policies_is_told_in_one_line() {
    let told = |state: &PolicyState| Shown::of_policies("", state).detail.unwrap();
    assert_eq!(told(&policies("")), "revision 1.8 in force, 2 policies");
    assert_eq!(told(&PolicyState { policies: 1, ..policies("") }), "revision 1.8 in force, 1 policy");
    assert_eq!(
        told(&policies(SAUCES)),
        "payments.yaml:12:5: unknown field \"sauces\"; did you mean \"sources\"? the rules stay as they were"
    );
    assert_eq!(told(&policies("a.yaml:1:1: no text")), "a.yaml:1:1: no text; the rules stay as they were");
    let blind = PolicyState { nothing_in_force: true, ..policies("a.yaml:1:1: no text") };
    assert_eq!(told(&blind), "a.yaml:1:1: no text; nothing is in force since the restart");
}

#[test]
fn the_table_without_a_terminal_cuts_no_reason() {
    let text = screen(None);
    assert!(text.contains("(1 ALLOW policy applies)"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn no_row_is_wider_than_its_terminal_but_for_what_somebody_just_edited() {
    for width in [80, 100, 120, 140, 200] {
        let text = screen(Some(width));
        assert!(text.lines().all(|line| !line.ends_with(' ')));
        assert!(text.lines().all(|line| line.width() <= width || line.contains("● policies")));
        assert!(text.contains("the rules stay as they were"));
    }
}

#[test]
fn the_json_events_have_every_key() {
    insta::assert_json_snapshot!(everything());
}

#[test]
fn a_call_is_one_row_although_two_sidecars_log_it() {
    let outbound = |call: Call| Call { direction: Direction::Outbound, ..call };
    assert!(call(outbound(inbound())).is_none());
    assert!(call(outbound(denied(MIRRORED))).is_none());
    // What never reached the other side is told by this side alone.
    assert!(call(outbound(denied("unexpected_identity"))).is_some());
    assert!(call(outbound(Call { error: Some("connection_lost".into()), ..inbound() })).is_some());
    assert!(call(outbound(Call { error: Some("caller_gone".into()), ..inbound() })).is_none());
}

#[test]
fn the_first_svid_and_the_life_of_sessions_are_no_rows() {
    let first = SvidRenewed { previous: None, serial: "aa".into(), not_after: String::new() };
    assert!(Shown::of_line(&line(Event::SvidRenewed(first))).is_none());
    let ended = SessionEnded {
        direction: Direction::Inbound,
        peer: WEB.into(),
        session: 3,
        reason: "replaced".into(),
        calls: 7,
        cut: 0,
    };
    assert!(Shown::of_line(&line(Event::SessionEnded(ended))).is_none());
}

#[test]
fn the_summary_tells_refusals_from_failures() {
    let mut tally = Tally::default();
    let unavailable = Call { status: Some(503), ..denied("not_ready") };
    let gone = Call { error: Some("caller_gone".into()), ..inbound() };
    for shown in everything().into_iter().chain([call(unavailable).unwrap(), call(gone).unwrap()]) {
        tally.count(&shown);
    }
    assert_eq!(tally, Tally { allowed: 4, denied: 5, unanswered: 1, failed: 2 });
    assert_eq!(
        tally.summary(),
        "12 calls: 4 allowed, 5 denied, 1 failed in the application, 2 failed by the mesh"
    );
    assert_eq!(Tally::default().summary(), "0 calls: 0 allowed, 0 denied, 0 failed by the mesh");
}

#[test]
fn what_a_caller_puts_into_a_path_cannot_move_a_column() {
    // G1, G2
    let columns = Columns::new(Some(120), Naming::Local);
    let evil = Call { path: "/\u{1b}[2J\u{202e}\n\u{200b}".into(), ..inbound() };
    let row = anstream::adapter::strip_str(&columns.row(&call(evil).unwrap())).to_string();
    assert!(!row.chars().any(crate::render::escape::deceives), "{row}");
    let good = anstream::adapter::strip_str(&columns.row(&call(inbound()).unwrap())).to_string();
    assert_eq!(row.find("allow"), good.find("allow").map(|at| at + '…'.len_utf8() - 1));
}

fn would_deny(direction: Direction) -> Call {
    let would_deny = WouldDeny {
        id: "0123456789abcdef0123456789abcdef".into(),
        reason: "default_deny".into(),
        detail: "no rule allows it".into(),
    };
    Call { direction, posture: Some("Observe".into()), would_deny: Some(would_deny), ..inbound() }
}

#[test]
fn what_a_stricter_posture_would_refuse_is_shown_as_such_and_counted_as_allowed() {
    let shown = call(would_deny(Direction::Inbound)).unwrap();
    assert_eq!((shown.verdict, shown.outcome()), (Some("would_deny"), Some(Outcome::Allowed)));
    assert_eq!(shown.denial_id.as_deref(), Some("0123456789abcdef0123456789abcdef"));
    let row = anstream::adapter::strip_str(&Columns::new(None, Naming::Local).row(&shown)).to_string();
    assert!(
        row.contains(" WOULD ") && row.contains("would be denied: ") && row.contains("#01234567"),
        "{row}"
    );
    // Of egress the caller's side alone knows.
    assert_eq!(call(would_deny(Direction::Outbound)).unwrap().verdict, Some("would_deny"));
}

/// From a pod to a pod, as the control plane names them.
fn between_pods(width: Option<usize>, shown: Shown) -> String {
    let shown = shown.between("shop/web-5d8f9c7b6-x2x4z", "shop/a-very-long-name-of-orders-6b9c7d5f4d-q7k2p");
    anstream::adapter::strip_str(&Columns::new(width, Naming::Cluster).row(&shown)).to_string()
}

#[test]
fn in_a_cluster_a_row_names_both_pods_where_there_is_room_and_else_both_service_accounts() {
    let row = |width| between_pods(width, call(inbound()).unwrap());
    for width in [80, 100, 119] {
        assert!(row(Some(width)).starts_with("10:04:07 demo/web "), "{}", row(Some(width)));
        assert!(row(Some(width)).contains(" demo/orders "), "{}", row(Some(width)));
    }
    for width in [120, 140, 200] {
        let row = row(Some(width));
        assert!(row.contains(" shop/web-5d8f9c7b6-x2x4z ") && row.contains("…-q7k2p "), "{row}");
        assert!(row.contains("allow") && row.contains("web-to-orders read-order"), "{row}");
        assert!(row.width() <= width, "{row}");
    }
    assert!(row(None).contains(" shop/a-very-long-name-of-orde…-q7k2p "), "{}", row(None));
}

#[test]
fn who_proved_nothing_is_named_in_brackets_by_the_pod_that_has_its_address() {
    let plain = Call { source: None, ..would_deny(Direction::Inbound) };
    let row = between_pods(None, call(plain).unwrap());
    assert!(row.contains(" (shop/web-5d8f9c7b6-x2x4z) "), "{row}");
    let row = between_pods(Some(120), refused(Direction::Inbound, "not_tls"));
    assert!(row.contains(" (shop/web-5d8f9c7b6-x2x4z) "), "{row}");
}

#[test]
fn a_notice_in_a_cluster_names_the_pod_whose_svid_was_renewed() {
    let row = between_pods(None, renewal());
    assert!(row.contains("● identity shop/web-5d8f9c7b6-x2x4z rotated 5c1e…→7ea0…"), "{row}");
    let row = between_pods(None, cut_off(QuarantineChange::Added));
    assert!(row.contains("cut off since revision 1.9, at shop/a-very-long"), "{row}");
}
