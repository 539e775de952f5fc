//! One certificate, for people.

use std::time::SystemTime;

use kith_identity::svid::inspect::{ExtensionShown, Inspection};
use kith_proto::convert::to_millis;
use kith_sidecar::identity_log::rfc3339;

use super::broken;
use super::json::hex;
use crate::commands::svid::CertificateReport;
use crate::render::table::facts;
use crate::render::time;

/// Who it is about first, and every rule that it breaks last.
pub(super) fn block(report: &CertificateReport, now: SystemTime) -> String {
    let seen = &report.inspection;
    let lines = [
        (
            report.role.word(),
            seen.identity.as_ref().map_or_else(|| "no SPIFFE ID".to_owned(), ToString::to_string),
        ),
        ("subject", name(seen.subject.as_deref())),
        ("issuer", name(seen.issuer.as_deref())),
        ("serial", shown(seen.serial.as_ref())),
        ("valid", validity(seen, now).unwrap_or_else(|| "unreadable".to_owned())),
        ("key", shown(seen.key.as_ref())),
        ("key hash", seen.key_hash.map_or_else(String::new, |hash| format!("SHA-256 {hash}"))),
        ("signed", shown(seen.signature_algorithm.as_ref())),
        ("usage", usage(seen)),
        ("names", names(seen)),
        ("others", others(&seen.extensions)),
        ("hash", format!("SHA-256 {}", hex(&seen.fingerprint))),
    ];
    // A line that would say nothing is left out.
    facts(lines.into_iter().filter(|(_, text)| !text.is_empty())) + &broken(&report.flaws)
}

fn shown(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "unreadable".to_owned(), ToString::to_string)
}

fn name(name: Option<&str>) -> String {
    match name {
        None => "unreadable".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(name) => name.to_owned(),
    }
}

/// `2027-01-15T07:59:00.000Z to 2027-01-15T09:00:00.000Z, expires in 60m`
fn validity(seen: &Inspection, now: SystemTime) -> Option<String> {
    let (from, until) = (seen.not_before?, seen.not_after?);
    let verb = if until < now { "expired" } else { "expires" };
    let left = time::left(now, to_millis(until));
    Some(format!("{} to {}, {verb} {left}", rfc3339(from), rfc3339(until)))
}

fn usage(seen: &Inspection) -> String {
    let is_ca = match (seen.is_ca, seen.path_length) {
        (Some(true), Some(length)) => Some(format!("authority over {length} more at most")),
        (Some(true), None) => Some("authority".to_owned()),
        _ => None,
    };
    let key = (!seen.key_usage.is_empty()).then(|| seen.key_usage.join(", "));
    let extended = (!seen.extended_key_usage.is_empty()).then(|| seen.extended_key_usage.join(", "));
    is_ca.into_iter().chain(key).chain(extended).collect::<Vec<_>>().join("; ")
}

/// All but the identity, which stands above.
fn names(seen: &Inspection) -> String {
    let identity = seen.identity.as_ref().map(ToString::to_string);
    let is_other = |text: &str| identity.as_deref() != Some(text);
    let names = seen.names.iter().filter(|name| is_other(&name.text));
    names.map(|name| format!("{} {}", name.kind, name.text)).collect::<Vec<_>>().join(", ")
}

/// Extensions that most authorities write and no rule is about.
const COMMON: [(&str, &str); 6] = [
    ("2.5.29.14", "subjectKeyIdentifier"),
    ("2.5.29.18", "issuerAltName"),
    ("2.5.29.31", "cRLDistributionPoints"),
    ("2.5.29.32", "certificatePolicies"),
    ("2.5.29.35", "authorityKeyIdentifier"),
    ("1.3.6.1.5.5.7.1.1", "authorityInfoAccess"),
];

/// What an extension is called, whether a rule is about it or not.
pub(super) fn extension_name(extension: &ExtensionShown) -> Option<&'static str> {
    let common = || COMMON.iter().find(|(oid, _)| *oid == extension.oid).map(|(_, name)| *name);
    extension.name.or_else(common)
}

/// Extensions that have no line of their own.
fn others(extensions: &[ExtensionShown]) -> String {
    let others = extensions.iter().filter(|extension| extension.name.is_none());
    let shown = others.map(|other| {
        let name = extension_name(other).unwrap_or(other.oid.as_str());
        if other.critical { format!("{name} (critical)") } else { name.to_owned() }
    });
    shown.collect::<Vec<_>>().join(", ")
}
