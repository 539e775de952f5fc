//! Start messages that are taken, and those that are not.

use super::*;

fn start() -> v1::ControlPlaneStart {
    v1::ControlPlaneStart {
        trust_domain: "demo.local".into(),
        state_file: "/tmp/state".into(),
        seal_key: vec![0xab; 32],
        policies_folder: "/tmp/policies".into(),
        listen: "127.0.0.1:0".into(),
        admin_socket: "/tmp/run/admin.sock".into(),
        statement_key: vec![2; 32],
        instance: vec![3; 16],
        svid_seconds: 60,
        watch_policies: true,
        health_listen: "127.0.0.1:0".into(),
        key_exchange: "PreferPq".into(),
    }
}

#[test]
fn a_good_start_message_becomes_settings() {
    let config = Config::from_start(start()).unwrap();
    assert_eq!(config.svid_lifetime, Duration::from_secs(60));
    assert_eq!((config.instance, config.statement_key), ([3; 16], [2; 32]));
}

#[test]
fn every_wrong_setting_is_named_and_not_only_the_first() {
    let error = Config::from_start(v1::ControlPlaneStart::default()).unwrap_err().to_string();
    let fields = [
        "trust_domain",
        "state_file",
        "seal_key",
        "policies_folder",
        "health_listen",
        "; listen",
        "admin_socket",
        "statement_key",
        "key_exchange",
        "instance",
        "svid_seconds",
    ];
    for field in fields {
        assert!(error.contains(&format!("{field}:")), "{error} does not name {field}");
    }
}

#[test]
fn one_wrong_setting_is_enough() {
    let table: [fn(&mut v1::ControlPlaneStart); 7] = [
        |start| start.svid_seconds = 19,
        |start| start.svid_seconds = 86_401,
        |start| start.seal_key.truncate(31),
        |start| start.instance.push(0),
        |start| start.listen = "localhost:1".into(),
        |start| start.health_listen.clear(),
        |start| start.key_exchange = "require-pq".into(),
    ];
    for change in table {
        let mut wrong = start();
        change(&mut wrong);
        assert!(Config::from_start(wrong).is_err());
    }
}

// G4
#[test]
fn the_seal_key_is_not_shown() {
    let shown = format!("{:?}", Config::from_start(start()).unwrap());
    assert!(!shown.contains("171") && !shown.contains("ab, ab"), "{shown}");
}
