//! Everything that `kith svid inspect` found, before anybody decides how it looks.

use std::time::SystemTime;

use kith_identity::Bundle;
use kith_identity::svid::inspect::{Inspection, TokenInspection};

use super::flaw::Flaw;
use super::verdict::Verdict;

/// What was found.
pub(crate) struct Report {
    /// The file or the address.
    pub(crate) name: String,
    /// `certificates`, `jwt-svid`, `bundle` or `bundle-map`.
    pub(crate) kind: &'static str,
    /// The time by which it was judged.
    pub(crate) now: SystemTime,
    pub(crate) certificates: Vec<CertificateReport>,
    /// The labels of what stands beside certificates in a file; private keys are never more than their label.
    pub(crate) beside: Vec<String>,
    pub(crate) token: Option<TokenInspection>,
    /// Bundles with the certificates that are used of each.
    pub(crate) bundles: Vec<(Bundle, Vec<CertificateReport>)>,
    /// What is wrong with the whole, rather than with one certificate.
    pub(crate) flaws: Vec<Flaw>,
    /// Against anchors, where there were some.
    pub(crate) verdict: Option<Verdict>,
}

/// What a certificate is there for: the rules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoleOf {
    Leaf,
    Authority,
}

impl RoleOf {
    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Authority => "authority",
        }
    }
}

/// One certificate.
pub(crate) struct CertificateReport {
    pub(crate) inspection: Inspection,
    pub(crate) role: RoleOf,
    pub(crate) flaws: Vec<Flaw>,
}

impl Report {
    /// Nothing was found yet.
    pub(super) fn new(name: &str, kind: &'static str, now: SystemTime) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            now,
            certificates: Vec::new(),
            beside: Vec::new(),
            token: None,
            bundles: Vec::new(),
            flaws: Vec::new(),
            verdict: None,
        }
    }

    /// How many rules are broken.
    pub(crate) fn broken(&self) -> usize {
        let of_bundles = self.bundles.iter().flat_map(|(_, certificates)| certificates);
        let certificates = self.certificates.iter().chain(of_bundles);
        self.flaws.len() + certificates.map(|certificate| certificate.flaws.len()).sum::<usize>()
    }

    /// Whether anchors could say more of it.
    pub(crate) fn could_be_verified(&self) -> bool {
        !self.certificates.is_empty() || self.token.is_some()
    }

    /// Whether there is nothing to complain about.
    pub(crate) fn is_sound(&self) -> bool {
        self.broken() == 0 && self.verdict.as_ref().is_none_or(|verdict| verdict.outcome.is_ok())
    }
}
