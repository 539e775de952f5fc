//! One message of the Workload API, checked before anything is done with it: whole and usable, or discarded with a reason
//! (Workload API §4.5). Owns what a client takes from a message; the profile of a certificate is `kith_identity`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use kith_identity::svid::{KeyHash, Leaf};
use kith_identity::{Bundle, SpiffeId, TrustDomain};
use kith_proto::spiffe::{X509svid, X509svidResponse};
use zeroize::Zeroizing;

use super::der;

/// Workload API §8: longer hints should not be supported.
const MAX_HINT: usize = 1024;

/// All that a workload has at one moment. What an earlier one had and this one lacks is gone (Workload API §4.4).
#[derive(Debug)]
pub(crate) struct Update {
    /// At least one; the first is the default identity (Workload API §5.3).
    pub(crate) svids: Vec<FetchedSvid>,
    /// The anchors of other trust domains, never merged with the own.
    pub(crate) federated: BTreeMap<TrustDomain, Vec<Vec<u8>>>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
}

/// One svid with its key and the anchors of its own trust domain.
pub(crate) struct FetchedSvid {
    pub(crate) leaf: Leaf,
    /// DER, the leaf first.
    pub(crate) chain: Vec<Vec<u8>>,
    /// PKCS#8.
    pub(super) key: Zeroizing<Vec<u8>>,
    /// DER.
    pub(crate) anchors: Vec<Vec<u8>>,
    /// What it is for, where the operator says so.
    pub(crate) hint: Option<String>,
}

/// Why a message is discarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpdateError {
    /// Workload API §4.5 and §5.2.1: there is at least one.
    #[error("there is no svid in it")]
    Empty,
    /// Workload API §4.5: all but the hint are mandatory.
    #[error("svid {position} has no {field}")]
    Missing {
        /// Which, counted from 1.
        position: usize,
        /// What is not there.
        field: &'static str,
    },
    /// A field that does not hold what it should.
    #[error("the {field} of svid {position}: {reason}")]
    Field {
        /// Which, counted from 1.
        position: usize,
        /// What of it.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl Update {
    /// Checks a message. A federated bundle that cannot be used is left out alone, so that no other trust domain can keep
    /// a workload from its own svid; without a bundle nobody of that domain is trusted.
    pub(super) fn check(message: X509svidResponse, now: SystemTime) -> Result<Self, UpdateError> {
        let mut left_out = Vec::new();
        let mut svids: Vec<FetchedSvid> = Vec::with_capacity(message.svids.len());
        for (position, svid) in (1..).zip(message.svids) {
            let mut svid = FetchedSvid::check(position, svid, now)?;
            if svid.hint.as_ref().is_some_and(|hint| hint.len() > MAX_HINT) {
                left_out.push(format!("the hint of svid {position} has more than {MAX_HINT} bytes"));
                svid.hint = None;
            }
            let same_hint = |earlier: &&FetchedSvid| svid.hint.is_some() && earlier.hint == svid.hint;
            match svids.iter().find(same_hint) {
                None => svids.push(svid),
                Some(earlier) => left_out.push(format!(
                    "svid {position}, {}: its hint is that of {}, which came first",
                    svid.leaf.identity(),
                    earlier.leaf.identity()
                )),
            }
        }
        if svids.is_empty() {
            return Err(UpdateError::Empty);
        }
        let mut federated = federated(message.federated_bundles, &mut left_out);
        let own = svids[0].leaf.identity().trust_domain();
        if federated.remove(own).is_some() {
            left_out.push(format!(
                "the federated bundle of {own}: that is the own trust domain, whose bundle came with the svid"
            ));
        }
        Ok(Self { svids, federated, left_out })
    }

    /// The identity that is meant where nobody says which.
    pub(crate) fn default_svid(&self) -> &FetchedSvid {
        // `check` makes none without.
        &self.svids[0]
    }
}

fn federated(
    bundles: impl IntoIterator<Item = (String, Vec<u8>)>,
    left_out: &mut Vec<String>,
) -> BTreeMap<TrustDomain, Vec<Vec<u8>>> {
    let mut federated = BTreeMap::new();
    for (name, bytes) in bundles {
        match trust_domain(&name).and_then(|domain| Ok((domain.clone(), anchors(&domain, &bytes)?))) {
            Ok((domain, anchors)) => {
                federated.insert(domain, anchors);
            }
            Err(reason) => left_out.push(format!("the federated bundle of {name:?}: {reason}")),
        }
    }
    federated
}

/// Bundles are keyed by the SPIFFE ID of their trust domain.
fn trust_domain(id: &str) -> Result<TrustDomain, String> {
    let id = SpiffeId::parse(id).map_err(|error| error.to_string())?;
    let is_domain = id.path().is_empty();
    is_domain
        .then(|| id.trust_domain().clone())
        .ok_or_else(|| "it names a workload, not a trust domain".to_owned())
}

fn anchors(domain: &TrustDomain, bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let anchors = der::split(bytes).map_err(|error| error.to_string())?;
    Bundle::parse(domain.clone(), &anchors).map_err(|error| error.to_string())?;
    Ok(anchors)
}

impl FetchedSvid {
    fn check(position: usize, svid: X509svid, now: SystemTime) -> Result<Self, UpdateError> {
        let key = Zeroizing::new(svid.x509_svid_key);
        for (field, is_empty) in [
            ("spiffe_id", svid.spiffe_id.is_empty()),
            ("x509_svid", svid.x509_svid.is_empty()),
            ("x509_svid_key", key.is_empty()),
            ("bundle", svid.bundle.is_empty()),
        ] {
            if is_empty {
                return Err(UpdateError::Missing { position, field });
            }
        }
        let wrong = |field, reason: String| UpdateError::Field { position, field, reason };
        let chain = der::split(&svid.x509_svid).map_err(|error| wrong("x509_svid", error.to_string()))?;
        let leaf = Leaf::parse(&chain[0]).map_err(|error| wrong("x509_svid", error.to_string()))?;
        if leaf.identity().to_string() != svid.spiffe_id {
            return Err(wrong("spiffe_id", format!("{:?} is not {}", svid.spiffe_id, leaf.identity())));
        }
        if leaf.not_after() < now {
            return Err(wrong("x509_svid", "it has expired; compare the clocks".to_owned()));
        }
        check_key(&key, &leaf).map_err(|reason| wrong("x509_svid_key", reason.to_owned()))?;
        let anchors = anchors(leaf.identity().trust_domain(), &svid.bundle);
        let anchors = anchors.map_err(|reason| wrong("bundle", reason))?;
        let hint = Some(svid.hint).filter(|hint| !hint.is_empty());
        Ok(Self { leaf, chain, key, anchors, hint })
    }
}

/// An unencrypted PKCS#8 key, and the one that the leaf is for.
fn check_key(pkcs8: &[u8], leaf: &Leaf) -> Result<(), &'static str> {
    let curves = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING];
    let of_curve = |curve| {
        let pair = EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok()?;
        pair.public_key().as_der().ok().map(|der| KeyHash::of_public_key_info(der.as_ref()))
    };
    let of_rsa = || {
        let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
        pair.public_key().as_der().ok().map(|der| KeyHash::of_public_key_info(der.as_ref()))
    };
    match curves.into_iter().find_map(of_curve).or_else(of_rsa) {
        Some(hash) if hash == leaf.key_hash() => Ok(()),
        Some(_) => Err("it is not the key that the certificate is for"),
        None => Err("it is no unencrypted PKCS#8 key of a kind that an svid has"),
    }
}

impl fmt::Debug for FetchedSvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchedSvid")
            .field("leaf", &self.leaf)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
