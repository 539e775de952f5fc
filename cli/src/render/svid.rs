//! What a Workload API gave a workload: `kith svid fetch`. The key is not among it.

use std::path::Path;
use std::time::SystemTime;

use kith_identity::svid::{Authority, KeyHash};
use kith_proto::convert::to_millis;
use kith_sidecar::identity_log::rfc3339;
use serde::Serialize;

use super::table::facts;
use super::time;
use crate::commands::svid::{FetchedSvid, Update, pem};

/// For people.
pub(crate) fn table(update: &Update, now: SystemTime) -> String {
    let blocks = update.svids.iter().map(|svid| one(svid, now));
    let federated = update.federated.iter().map(|(domain, anchors)| bundle(domain.as_str(), anchors, now));
    let federated: Vec<_> = federated.map(|text| ("federated", text)).collect();
    let rest = (!federated.is_empty()).then(|| facts(federated));
    blocks.chain(rest).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn one(svid: &FetchedSvid, now: SystemTime) -> String {
    let leaf = &svid.leaf;
    let chain = match svid.chain.len() - 1 {
        0 => "the svid alone".to_owned(),
        1 => "the svid and 1 authority".to_owned(),
        count => format!("the svid and {count} authorities"),
    };
    let hint = svid.hint.iter().map(|hint| ("hint", hint.clone()));
    let until = time::left(now, to_millis(leaf.not_after()));
    let own = bundle(leaf.identity().trust_domain().as_str(), &svid.anchors, now);
    let lines = [("svid", leaf.identity().to_string())].into_iter().chain(hint).chain([
        ("serial", leaf.serial().to_string()),
        ("valid", format!("{} to {}", rfc3339(leaf.not_before()), rfc3339(leaf.not_after()))),
        ("expires", until),
        ("key", format!("SHA-256 {}", leaf.key_hash())),
        ("chain", chain),
        ("bundle", own),
    ]);
    facts(lines)
}

/// `demo.local: 2 authorities, 4f9a1c22 (expires in 364d), ...`
fn bundle(domain: &str, anchors: &[Vec<u8>], now: SystemTime) -> String {
    let authorities: Vec<_> = anchors.iter().filter_map(|der| Authority::parse(der).ok()).collect();
    let each = authorities.iter().map(|authority| {
        let left = time::left(now, to_millis(authority.not_after()));
        format!("{} (expires {left})", short(authority.key_hash()))
    });
    let noun = if authorities.len() == 1 { "authority" } else { "authorities" };
    format!("{domain}: {} {noun}, {}", authorities.len(), each.collect::<Vec<_>>().join(", "))
}

fn short(hash: KeyHash) -> String {
    hash.to_string().chars().take(8).collect()
}

/// For programs. Certificates are PEM, in the order in which they came.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct SvidJson {
    /// The first is the default identity.
    svids: Vec<OneJson>,
    /// The bundles of other trust domains.
    federated: Vec<BundleJson>,
    /// What of the answer could not be used, and why.
    left_out: Vec<String>,
    /// The folder, where one was named.
    written_to: Option<String>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OneJson {
    identity: String,
    hint: Option<String>,
    serial: String,
    not_before: String,
    not_after: String,
    key_sha256: String,
    /// The leaf first.
    chain: Vec<String>,
    bundle: BundleJson,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct BundleJson {
    trust_domain: String,
    authorities: Vec<String>,
}

impl SvidJson {
    /// An update, and where it was written to.
    pub(crate) fn new(update: &Update, written_to: Option<&Path>) -> Self {
        let bundle = |(domain, anchors): (_, &Vec<_>)| BundleJson::new(domain, anchors);
        Self {
            svids: update.svids.iter().map(OneJson::new).collect(),
            federated: update
                .federated
                .iter()
                .map(|(domain, anchors)| (domain.as_str(), anchors))
                .map(bundle)
                .collect(),
            left_out: update.left_out.clone(),
            written_to: written_to.map(|folder| folder.display().to_string()),
        }
    }
}

impl OneJson {
    fn new(svid: &FetchedSvid) -> Self {
        let leaf = &svid.leaf;
        Self {
            identity: leaf.identity().to_string(),
            hint: svid.hint.clone(),
            serial: leaf.serial().to_string(),
            not_before: rfc3339(leaf.not_before()),
            not_after: rfc3339(leaf.not_after()),
            key_sha256: leaf.key_hash().to_string(),
            chain: pem_of_each(&svid.chain),
            bundle: BundleJson::new(leaf.identity().trust_domain().as_str(), &svid.anchors),
        }
    }
}

impl BundleJson {
    fn new(trust_domain: &str, anchors: &[Vec<u8>]) -> Self {
        Self { trust_domain: trust_domain.to_owned(), authorities: pem_of_each(anchors) }
    }
}

fn pem_of_each(ders: &[Vec<u8>]) -> Vec<String> {
    ders.iter().map(|der| pem::certificates(&[der])).collect()
}

#[cfg(test)]
mod tests;
