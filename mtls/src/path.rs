//! Does a trusted authority stand behind this chain, now? Owns the call into webpki (RFC 5280 path validation), the rules
//! of a path that webpki does not know (the validity and path length of anchors, distrust), and the reading of the answer.
//! Which bundle applies, and whom we wanted, is decided around it.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::svid::{Authority, KeyHash};
use kith_identity::{Bundle, SpiffeId};
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

use crate::chain::Chain;
use crate::error::{Refusal, What};
use crate::provider;

/// What the peer is in a session; its certificate must be usable as that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opens it.
    Client,
    /// The end that accepts it.
    Server,
}

/// Validates the path and returns the last second at which all of it holds. `distrusted`: which keys must not stand in it.
pub(crate) fn validate(
    chain: &Chain<'_>,
    bundle: &Bundle,
    distrusted: impl Fn(KeyHash) -> bool,
    role: Role,
    now: SystemTime,
) -> Result<SystemTime, Refusal> {
    // Certificates count whole seconds, and the last one counts whole.
    let now = system_time(unix(now));
    let trusted = |authority: &&Authority| !distrusted(authority.key_hash());
    let holds = |anchor: &&Authority| anchor.not_before() <= now && now <= anchor.not_after();
    let presented: Vec<_> = chain.authorities.iter().collect();
    let some = Search::among(
        bundle.authorities().iter().filter(holds).filter(trusted),
        presented.iter().copied().filter(trusted).collect(),
    );
    let error = match some.run(chain, role, now) {
        Ok(path) => return Ok(path.not_after().min(chain.leaf.not_after())),
        Err(error) => error,
    };
    if is_untrusted(&error) {
        let all = Search::among(bundle.authorities().iter(), presented);
        if let Some(refusal) = all.explain(&some, chain, distrusted, role, now) {
            return Err(refusal);
        }
    }
    Err(refusal(error, chain, now))
}

/// The certificates among which a path is looked for.
struct Search<'a> {
    /// Those that hold longest first, so that a bundle's own order decides nothing.
    anchors: Vec<&'a Authority>,
    intermediates: Vec<&'a Authority>,
}

/// The authorities of a path that was found: the anchor, and those between it and the end certificate.
struct Found<'a>(Vec<&'a Authority>);

impl Found<'_> {
    /// The first end among them.
    fn not_after(&self) -> SystemTime {
        self.0.iter().map(|authority| authority.not_after()).min().unwrap_or(UNIX_EPOCH)
    }
}

impl<'a> Search<'a> {
    fn among(anchors: impl Iterator<Item = &'a Authority>, intermediates: Vec<&'a Authority>) -> Self {
        let mut anchors: Vec<_> = anchors.collect();
        anchors.sort_by_key(|anchor| Reverse(anchor.not_after()));
        Self { anchors, intermediates }
    }

    /// One path search.
    fn run(&self, chain: &Chain<'_>, role: Role, now: SystemTime) -> Result<Found<'a>, webpki::Error> {
        let ders = |authorities: &[&'a Authority]| -> Vec<CertificateDer<'a>> {
            authorities.iter().map(|authority| CertificateDer::from(authority.der())).collect()
        };
        let (anchors, intermediates) = (ders(&self.anchors), ders(&self.intermediates));
        let trusted: Vec<TrustAnchor<'_>> =
            anchors.iter().map(anchor_from_trusted_cert).collect::<Result<_, _>>()?;
        let usage = match role {
            Role::Client => KeyUsage::client_auth(),
            Role::Server => KeyUsage::server_auth(),
        };
        // webpki's anchors are a name, a key and constraints. An authority that was certified anew has several of ours like
        // that: what one of them allows is allowed (F13).
        let anchor_of = |path: &VerifiedPath<'_>| {
            let between = path.intermediate_certificates().count();
            let allows = |anchor: &Authority| anchor.path_length().is_none_or(|most| between <= most);
            let same = self.anchors.iter().zip(&trusted).filter(|(_, trusted)| *trusted == path.anchor());
            let mut same = same.map(|(anchor, _)| *anchor);
            same.find(|anchor| allows(anchor)).ok_or(webpki::Error::PathLenConstraintViolated)
        };
        let is_short_enough = |path: &VerifiedPath<'_>| anchor_of(path).map(drop);
        let end_entity = EndEntityCert::try_from(chain.end_entity)?;
        let path = end_entity.verify_for_usage(
            provider::SIGNATURE_ALGORITHMS.all,
            &trusted,
            &intermediates,
            unix(now),
            usage,
            None,
            Some(&is_short_enough),
        )?;
        let in_path = |authority: &&&Authority| {
            path.intermediate_certificates().any(|used| used.der().as_ref() == authority.der())
        };
        let between = self.intermediates.iter().filter(in_path).copied();
        Ok(Found(between.chain([anchor_of(&path)?]).collect()))
    }

    /// Why `some` of these certificates gave no path, when all of them do. "Unknown" would send the reader looking for an
    /// impostor where the truth is a root that ran out, or an authority that was cut off.
    fn explain(
        &self,
        some: &Self,
        chain: &Chain<'_>,
        distrusted: impl Fn(KeyHash) -> bool,
        role: Role,
        now: SystemTime,
    ) -> Option<Refusal> {
        let is_less =
            some.anchors.len() < self.anchors.len() || some.intermediates.len() < self.intermediates.len();
        let Found(path) = is_less.then(|| self.run(chain, role, now).ok())??;
        let found = chain.leaf.identity();
        if let Some(cut_off) = path.iter().find(|authority| distrusted(authority.key_hash())) {
            return Some(Refusal::DistrustedAuthority { found: found.clone(), key: cut_off.key_hash() });
        }
        path.last().map(|anchor| out_of_time(found, anchor, now))
    }
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
        other => Refusal::Path { found, detail: detail(&other) },
    }
}

/// What an operator can act on. A constraint on URI names is never evaluated but always refused, the caution of
/// X509-SVID §4.2: to overlook one would let an authority name whom it may not.
fn detail(error: &webpki::Error) -> String {
    let words = match error {
        webpki::Error::NameConstraintViolation => {
            "an authority's name constraints exclude it, or constrain URIs, which is not supported (X509-SVID 4.2)"
        }
        webpki::Error::PathLenConstraintViolated => {
            "more authorities follow one another than one of them allows (RFC 5280 4.2.1.9)"
        }
        webpki::Error::MaximumPathDepthExceeded => {
            "more than 6 authorities stand between it and an anchor, which no path may have"
        }
        webpki::Error::MaximumPathBuildCallsExceeded
        | webpki::Error::MaximumSignatureChecksExceeded
        | webpki::Error::MaximumNameConstraintComparisonsExceeded => {
            "its authorities can be put together in too many ways"
        }
        other => return other.to_string(),
    };
    words.to_owned()
}

/// No anchor leads here. A signature that fails under an anchor of the right name, or that its kind of key cannot make, is
/// the same: somebody else's authority using that name.
fn is_untrusted(error: &webpki::Error) -> bool {
    matches!(
        error,
        webpki::Error::UnknownIssuer
            | webpki::Error::InvalidSignatureForPublicKey
            | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
    )
}

fn out_of_time(found: &SpiffeId, anchor: &Authority, at: SystemTime) -> Refusal {
    let (found, what) = (found.clone(), What::Authority);
    if at < anchor.not_before() {
        Refusal::NotYetValid { found, what, ahead: between(at, anchor.not_before()) }
    } else {
        Refusal::Expired { found, what, ago: between(anchor.not_after(), at) }
    }
}

/// A clock before 1970 is before every certificate.
fn unix(time: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn system_time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(time.as_secs())
}

fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap_or_default()
}
