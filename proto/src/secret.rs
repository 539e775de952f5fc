//! How messages are printed that carry a private key or a token: without it.

use std::fmt;

use crate::envoy::config::core::v3::DataSource;
use crate::envoy::service::discovery::v3::DiscoveryResponse;
use crate::spiffe::{Jwtsvid, ValidateJwtsvidRequest, Witsvid, X509svid};

impl fmt::Debug for X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509SVID").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JWTSVID").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Witsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WITSVID").field("spiffe_id", &self.spiffe_id).finish_non_exhaustive()
    }
}

impl fmt::Debug for ValidateJwtsvidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateJWTSVIDRequest").field("audience", &self.audience).finish_non_exhaustive()
    }
}

impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSource").finish_non_exhaustive()
    }
}

impl fmt::Debug for DiscoveryResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveryResponse")
            .field("version_info", &self.version_info)
            .field("nonce", &self.nonce)
            .field("resources", &self.resources.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::config::core::v3::data_source::Specifier;
    use crate::spiffe::X509svidResponse;

    #[test]
    fn a_key_is_not_printed() {
        let secret = b"11111".to_vec();
        let svid = X509svid { x509_svid_key: secret.clone(), ..X509svid::default() };
        let response = X509svidResponse { svids: vec![svid], ..X509svidResponse::default() };
        let source = DataSource { specifier: Some(Specifier::InlineBytes(secret.clone())) };
        let resource = prost_types::Any { value: secret, ..prost_types::Any::default() };
        let discovery = DiscoveryResponse { resources: vec![resource], ..DiscoveryResponse::default() };
        for text in [format!("{response:?}"), format!("{source:?}"), format!("{discovery:?}")] {
            assert!(!text.contains("49"), "{text}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = "eyJ".to_owned();
        let svid = Jwtsvid { svid: token.clone(), ..Jwtsvid::default() };
        let question = ValidateJwtsvidRequest { svid: token.clone(), ..ValidateJwtsvidRequest::default() };
        let wit = Witsvid { wit_svid: token.clone(), wit_svid_key: token, ..Witsvid::default() };
        for text in [format!("{svid:?}"), format!("{question:?}"), format!("{wit:?}")] {
            assert!(!text.contains("eyJ"), "{text}");
        }
    }
}
