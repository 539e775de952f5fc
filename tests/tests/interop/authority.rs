//! The authority of a trust domain, a root and one below it, that mints for both ends: svids for ours, files for others.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kith_identity::{Bundle, TrustDomain};
use kith_mtls::{Svid, WorkloadKey};
use kith_runtime::Clock;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SanType,
};

const HOUR: Duration = Duration::from_secs(3600);

/// The keys of authorities and of the other end. Ours has P-256.
#[derive(Debug, Clone, Copy)]
pub(super) enum Keys {
    P256,
    /// As SPIRE mints them when it is asked for `rsa-2048`.
    Rsa2048,
}

impl Keys {
    fn generate(self) -> anyhow::Result<KeyPair> {
        Ok(match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?,
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
        })
    }
}

/// The authority.
pub(super) struct Authority {
    trust_domain: TrustDomain,
    keys: Keys,
    root: Certificate,
    issuing: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// One workload's svid as files, and the anchors that it is told to trust.
#[derive(Debug)]
pub(super) struct Files {
    /// The end certificate, and the authority between it and the root.
    pub(super) chain: PathBuf,
    /// The second alone.
    pub(super) issuing: PathBuf,
    /// The key in PKCS#8.
    pub(super) key: PathBuf,
    /// The anchors.
    pub(super) bundle: PathBuf,
    /// Whose anchors they are.
    pub(super) trust_domain: String,
}

impl Authority {
    /// A new one.
    pub(super) fn new(trust_domain: &str, keys: Keys) -> anyhow::Result<Self> {
        let (key, params) = (keys.generate()?, authority("root"));
        let root = params.self_signed(&key)?;
        let above = Issuer::new(params, key);
        let (key, params) = (keys.generate()?, authority("issuing"));
        let issuing = params.signed_by(&key, &above)?;
        let trust_domain = TrustDomain::parse(trust_domain)?;
        Ok(Self { trust_domain, keys, root, issuing, issuer: Issuer::new(params, key) })
    }

    /// The identity of a workload of this trust domain.
    pub(super) fn identity(&self, name: &str) -> String {
        format!("spiffe://{}/ns/interop/sa/{name}", self.trust_domain)
    }

    /// What proves its svids.
    pub(super) fn bundle(&self) -> anyhow::Result<Bundle> {
        Ok(Bundle::parse(self.trust_domain.clone(), &[self.root.der()])?)
    }

    /// An svid for our end.
    pub(super) fn svid(&self, name: &str) -> anyhow::Result<Svid> {
        let key = WorkloadKey::generate()?;
        let request = CertificateSigningRequestParams::from_der(&key.csr_der()?.into())?;
        let leaf = self.certify(&request.public_key, name)?;
        Ok(Svid::new(key, vec![leaf.der().to_vec(), self.issuing.der().to_vec()])?)
    }

    /// An svid for the other end, in a folder, beside the anchors of whom it trusts.
    pub(super) fn files(&self, name: &str, trusts: &Self, folder: &Path) -> anyhow::Result<Files> {
        let key = self.keys.generate()?;
        let leaf = self.certify(&key, name)?;
        let at = |file: &str| folder.join(format!("{name}-{file}.pem"));
        let files = Files {
            chain: at("chain"),
            issuing: at("issuing"),
            key: at("key"),
            bundle: at("bundle"),
            trust_domain: trusts.trust_domain.to_string(),
        };
        std::fs::write(&files.chain, leaf.pem() + &self.issuing.pem())?;
        std::fs::write(&files.issuing, self.issuing.pem())?;
        std::fs::write(&files.key, key.serialize_pem())?;
        std::fs::write(&files.bundle, trusts.root.pem())?;
        Ok(files)
    }

    fn certify(&self, key: &impl PublicKeyData, name: &str) -> anyhow::Result<Certificate> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(self.identity(name).try_into()?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        Ok(for_an_hour(params).signed_by(key, &self.issuer)?)
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    for_an_hour(params)
}

/// Others judge by the machine's clock.
fn for_an_hour(mut params: CertificateParams) -> CertificateParams {
    let now = Clock::system().now();
    params.not_before = (now - HOUR).into();
    params.not_after = (now + HOUR).into();
    params.use_authority_key_identifier_extension = true;
    params
}
