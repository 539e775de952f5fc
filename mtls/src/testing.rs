//! Fixtures of this crate's tests: a small authority, a workload's side of a handshake, and raw rustls peers that
//! do what ours never would. Times are offsets in seconds from one fixed instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kith_identity::svid::KeyHash;
use kith_identity::{Bundle, BundleSet, SpiffeId, TrustDomain};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SubjectPublicKeyInfo,
};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::DuplexStream;
use tokio::sync::watch;

use crate::probe::AnyCertificate;
use crate::{
    Accept, Client, ClientStream, Credentials, HandshakeError, Now, Server, ServerStream, Session, Svid,
    WorkloadKey, provider,
};

pub(crate) const DAY: i64 = 86_400;
/// Far above what a handshake takes, and the tests that reach it run on paused time.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// The fixed instant, moved by `offset` seconds.
pub(crate) fn at(offset: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((1_800_000_000 + offset).try_into().unwrap())
}

pub(crate) fn identity(text: &str) -> SpiffeId {
    SpiffeId::parse(text).unwrap()
}

pub(crate) fn domain(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

/// Sets a validity by offsets.
pub(crate) fn valid(params: &mut CertificateParams, from: i64, until: i64) {
    params.not_before = at(from).into();
    params.not_after = at(until).into();
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

/// A correct svid for `uri_text`, for a test to spoil: from one minute ago, for an hour.
pub(crate) fn leaf_params(uri_text: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![uri(uri_text)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    valid(&mut params, -60, 3600);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    valid(&mut params, -DAY, 365 * DAY);
    params
}

/// An authority, and those between it and its root.
pub(crate) struct TestCa {
    key: KeyPair,
    params: CertificateParams,
    der: Vec<u8>,
    /// What travels behind an end certificate: itself and those above, without the root.
    chain: Vec<Vec<u8>>,
}

impl TestCa {
    pub(crate) fn root() -> Self {
        Self::root_with(|_| ())
    }

    pub(crate) fn root_with(spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root_of(KeyPair::generate().unwrap(), spoil)
    }

    pub(crate) fn root_of(key: KeyPair, spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority_params("root");
        spoil(&mut params);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, params, der, chain: Vec::new() }
    }

    pub(crate) fn issuing(&self) -> Self {
        self.issuing_with(|_| ())
    }

    pub(crate) fn issuing_with(&self, spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        self.issuing_of(KeyPair::generate().unwrap(), spoil)
    }

    pub(crate) fn issuing_of(&self, key: KeyPair, spoil: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = authority_params("issuing");
        spoil(&mut params);
        let chain = self.certify(&key, &params);
        Self { key, params, der: chain[0].clone(), chain }
    }

    /// Signs, and returns the chain as a peer presents it.
    pub(crate) fn certify(&self, key: &impl PublicKeyData, params: &CertificateParams) -> Vec<Vec<u8>> {
        let issuer = Issuer::from_params(&self.params, &self.key);
        let der = params.signed_by(key, &issuer).unwrap().der().to_vec();
        std::iter::once(der).chain(self.chain.iter().cloned()).collect()
    }

    /// The same authority, its name and its key, as another one signs it.
    pub(crate) fn cross_signed_by(&self, other: &Self) -> Vec<u8> {
        other.certify(&self.key, &self.params).swap_remove(0)
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its certificate once more: the same name and the same key, signed by itself, otherwise as `spoil` wants it.
    pub(crate) fn renewed_with(&self, spoil: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = self.params.clone();
        spoil(&mut params);
        params.self_signed(&self.key).unwrap().der().to_vec()
    }

    /// What names its key in a list of distrusted ones.
    pub(crate) fn key_hash(&self) -> KeyHash {
        KeyHash::of_public_key_info(&self.key.subject_public_key_info())
    }

    /// The authority as a file carries it, signed by itself.
    pub(crate) fn pem(&self) -> String {
        self.params.self_signed(&self.key).unwrap().pem()
    }

    /// This authority as the only anchor of a trust domain.
    pub(crate) fn bundle(&self, trust_domain: &str) -> Bundle {
        Bundle::parse(domain(trust_domain), &[&self.der]).unwrap()
    }

    /// A chain for a fresh key and whatever `params` say.
    pub(crate) fn chain_for(&self, params: &CertificateParams) -> Vec<Vec<u8>> {
        self.certify(&KeyPair::generate().unwrap(), params)
    }

    pub(crate) fn svid(&self, uri_text: &str) -> Svid {
        self.svid_with(uri_text, |_| ())
    }

    pub(crate) fn svid_with(&self, uri_text: &str, spoil: impl FnOnce(&mut CertificateParams)) -> Svid {
        let mut params = leaf_params(uri_text);
        spoil(&mut params);
        let (key, chain) = self.key_and_chain(&params);
        Svid::new(key, chain).unwrap()
    }

    /// A workload's key and the chain for it, also where `Svid::new` would refuse them.
    pub(crate) fn key_and_chain(&self, params: &CertificateParams) -> (WorkloadKey, Vec<Vec<u8>>) {
        let key = WorkloadKey::generate().unwrap();
        let public = SubjectPublicKeyInfo::from_der(&key.public_key_info()).unwrap();
        let chain = self.certify(&public, params);
        (key, chain)
    }
}

/// One side: the sending ends of its credentials, and its clock.
pub(crate) struct Party {
    pub(crate) svid: watch::Sender<Option<Arc<Svid>>>,
    pub(crate) bundles: watch::Sender<Arc<BundleSet>>,
    clock: Arc<AtomicI64>,
}

impl Party {
    pub(crate) fn new(svid: Option<Svid>, bundles: impl IntoIterator<Item = Bundle>) -> Self {
        let bundles: BundleSet = bundles.into_iter().collect();
        Self {
            svid: watch::Sender::new(svid.map(Arc::new)),
            bundles: watch::Sender::new(Arc::new(bundles)),
            clock: Arc::new(AtomicI64::new(0)),
        }
    }

    /// Moves its clock to `offset` seconds from the fixed instant.
    pub(crate) fn set_clock(&self, offset: i64) {
        self.clock.store(offset, Ordering::SeqCst);
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let clock = self.clock.clone();
        let now = Now::new(move || at(clock.load(Ordering::SeqCst)));
        Credentials::new(self.svid.subscribe(), self.bundles.subscribe(), now)
    }
}

pub(crate) type Accepted = Result<Session<ServerStream<DuplexStream>>, HandshakeError>;
pub(crate) type Connected = Result<Session<ClientStream<DuplexStream>>, HandshakeError>;

/// One handshake between our two sides.
pub(crate) async fn meet(server: &Server, client: &Client, accept: Accept) -> (Accepted, Connected) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::join!(server.accept(near, LIMIT), client.connect(far, accept, LIMIT))
}

/// What a raw peer presents; the key need not be the certificate's.
pub(crate) fn certified(key: &WorkloadKey, chain: Vec<Vec<u8>>) -> CertifiedKey {
    CertifiedKey::new(chain.into_iter().map(CertificateDer::from).collect(), key.for_tls().unwrap())
}

/// A client that accepts every server and presents whatever it is given.
pub(crate) fn raw_client(certified: Option<CertifiedKey>) -> ClientConfig {
    let config = ClientConfig::builder_with_provider(provider::provider())
        .with_protocol_versions(provider::VERSIONS)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider::SIGNATURE_ALGORITHMS)));
    match certified {
        Some(certified) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified))),
        None => config.with_no_client_auth(),
    }
}

/// A server that asks for no client certificate and presents whatever it is given.
pub(crate) fn raw_server(certified: CertifiedKey) -> ServerConfig {
    ServerConfig::builder_with_provider(provider::provider())
        .with_protocol_versions(provider::VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

/// The name that raw clients ask for.
pub(crate) fn any_name() -> ServerName<'static> {
    ServerName::try_from("evil.example").unwrap()
}
