//! The form for programs.

use kith_identity::Bundle;
use kith_identity::svid::inspect::{Inspection, TokenInspection};
use kith_sidecar::identity_log::rfc3339;
use serde::Serialize;

use super::certificate::extension_name;
use crate::commands::svid::{CertificateReport, Flaw, Report, Verdict, is_unnamed};

/// What was looked at, and what is wrong with it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct InspectionJson {
    name: String,
    /// `certificates`, `jwt-svid`, `bundle` or `bundle-map`.
    kind: &'static str,
    judged_at: String,
    certificates: Vec<CertificateJson>,
    token: Option<TokenJson>,
    bundles: Vec<BundleJson>,
    /// Labels of what stands beside certificates in a file and is not shown, such as `PRIVATE KEY`.
    beside: Vec<String>,
    /// Rules that the whole breaks; those of a certificate stand in it.
    broken: Vec<Flaw>,
    /// All broken rules, also those of certificates.
    broken_count: usize,
    verdict: Option<VerdictJson>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CertificateJson {
    /// `leaf` or `authority`: which rules it was held against.
    role: &'static str,
    identity: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    not_before: Option<String>,
    not_after: Option<String>,
    key: Option<String>,
    key_sha256: Option<String>,
    signature_algorithm: Option<String>,
    key_usage: Vec<&'static str>,
    extended_key_usage: Vec<String>,
    is_ca: Option<bool>,
    path_length: Option<usize>,
    /// Of every kind: `URI spiffe://...`, `DNS web.shop`.
    names: Vec<String>,
    extensions: Vec<ExtensionJson>,
    sha256: String,
    broken: Vec<Flaw>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct ExtensionJson {
    oid: String,
    name: Option<&'static str>,
    critical: bool,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TokenJson {
    subject: Option<String>,
    identity: Option<String>,
    audiences: Vec<String>,
    not_before: Option<String>,
    issued_at: Option<String>,
    expires_at: Option<String>,
    algorithm: Option<String>,
    key_id: Option<String>,
    token_type: Option<String>,
    /// As JSON in a text.
    header: Option<String>,
    /// As JSON in a text.
    claims: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BundleJson {
    /// `null` when neither the document nor `--trust-domain` says whose it is.
    trust_domain: Option<String>,
    sequence: Option<u64>,
    refresh_hint_seconds: Option<u64>,
    authorities: Vec<CertificateJson>,
    token_keys: Vec<TokenKeyJson>,
    /// Entries that count for nothing, one sentence each.
    ignored: Vec<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TokenKeyJson {
    key_id: String,
    key_type: &'static str,
    key_sha256: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct VerdictJson {
    /// Whose anchors were taken.
    trust_domain: Option<String>,
    verified: bool,
    /// Who is proven.
    identity: Option<String>,
    /// Why nobody is.
    reason: Option<String>,
}

impl InspectionJson {
    /// Of everything that was found.
    pub(crate) fn new(report: &Report) -> Self {
        Self {
            name: report.name.clone(),
            kind: report.kind,
            judged_at: rfc3339(report.now),
            certificates: report.certificates.iter().map(CertificateJson::from).collect(),
            token: report.token.as_ref().map(TokenJson::from),
            bundles: report.bundles.iter().map(|(bundle, of)| BundleJson::new(bundle, of)).collect(),
            beside: report.beside.clone(),
            broken: report.flaws.clone(),
            broken_count: report.broken(),
            verdict: report.verdict.as_ref().map(VerdictJson::from),
        }
    }
}

impl From<&CertificateReport> for CertificateJson {
    fn from(report: &CertificateReport) -> Self {
        let seen: &Inspection = &report.inspection;
        let extensions = seen.extensions.iter().map(|extension| ExtensionJson {
            oid: extension.oid.clone(),
            name: extension_name(extension),
            critical: extension.critical,
        });
        Self {
            role: report.role.word(),
            identity: seen.identity.as_ref().map(ToString::to_string),
            subject: seen.subject.clone(),
            issuer: seen.issuer.clone(),
            serial: seen.serial.as_ref().map(ToString::to_string),
            not_before: seen.not_before.map(rfc3339),
            not_after: seen.not_after.map(rfc3339),
            key: seen.key.as_ref().map(ToString::to_string),
            key_sha256: seen.key_hash.map(|hash| hash.to_string()),
            signature_algorithm: seen.signature_algorithm.clone(),
            key_usage: seen.key_usage.clone(),
            extended_key_usage: seen.extended_key_usage.clone(),
            is_ca: seen.is_ca,
            path_length: seen.path_length,
            names: seen.names.iter().map(|name| format!("{} {}", name.kind, name.text)).collect(),
            extensions: extensions.collect(),
            sha256: hex(&seen.fingerprint),
            broken: report.flaws.clone(),
        }
    }
}

/// Two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl From<&TokenInspection> for TokenJson {
    fn from(token: &TokenInspection) -> Self {
        Self {
            subject: token.subject.clone(),
            identity: token.identity.as_ref().map(ToString::to_string),
            audiences: token.audiences.clone(),
            not_before: token.not_before.map(rfc3339),
            issued_at: token.issued_at.map(rfc3339),
            expires_at: token.expires_at.map(rfc3339),
            algorithm: token.algorithm.clone(),
            key_id: token.key_id.clone(),
            token_type: token.token_type.clone(),
            header: token.header.clone(),
            claims: token.claims.clone(),
        }
    }
}

impl BundleJson {
    fn new(bundle: &Bundle, authorities: &[CertificateReport]) -> Self {
        let named = Some(bundle.trust_domain()).filter(|domain| !is_unnamed(domain));
        let token_keys = bundle.jwt_authorities().iter().map(|key| TokenKeyJson {
            key_id: key.key_id().to_owned(),
            key_type: key.key_type(),
            key_sha256: key.key_hash().to_string(),
        });
        Self {
            trust_domain: named.map(ToString::to_string),
            sequence: bundle.sequence(),
            refresh_hint_seconds: bundle.refresh_hint().map(|hint| hint.as_secs()),
            authorities: authorities.iter().map(CertificateJson::from).collect(),
            token_keys: token_keys.collect(),
            ignored: bundle.ignored().iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&Verdict> for VerdictJson {
    fn from(verdict: &Verdict) -> Self {
        Self {
            trust_domain: verdict.trust_domain.as_ref().map(ToString::to_string),
            verified: verdict.outcome.is_ok(),
            identity: verdict.outcome.as_ref().ok().cloned(),
            reason: verdict.outcome.as_ref().err().cloned(),
        }
    }
}
