//! The rules, as people read them and as `nft` lists them.

use super::*;

fn ranges(texts: &[&str]) -> Vec<PortRange> {
    texts.iter().map(|text| PortRange::parse(text).unwrap()).collect()
}

fn redirect(skip_inbound: &[&str], skip_outbound: &[&str], quic: Quic) -> Redirect {
    Redirect { skip_inbound: ranges(skip_inbound), skip_outbound: ranges(skip_outbound), quic }
}

/// As a kernel would have it: without comments, and without what comes before the table.
fn listed(script: &Script) -> String {
    let text = script.transaction();
    let rules = text.strip_prefix(REMOVE).unwrap().lines();
    rules
        .filter(|line| !line.trim_start().starts_with('#'))
        .fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_rules_of_a_pod_without_exceptions() {
    insta::assert_snapshot!(Script::new(&Redirect::default()).transaction());
}

#[test]
fn the_rules_of_a_pod_with_exceptions() {
    let redirect = redirect(&["9000-9010"], &["5432", "25", "8000-8100"], Quic::Allow);
    insta::assert_snapshot!(Script::new(&redirect).transaction());
}

#[test]
fn every_rule_stands_for_both_families_or_is_paired_with_its_twin() {
    // K11
    for script in
        [Redirect::default(), redirect(&["1-65535"], &["80"], Quic::Allow)].map(|it| Script::new(&it))
    {
        let of = |family: &str| {
            let rules = script.chains.iter().flat_map(|chain| &chain.rules);
            rules.filter(|rule| rule.text.split(' ').any(|word| word == family)).count()
        };
        assert_eq!(of("ip"), of("ip6"));
    }
}

#[test]
fn ports_that_overlap_or_touch_become_one_range() {
    let of = |texts: &[&str]| skipped(&ranges(texts), "").map(|rule| rule.text);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["80"]).unwrap(), "tcp dport 80 return");
    assert_eq!(of(&["80", "80"]).unwrap(), "tcp dport 80 return");
    assert_eq!(of(&["81", "80"]).unwrap(), "tcp dport 80-81 return");
    assert_eq!(of(&["443", "80-90", "85-100", "82"]).unwrap(), "tcp dport { 80-100, 443 } return");
    assert_eq!(of(&["1-65535", "65535", "7"]).unwrap(), "tcp dport 1-65535 return");
}

#[test]
fn rules_that_were_read_back_are_compared_word_by_word() {
    let script = Script::new(&redirect(&[], &["25", "80"], Quic::Refuse));
    let listed = listed(&script);
    assert!(script.is(&listed));
    assert!(script.is(&listed.replace("25, 80", "25,\n\t\t\t\t80")), "how nft breaks lines is its own");
    for (what, altered) in [
        ("nothing", String::new()),
        ("a rule less", listed.replace("udp dport 443 reject", "")),
        ("a rule more", listed.replace("iif \"lo\" return", "iif \"lo\" return tcp dport 22 return")),
        ("another port", listed.replace(":7442", ":7443")),
        ("a chain more", listed.clone() + "table inet other { }"),
        ("no rules", "table inet kith {\n}\n".to_owned()),
    ] {
        assert_ne!(altered, listed, "{what}");
        assert!(!script.is(&altered), "{what}");
    }
}
