//! The certificates that all ends show, and the ends that are ours.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use kith_mtls::{Accept, Client, ClientIdentity, ClientSvid, Credentials, Now, Server, Svid, WorkloadKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::pki_types::CertificateSigningRequestDer;
use tokio::sync::watch;

use crate::ends::{Acceptor, Connector, NAME, Tickets};

pub(crate) const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
pub(crate) const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";
/// Protocols of ordinary clients.
pub(crate) const ALPN: &[u8] = b"h2";

/// A root, an issuing authority under it, and two workloads.
pub(crate) struct Mesh {
    root: Vec<u8>,
    issuing: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
    web: Credentials,
    payments: Credentials,
    bundles: watch::Sender<Arc<BundleSet>>,
    /// Equal, and not the same: to change from one to the other forgets every chain.
    generations: [Arc<BundleSet>; 2],
    _svids: [watch::Sender<Option<Arc<Svid>>>; 2],
}

/// The instant of all handshakes; certificates hold around it.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn demo() -> Result<TrustDomain, Box<dyn Error>> {
    Ok(TrustDomain::parse("demo.local")?)
}

impl Mesh {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let (root_key, issuing_key) = (KeyPair::generate()?, KeyPair::generate()?);
        let (root, issuing) = (authority("root"), authority("issuing"));
        let root_der = root.self_signed(&root_key)?.der().to_vec();
        let issuing_der = issuing.signed_by(&issuing_key, &Issuer::new(root, root_key))?.der().to_vec();
        let issuer = Issuer::new(issuing, issuing_key);
        let set: BundleSet = [Bundle::parse(demo()?, &[&root_der])?].into_iter().collect();
        let generations = [Arc::new(set.clone()), Arc::new(set)];
        let bundles = watch::Sender::new(Arc::clone(&generations[0]));
        let svid = |uri| -> Result<_, Box<dyn Error>> {
            let key = WorkloadKey::generate()?;
            let request = CertificateSigningRequestDer::from(key.csr_der()?);
            let public = CertificateSigningRequestParams::from_der(&request)?.public_key;
            let leaf = leaf(uri)?.signed_by(&public, &issuer)?.der().to_vec();
            let svid = Svid::new(key, vec![leaf, issuing_der.clone()])?;
            Ok(watch::Sender::new(Some(Arc::new(svid))))
        };
        let svids = [svid(WEB)?, svid(PAYMENTS)?];
        let [web, payments] = svids
            .each_ref()
            .map(|svid| Credentials::new(svid.subscribe(), bundles.subscribe(), Now::new(now)));
        Ok(Self {
            root: root_der,
            issuing: issuing_der,
            issuer,
            web,
            payments,
            bundles,
            generations,
            _svids: svids,
        })
    }

    pub(crate) fn root(&self) -> &[u8] {
        &self.root
    }

    pub(crate) fn bundles(&self) -> &BundleSet {
        &self.generations[0]
    }

    /// What the workload that opens presents.
    pub(crate) fn web_chain(&self) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        Ok(self.web.svid().ok_or("web has an svid")?.chain().map(<[u8]>::to_vec).collect())
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.payments
    }

    /// A chain for a key of somebody else's.
    pub(crate) fn certify(
        &self,
        key: &impl PublicKeyData,
        uri: &str,
    ) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
        Ok(vec![leaf(uri)?.signed_by(key, &self.issuer)?.der().to_vec(), self.issuing.clone()])
    }

    /// Whatever is remembered of chains is of another generation from here on.
    pub(crate) fn change_bundles(&self, number: u32) {
        self.bundles.send_replace(Arc::clone(&self.generations[usize::from(number.is_multiple_of(2))]));
    }

    pub(crate) fn acceptor(&self, tickets: Tickets) -> Acceptor {
        let accept = Accept::OneOf(identities([WEB]));
        let server = Server::new(self.payments.clone(), accept, ClientSvid::Required, &[ALPN]);
        Acceptor::Kith(if tickets == Tickets::Used { server.resuming_foreign(|| 0) } else { server })
    }

    pub(crate) fn connector(&self) -> Connector {
        let client = Client::new(self.web.clone(), ClientIdentity::Svid, &[ALPN]);
        Connector::Kith(client, Accept::OneOf(identities([PAYMENTS])))
    }
}

fn identities<const N: usize>(uris: [&str; N]) -> BTreeSet<SpiffeId> {
    uris.into_iter().map(|uri| SpiffeId::parse(uri).expect("the constant is a SPIFFE ID")).collect()
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = (now() - Duration::from_secs(60)).into();
    params.not_after = (now() + Duration::from_secs(3600)).into();
    params
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = params();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// With a DNS name beside the identity: bare rustls compares nothing else.
pub(crate) fn leaf(uri: &str) -> Result<CertificateParams, Box<dyn Error>> {
    let mut params = params();
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?), SanType::DnsName(NAME.try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}
