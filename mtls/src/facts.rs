//! What a handshake agreed on, for logs and metrics. Owns the reading of rustls' state into plain values.

use rustls::{CommonState, ProtocolVersion};

use crate::error::HandshakeError;

/// The parameters of one TLS session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// The protocol version: `1.3`, the only one there is.
    pub version: &'static str,
    /// The key exchange group, such as `X25519MLKEM768`.
    pub group: String,
    /// The application protocol, if the two agreed on one.
    pub alpn: Option<String>,
}

impl TlsFacts {
    /// Reads a finished handshake. Anything but TLS 1.3 with a named group is refused here once more, whatever
    /// the configuration allowed.
    pub(crate) fn of(state: &CommonState) -> Result<Self, HandshakeError> {
        let (Some(ProtocolVersion::TLSv1_3), Some(group)) =
            (state.protocol_version(), state.negotiated_key_exchange_group())
        else {
            return Err(HandshakeError::Tls { detail: "the session is not TLS 1.3".into() });
        };
        let alpn = state.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok(Self { version: "1.3", group: format!("{:?}", group.name()), alpn })
    }
}
