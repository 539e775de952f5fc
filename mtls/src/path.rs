//! Does a trusted authority stand behind this chain, now? Owns the call into webpki (RFC 5280 path validation)
//! and the reading of its answer. Which bundle applies, and whom we wanted, is decided around it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::svid::Authority;
use kith_identity::{Bundle, SpiffeId};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::chain::Chain;
use crate::error::{Refusal, What};
use crate::provider;

/// What the peer is in this handshake; its certificate must be usable as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// Validates the path and returns the last second at which all of it holds.
pub(crate) fn validate(
    chain: &Chain<'_>,
    bundle: &Bundle,
    role: Role,
    now: UnixTime,
) -> Result<SystemTime, Refusal> {
    let at = UNIX_EPOCH + Duration::from_secs(now.as_secs());
    let (live, others): (Vec<_>, Vec<_>) =
        bundle.authorities().iter().partition(|anchor| anchor.not_before() <= at && at <= anchor.not_after());
    let error = match build(chain, &live, role, now) {
        Ok(until) => return Ok(until.min(chain.leaf.not_after())),
        Err(error) => error,
    };
    // webpki knows no validity of anchors. "Unknown" would send the reader looking for an impostor where the
    // truth is a root that ran out, so a chain that only such an anchor explains is named for what it is.
    let explains = |anchor: &&&Authority| build(chain, &[**anchor], role, now).is_ok();
    if is_untrusted(&error)
        && let Some(anchor) = others.iter().find(explains)
    {
        return Err(out_of_time(chain.leaf.identity(), What::Authority, anchor, at));
    }
    Err(refusal(error, chain, at))
}

/// One path search against `anchors`; the earliest end of the authorities in the path that was found.
fn build(
    chain: &Chain<'_>,
    anchors: &[&Authority],
    role: Role,
    now: UnixTime,
) -> Result<SystemTime, webpki::Error> {
    let ders: Vec<_> = anchors.iter().map(|anchor| CertificateDer::from(anchor.der())).collect();
    let trusted: Vec<TrustAnchor<'_>> =
        ders.iter().map(anchor_from_trusted_cert).collect::<Result<_, _>>()?;
    let usage = match role {
        Role::Client => KeyUsage::client_auth(),
        Role::Server => KeyUsage::server_auth(),
    };
    let end_entity = EndEntityCert::try_from(chain.end_entity)?;
    let algorithms = provider::SIGNATURE_ALGORITHMS.all;
    let path =
        end_entity.verify_for_usage(algorithms, &trusted, chain.intermediates, now, usage, None, None)?;
    let in_path = |authority: &&Authority| {
        path.intermediate_certificates().any(|used| used.der().as_ref() == authority.der())
    };
    let anchor = trusted.iter().zip(anchors).filter(|(trusted, _)| *trusted == path.anchor());
    let ends = anchor.map(|(_, anchor)| anchor.not_after());
    let ends = ends.chain(chain.authorities.iter().filter(in_path).map(Authority::not_after));
    ends.min().ok_or(webpki::Error::UnknownIssuer)
}

/// webpki's answer in our words. Everything that is not about time or trust is a bad certificate.
fn refusal(error: webpki::Error, chain: &Chain<'_>, at: SystemTime) -> Refusal {
    let found = chain.leaf.identity().clone();
    match error {
        webpki::Error::CertExpired { not_after, .. } => {
            let what = if chain.leaf.not_after() < at { What::Svid } else { What::Authority };
            Refusal::Expired { found, what, ago: between(system_time(not_after), at) }
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            let what = if at < chain.leaf.not_before() { What::Svid } else { What::Authority };
            Refusal::NotYetValid { found, what, ahead: between(at, system_time(not_before)) }
        }
        error if is_untrusted(&error) => Refusal::UnknownAuthority { found },
        other => Refusal::Path { found, detail: other.to_string() },
    }
}

/// No anchor leads here. A signature that fails under an anchor of the right name is the same: somebody else's
/// authority using that name.
fn is_untrusted(error: &webpki::Error) -> bool {
    matches!(error, webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey)
}

fn out_of_time(found: &SpiffeId, what: What, authority: &Authority, at: SystemTime) -> Refusal {
    let found = found.clone();
    if at < authority.not_before() {
        Refusal::NotYetValid { found, what, ahead: between(at, authority.not_before()) }
    } else {
        Refusal::Expired { found, what, ago: between(authority.not_after(), at) }
    }
}

fn system_time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
