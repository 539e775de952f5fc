//! Identities and their svids: `kith identity`.

use std::time::SystemTime;

use kith_identity::SpiffeId;
use kith_proto::v1::{IdentitiesResponse, Identity, RotateResponse};
use serde::Serialize;

use super::escape::escape;
use super::json::{known, moment};
use super::status::serial;
use super::table::{Cell, Tone, facts, fitting, whole};
use super::{name, time};

const HEADINGS: [&str; 7] = ["NAME", "IDENTITY", "SERIAL", "EXPIRES", "RENEWS", "ISSUED", "STATE"];

/// All of them, for people; as narrow as the terminal needs.
pub fn list(answer: &IdentitiesResponse, now: SystemTime, width: Option<usize>) -> String {
    let form = |whole_serials, whole_identities| {
        let row = |identity| row(identity, now, whole_serials, whole_identities);
        let rows: Vec<_> = answer.identities.iter().map(row).collect();
        whole(&HEADINGS, &rows, width)
    };
    fitting(width, [form(true, true), form(false, true), form(false, false)])
}

fn row(identity: &Identity, now: SystemTime, whole_serials: bool, whole_identities: bool) -> Vec<Cell> {
    let shown = if whole_identities { &identity.identity } else { within_its_domain(&identity.identity) };
    vec![
        Cell::from(&identity.name),
        Cell::from(shown),
        serial(&identity.serial, whole_serials),
        Cell::from(left(now, identity.not_after_ms)),
        Cell::from(left(now, identity.renew_from_ms)),
        Cell::from(identity.issued.to_string()),
        state(identity),
    ]
}

/// Every identity that a control plane issues is of its own trust domain.
fn within_its_domain(identity: &str) -> &str {
    let domain = SpiffeId::parse(identity).ok();
    domain.map_or(identity, |id| name::near(identity, id.trust_domain().as_str()))
}

fn left(now: SystemTime, millis: i64) -> String {
    if millis == 0 { "-".to_owned() } else { time::left(now, millis) }
}

fn state(identity: &Identity) -> Cell {
    match (identity.quarantined, identity.connected) {
        (true, _) => Cell::new("quarantined", Tone::Bad),
        (false, true) => Cell::new("connected", Tone::Good),
        (false, false) => Cell::new("disconnected", Tone::Bad),
    }
}

/// One, for people.
pub fn show(identity: &Identity, now: SystemTime) -> String {
    let at = |millis| moment(millis).unwrap_or_else(|| "unknown".to_owned());
    let svid = match identity.serial.as_str() {
        "" => vec![("svid", "none yet".to_owned())],
        serial => vec![
            ("serial", serial.to_owned()),
            ("key", format!("SHA-256 {}", identity.key_sha256)),
            ("valid", format!("{} to {}", at(identity.not_before_ms), at(identity.not_after_ms))),
            ("expires", left(now, identity.not_after_ms)),
            (
                "renews",
                format!(
                    "{} ({} to {})",
                    left(now, identity.renew_from_ms),
                    at(identity.renew_from_ms),
                    at(identity.renew_until_ms)
                ),
            ),
        ],
    };
    let connected = if identity.connected { "connected" } else { "disconnected" };
    let quarantined = if identity.quarantined { "quarantined, " } else { "" };
    let first = [
        ("name", identity.name.clone()),
        ("identity", identity.identity.clone()),
        ("state", format!("{quarantined}{connected}")),
    ];
    let issued = match identity.issued {
        1 => "1 svid since the control plane started".to_owned(),
        count => format!("{count} svids since the control plane started"),
    };
    let lines = first.into_iter().chain(svid).chain([("issued", issued)]);
    facts(lines).trim_end().to_owned()
}

/// A rotation that was asked for, for people.
pub fn rotated(answer: &RotateResponse, now: SystemTime) -> String {
    let previous = known(&answer.previous_serial).unwrap_or("none");
    let text = format!("{previous} -> {}, expires {}", answer.serial, left(now, answer.not_after_ms));
    format!("{}  {}\n  {}", Tone::Good.paint("ROTATED"), escape(&answer.identity), escape(&text))
}

/// All of them, for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IdentitiesJson<'a> {
    identities: Vec<IdentityJson<'a>>,
}

/// One, for programs. Times are RFC 3339; what is not known is `null`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IdentityJson<'a> {
    name: &'a str,
    identity: &'a str,
    serial: Option<&'a str>,
    key_sha256: Option<&'a str>,
    not_before: Option<String>,
    not_after: Option<String>,
    renew_from: Option<String>,
    renew_until: Option<String>,
    issued: u64,
    connected: bool,
    quarantined: bool,
}

/// A rotation, for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RotatedJson<'a> {
    identity: &'a str,
    previous_serial: Option<&'a str>,
    serial: &'a str,
    not_after: Option<String>,
}

impl<'a> IdentitiesJson<'a> {
    /// The answer.
    pub fn new(answer: &'a IdentitiesResponse) -> Self {
        Self { identities: answer.identities.iter().map(IdentityJson::from).collect() }
    }
}

impl<'a> From<&'a Identity> for IdentityJson<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            name: &identity.name,
            identity: &identity.identity,
            serial: known(&identity.serial),
            key_sha256: known(&identity.key_sha256),
            not_before: moment(identity.not_before_ms),
            not_after: moment(identity.not_after_ms),
            renew_from: moment(identity.renew_from_ms),
            renew_until: moment(identity.renew_until_ms),
            issued: identity.issued,
            connected: identity.connected,
            quarantined: identity.quarantined,
        }
    }
}

impl<'a> From<&'a RotateResponse> for RotatedJson<'a> {
    fn from(answer: &'a RotateResponse) -> Self {
        Self {
            identity: &answer.identity,
            previous_serial: known(&answer.previous_serial),
            serial: &answer.serial,
            not_after: moment(answer.not_after_ms),
        }
    }
}

#[cfg(test)]
mod tests;
