//! The JOSE header of a token: JWT-SVID §2. It is read before anything else of the token, and `alg` is held against
//! the list before anything else of the header (§4).

use super::algorithm::Algorithm;
use super::error::JwtError;
use super::parts::Seen;
use crate::json::Members;

/// What the header says, as far as it can be read.
#[derive(Default)]
pub(crate) struct Header {
    pub(crate) algorithm: Option<Algorithm>,
    pub(crate) key_id: Option<String>,
}

impl Header {
    pub(crate) fn read(members: &Members) -> Seen<Self> {
        let mut seen = Seen { value: Self::default(), broken: Vec::new() };
        match members.get("alg") {
            None => seen.broken.push(JwtError::AlgorithmMissing),
            Some(alg) => {
                seen.value.algorithm = alg.text().ok().and_then(Algorithm::parse);
                if seen.value.algorithm.is_none() {
                    seen.broken.push(JwtError::Algorithm { offset: alg.offset() });
                }
            }
        }
        for (name, value) in members {
            let offset = value.offset();
            match (name.as_str(), value.text()) {
                ("alg", _) | ("typ", Ok("JWT" | "JOSE")) => {}
                ("typ", _) => seen.broken.push(JwtError::Type { offset }),
                ("kid", Ok(key_id)) => seen.value.key_id = Some(key_id.to_owned()),
                ("kid", Err(_)) => seen.broken.push(JwtError::KeyId { offset }),
                _ => seen.broken.push(JwtError::OtherHeader { offset }),
            }
        }
        seen
    }
}
