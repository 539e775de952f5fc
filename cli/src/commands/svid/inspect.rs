//! `kith svid inspect`: what a certificate, a chain, a token or a bundle says, and every rule that it breaks. Exit code 2
//! says that there is one, or that what `--bundle` should verify is refused.

use std::time::SystemTime;

use kith_identity::svid::inspect::{self, Inspection};
use kith_identity::{Bundle, BundleError, BundleMap, BundleMapError, TrustDomain};
use kith_runtime::Clock;

use super::flaw::Flaw;
use super::input::{self, Content, InputError};
use super::report::{CertificateReport, Report, RoleOf};
use super::subject::Subject;
use super::verdict::{self, Anchors};
use crate::args::{Output, SvidInspectArgs, UsageError};
use crate::commands::ask::answered;
use crate::exit::Exit;
use crate::render::{self, json, svid_inspection};

/// Whose a bundle is taken for that names nobody: no authority says that it is of this trust domain.
const UNNAMED: &str = "unnamed.invalid";

/// Reads, judges, prints.
pub(crate) async fn run(args: SvidInspectArgs) -> anyhow::Result<Exit> {
    let now = args.at.unwrap_or_else(|| Clock::system().now());
    let anchors = args.bundle.as_deref().map(Anchors::read).transpose()?;
    let input = input::read(&args.subject).await?;
    let subject = Subject::of(&input)?;
    let mode = match &input.content {
        Content::Bytes { mode, .. } => *mode,
        Content::Chain(_) => None,
    };
    check_trust_domain(&subject, args.trust_domain.is_none() || anchors.is_some())?;
    let mut report = look(&input.name, &subject, mode, args.trust_domain.as_ref(), now)?;
    if let Some(anchors) = &anchors {
        let (expected, audience) = (args.trust_domain.as_ref(), args.audience.as_deref());
        report.verdict = Some(verdict::of(&subject, anchors, expected, audience, now)?);
    }
    let text = match args.output {
        Output::Table => svid_inspection::table(&report),
        Output::Json => json::pretty(&svid_inspection::InspectionJson::new(&report))?,
    };
    let exit = if report.is_sound() { Exit::Ok } else { Exit::Findings };
    answered(render::print(&text), exit)
}

/// Of a bundle `--trust-domain` says whose it is; of anything else, against whose anchors it is held.
fn check_trust_domain(subject: &Subject, is_used: bool) -> Result<(), UsageError> {
    match subject {
        Subject::Certificates { .. } | Subject::Token(_) if !is_used => Err(UsageError::NoAnchors),
        _ => Ok(()),
    }
}

fn look(
    name: &str,
    subject: &Subject,
    mode: Option<u32>,
    trust_domain: Option<&TrustDomain>,
    now: SystemTime,
) -> Result<Report, InputError> {
    let mut report = Report::new(name, subject.kind(), now);
    match subject {
        Subject::Certificates { ders, keys, others, is_presented } => {
            report.certificates = certificates(ders, *is_presented, now);
            report.beside = keys.iter().chain(others).cloned().collect();
            report.flaws = keys.iter().filter_map(|label| Flaw::of_key(label, mode)).collect();
        }
        Subject::Token(token) => {
            let token = inspect::token(token);
            report.flaws = token.broken.iter().map(Flaw::from).collect();
            report.flaws.extend(Flaw::of_times(&token, now));
            report.token = Some(token);
        }
        Subject::Bundle(json) => match bundle(json, trust_domain) {
            Ok(bundle) => take_bundle(&mut report, bundle),
            Err(error @ BundleError::Json(_)) => return Err(unreadable(name, &error)),
            Err(error) => report.flaws.push(Flaw::from(&error)),
        },
        Subject::BundleMap(json) => match BundleMap::parse(json) {
            Ok(map) => map.iter().cloned().for_each(|bundle| take_bundle(&mut report, bundle)),
            Err(error @ BundleMapError::Json(_)) => return Err(unreadable(name, &error)),
            Err(error) => report.flaws.push(Flaw::from(&error)),
        },
    }
    Ok(report)
}

fn unreadable(name: &str, error: &impl ToString) -> InputError {
    InputError::Unknown { name: name.to_owned(), reason: error.to_string() }
}

fn take_bundle(report: &mut Report, bundle: Bundle) {
    report.flaws.extend(bundle.ignored().iter().filter_map(Flaw::of_ignored));
    let ders: Vec<_> = bundle.authorities().iter().map(|authority| authority.der().to_vec()).collect();
    let authorities =
        ders.iter().map(|der| certificate(inspect::certificate(der), RoleOf::Authority, report.now));
    report.bundles.push((bundle, authorities.collect()));
}

/// A JWK set does not say whose it is; an authority in it may.
fn bundle(json: &[u8], trust_domain: Option<&TrustDomain>) -> Result<Bundle, BundleError> {
    if let Some(trust_domain) = trust_domain {
        return Bundle::from_jwks(trust_domain.clone(), json);
    }
    Bundle::from_jwks(Bundle::trust_domain_named_in(json).unwrap_or_else(unnamed), json)
}

/// The name that stands for none.
fn unnamed() -> TrustDomain {
    TrustDomain::parse(UNNAMED).expect("a constant in lower case")
}

/// Whether a bundle is nobody's, as far as one can see.
pub(crate) fn is_unnamed(trust_domain: &TrustDomain) -> bool {
    trust_domain.as_str() == UNNAMED
}

fn certificates(ders: &[Vec<u8>], is_presented: bool, now: SystemTime) -> Vec<CertificateReport> {
    let inspected = ders.iter().enumerate().map(|(position, der)| {
        let inspection = inspect::certificate(der);
        let role = role(&inspection, position, is_presented);
        certificate(inspection, role, now)
    });
    inspected.collect()
}

/// What a server presents first is its own, and the others are there to vouch for it, whatever each says. In a file a
/// certificate is what it says: a bundle in PEM has authorities alone.
fn role(inspection: &Inspection, position: usize, is_presented: bool) -> RoleOf {
    let is_authority = if is_presented { position > 0 } else { inspection.is_ca == Some(true) };
    if is_authority { RoleOf::Authority } else { RoleOf::Leaf }
}

fn certificate(inspection: Inspection, role: RoleOf, now: SystemTime) -> CertificateReport {
    let broken = match role {
        RoleOf::Leaf => &inspection.broken_as_leaf,
        RoleOf::Authority => &inspection.broken_as_authority,
    };
    let mut flaws: Vec<_> = broken.iter().map(Flaw::from).collect();
    if let (Some(from), Some(until)) = (inspection.not_before, inspection.not_after) {
        flaws.extend(Flaw::of_validity(from, until, now));
    }
    CertificateReport { inspection, role, flaws }
}

/// What is found in a file with these bytes, for tests.
#[cfg(test)]
pub(crate) fn look_at(
    name: &str,
    bytes: &[u8],
    mode: Option<u32>,
    now: SystemTime,
) -> Result<Report, InputError> {
    let bytes = bytes.to_vec().into();
    let subject =
        Subject::of(&input::Input { name: name.to_owned(), content: Content::Bytes { bytes, mode } })?;
    look(name, &subject, mode, None, now)
}

#[cfg(test)]
mod tests;
