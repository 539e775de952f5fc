//! Which report an id leads to, and whose word counts.

use super::*;

#[test]
fn an_id_is_whole_or_a_beginning_that_names_one_denial() {
    let observed = Observed::default();
    let other = ID.replace("0123456789abcdef0", "0123456789abcdef1");
    report(&observed, "payments", ID, Some("orders"), &line("GET", "/", "default_deny"));
    report(&observed, "payments", &other, Some("orders"), &line("GET", "/", "default_deny"));
    for beginning in [ID, &ID[..17], &ID.to_uppercase()] {
        assert_eq!(why(&world(&[]), &observed, &IssuedSvids::default(), beginning).unwrap().id, ID);
    }
    let table = [
        (&ID[..16], Code::FailedPrecondition, "2 denials begin with"),
        (&ID[..8], Code::FailedPrecondition, "give more of the digits"),
        ("ffffffff", Code::NotFound, "no denial that is kept begins with ffffffff"),
        (&ID[..7], Code::InvalidArgument, "the first 8 or more"),
        ("", Code::InvalidArgument, "is not a denial id"),
        (&format!("{ID}0"), Code::InvalidArgument, "is not a denial id"),
        ("0123456\u{ff11}", Code::InvalidArgument, "is not a denial id"),
        ("\u{1b}[2J\u{1b}[2J", Code::InvalidArgument, "\\u{1b}"),
        ("../../../etc/passwd", Code::InvalidArgument, "is not a denial id"),
    ];
    for (beginning, code, text) in table {
        let status = status(&observed, beginning);
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(text), "{status} does not say {text:?}");
    }
}

#[test]
fn of_two_reports_of_one_refusal_that_of_the_side_which_decided_counts() {
    let mut hearsay = line("GET", "/", "refused_by_peer");
    hearsay["kith.direction"] = "outbound".into();
    let decided = line("GET", "/", "default_deny");
    // Whichever of the two comes first, in time or in order.
    for (caller, decider) in [("orders", "payments"), ("payments", "orders")] {
        let observed = Observed::default();
        report(&observed, caller, ID, Some(caller), &hearsay);
        assert_eq!(
            why(&world(&[]), &observed, &IssuedSvids::default(), ID).unwrap().reporter,
            id(caller).to_string()
        );
        report(&observed, decider, ID, Some(caller), &decided);
        assert_eq!(
            why(&world(&[]), &observed, &IssuedSvids::default(), ID).unwrap().reporter,
            id(decider).to_string()
        );
    }
}

#[test]
fn whoever_puts_a_line_of_its_own_under_anothers_denial_is_not_believed_but_named() {
    let observed = Observed::default();
    report(&observed, "payments", ID, Some("intruder"), &line("GET", "/", "default_deny"));
    report(&observed, "intruder", ID, Some("payments"), &line("GET", "/", "default_deny"));
    let status = status(&observed, ID);
    assert_eq!(status.code(), Code::FailedPrecondition);
    for reporter in ["payments", "intruder"] {
        let reporter: SpiffeId = id(reporter);
        assert!(status.message().contains(reporter.as_str()), "{status}");
    }
}
