//! What makes one session different from every other: a secret that its two ends alone can derive (RFC 8446 §7.5). Owns the
//! label; what is said over it is the business of whoever signs (`reproof.rs`).

use std::fmt;

use rustls::{ConnectionCommon, SideData};
use zeroize::Zeroizing;

use crate::error::HandshakeError;
use crate::session::Session;
use crate::{ClientStream, ServerStream};

const LABEL: &[u8] = b"EXPORTER-kith-session-v1";

/// The exporter value of one session: the same at its two ends, and nowhere else. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SessionBinding(Zeroizing<[u8; 32]>);

impl SessionBinding {
    fn of<D: SideData>(connection: &ConnectionCommon<D>) -> Result<Self, HandshakeError> {
        let exported = connection.export_keying_material([0; 32], LABEL, None);
        exported.map(|value| Self(Zeroizing::new(value))).map_err(|error| HandshakeError::tls(&error))
    }

    /// For whoever signs or verifies over it.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of a session that there never was.
    #[cfg(test)]
    pub(crate) fn made_up(value: [u8; 32]) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl fmt::Debug for SessionBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionBinding(..)")
    }
}

impl<IO> Session<ServerStream<IO>> {
    /// What only this session's two ends know.
    pub fn binding(&self) -> Result<SessionBinding, HandshakeError> {
        SessionBinding::of(self.stream.get_ref().1)
    }
}

impl<IO> Session<ClientStream<IO>> {
    /// What only this session's two ends know.
    pub fn binding(&self) -> Result<SessionBinding, HandshakeError> {
        SessionBinding::of(self.stream.get_ref().1)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::testing::{Party, TestCa, domain, identity, meet};
    use crate::{Accept, Client, ClientIdentity, ClientSvid, Server};

    const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
    const PAYMENTS: &str = "spiffe://demo.local/ns/shop/sa/payments";

    #[tokio::test]
    async fn the_two_ends_of_a_session_know_one_value_and_no_other_session_has_it() {
        let root = TestCa::root();
        let party = |uri| Party::new(Some(root.svid(uri)), [root.bundle("demo.local")]);
        let (web, payments) = (party(WEB), party(PAYMENTS));
        let accept = Accept::TrustDomain(domain("demo.local"));
        let server = Server::new(payments.credentials(), accept, ClientSvid::Required, &[]);
        let client = Client::new(web.credentials(), ClientIdentity::Svid, &[]);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let (accepted, connected) = meet(&server, &client, Accept::only(identity(PAYMENTS))).await;
            let (mut inbound, mut outbound) = (accepted.unwrap(), connected.unwrap());
            let before = inbound.binding().unwrap();
            assert_eq!(before.bytes(), outbound.binding().unwrap().bytes());
            // It is of the handshake: what travels afterwards changes nothing.
            outbound.stream.write_all(b"ping").await.unwrap();
            inbound.stream.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(before.bytes(), inbound.binding().unwrap().bytes());
            seen.push(*before.bytes());
        }
        assert_ne!(seen[0], seen[1]);
        assert_ne!(seen[0], [0; 32]);
    }

    #[test]
    fn the_value_is_not_printed() {
        assert_eq!(format!("{:?}", SessionBinding::made_up([7; 32])), "SessionBinding(..)");
    }
}
