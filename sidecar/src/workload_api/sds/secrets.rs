//! Which secret a name means, and what is in it. Owns the names; a name that is nobody's here is refused, and nothing is
//! handed out with it (W14).

use kith_identity::TrustDomain;
use kith_mtls::Svid;
use kith_proto::envoy::config::core::v3::data_source::Specifier;
use kith_proto::envoy::config::core::v3::{DataSource, TypedExtensionConfig};
use kith_proto::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use kith_proto::envoy::extensions::transport_sockets::tls::v3::spiffe_cert_validator_config as validator;
use kith_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, Secret, SpiffeCertValidatorConfig, TlsCertificate,
};
use prost::Message;
use prost_types::Any;
use tonic::Status;

use crate::workload_api::pem;
use crate::workload_api::source::{Own, Source, Trust};
use crate::workload_api::x509::id;

/// What a secret is called in a type URL.
pub(super) const SECRET_TYPE: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const VALIDATOR_TYPE: &str =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
/// Chooses the bundle by the trust domain that a peer presents: Envoy's own validator would let every authority vouch for
/// every domain.
const VALIDATOR: &str = "envoy.tls.cert_validator.spiffe";

/// The own svid.
const DEFAULT: &str = "default";
/// How peers of the own trust domain are validated.
const ROOT_CA: &str = "ROOTCA";
/// How peers of every trusted domain are validated.
const ALL: &str = "ALL";

/// What the secrets of one answer are made of: the same values make the same answer.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// With the own svid among them.
    Svid(Own),
    /// Bundles alone, which are there also when the svid is not.
    Trust(Trust),
}

impl Content {
    /// What there is now for these names.
    pub(super) fn now(source: &Source, names: &[String]) -> Result<Self, Status> {
        let own = source.identity.as_str();
        if names.is_empty() || names.iter().any(|name| name == DEFAULT || name == own) {
            source.own().map(Self::Svid)
        } else {
            source.trust().map(Self::Trust)
        }
    }

    /// Whether these are the very same values.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Svid(one), Self::Svid(other)) => one.is(other),
            (Self::Trust(one), Self::Trust(other)) => one.is(other),
            (Self::Svid(_), Self::Trust(_)) | (Self::Trust(_), Self::Svid(_)) => false,
        }
    }

    /// The secrets of these names, each under the name it was asked for by; of no names, all that there are.
    pub(super) fn secrets(&self, names: &[String]) -> Result<Vec<Any>, Status> {
        if names.is_empty() {
            return [DEFAULT, ROOT_CA, ALL].into_iter().map(|name| self.secret(name)).collect();
        }
        names.iter().map(|name| self.secret(name)).collect()
    }

    fn secret(&self, name: &str) -> Result<Any, Status> {
        let trust = self.trust();
        let content = match (name, self) {
            (ROOT_CA, _) => validation(trust, [trust.own_domain()]),
            (ALL, _) => validation(trust, trust.all().into_iter().map(|(domain, _)| domain)),
            (name, Self::Svid(Own { svid, .. })) if name == DEFAULT || name == svid.identity().as_str() => {
                Type::TlsCertificate(certificate(svid))
            }
            _ => validation(trust, [self.domain(name)?]),
        };
        Ok(any(SECRET_TYPE, &Secret { name: name.to_owned(), r#type: Some(content) }))
    }

    fn trust(&self) -> &Trust {
        match self {
            Self::Svid(own) => &own.trust,
            Self::Trust(trust) => trust,
        }
    }

    /// The trusted domain whose SPIFFE ID this is.
    fn domain(&self, name: &str) -> Result<&TrustDomain, Status> {
        let mut all = self.trust().all().into_iter().map(|(domain, _)| domain);
        all.find(|domain| id(domain.as_str()) == name).ok_or_else(|| {
            let (own, all) = (id(self.trust().own_domain().as_str()), [DEFAULT, ROOT_CA, ALL].join(", "));
            Status::permission_denied(format!(
                "there is no secret {name:?} for this workload; there are {all}, {own} and other trusted domains"
            ))
        })
    }
}

fn certificate(svid: &Svid) -> TlsCertificate {
    TlsCertificate {
        certificate_chain: Some(inline(pem::certificates(svid.chain()))),
        private_key: Some(inline(pem::private_key(&svid.key_pkcs8()))),
    }
}

fn validation<'a>(trust: &Trust, domains: impl IntoIterator<Item = &'a TrustDomain>) -> Type {
    let domains = domains.into_iter().filter_map(|domain| {
        let bundle = pem::certificates(trust.of(domain)?);
        Some(validator::TrustDomain { name: domain.to_string(), trust_bundle: Some(inline(bundle)) })
    });
    let config = SpiffeCertValidatorConfig { trust_domains: domains.collect() };
    Type::ValidationContext(CertificateValidationContext {
        custom_validator_config: Some(TypedExtensionConfig {
            name: VALIDATOR.to_owned(),
            typed_config: Some(any(VALIDATOR_TYPE, &config)),
        }),
    })
}

fn inline(bytes: Vec<u8>) -> DataSource {
    DataSource { specifier: Some(Specifier::InlineBytes(bytes)) }
}

fn any(type_url: &str, message: &impl Message) -> Any {
    Any { type_url: type_url.to_owned(), value: message.encode_to_vec() }
}
