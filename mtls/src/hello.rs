//! The first message of a TLS client, read and not answered. Owns only what it says of the protocols inside: whoever asks
//! decides whether a handshake with it begins here, and the hello is read again there.

use rustls::server::Acceptor;

/// What a client said that it speaks inside TLS, best first; empty when it said nothing of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offered(Vec<Vec<u8>>);

impl Offered {
    /// Whether this protocol is among them.
    pub fn has(&self, alpn: &[u8]) -> bool {
        self.0.iter().any(|offered| offered == alpn)
    }
}

/// The bytes are no hello that this reader understands: another protocol, an older one, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection begins with no TLS hello")]
pub struct NoHello;

/// Reads a hello piece by piece.
#[derive(Default)]
pub struct HelloReader(Acceptor);

impl HelloReader {
    /// Takes the bytes that come next. `None`: the hello goes on. After an answer of another kind nothing more is read.
    pub fn read(&mut self, mut bytes: &[u8]) -> Result<Option<Offered>, NoHello> {
        while !bytes.is_empty() {
            let taken = self.0.read_tls(&mut bytes).map_err(|_| NoHello)?;
            let accepted = self.0.accept().map_err(|_| NoHello)?;
            if let Some(accepted) = accepted {
                let alpn = accepted.client_hello().alpn().into_iter().flatten();
                return Ok(Some(Offered(alpn.map(<[u8]>::to_vec).collect())));
            }
            if taken == 0 {
                return Err(NoHello);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;
    use crate::provider;

    /// What a client sends first that offers these.
    fn hello(alpn: &[&[u8]]) -> Vec<u8> {
        let mut config = ClientConfig::builder_with_provider(provider::provider())
            .with_protocol_versions(provider::VERSIONS)
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from("orders.shop").unwrap();
        let mut bytes = Vec::new();
        ClientConnection::new(Arc::new(config), name).unwrap().write_tls(&mut bytes).unwrap();
        bytes
    }

    /// Read in pieces of so many bytes, with more after it.
    fn read(bytes: &[u8], piece: usize) -> Result<Option<Offered>, NoHello> {
        let mut reader = HelloReader::default();
        for piece in bytes.chunks(piece) {
            match reader.read(piece) {
                Ok(None) => {}
                answer => return answer,
            }
        }
        Ok(None)
    }

    // L8
    #[test]
    fn what_is_offered_is_known_with_the_last_byte_of_the_hello_however_it_comes() {
        let whole = hello(&[b"kith/1", b"h2"]);
        for piece in [1, 7, 600, whole.len()] {
            let offered = read(&whole, piece).unwrap().unwrap();
            assert!(offered.has(b"kith/1") && offered.has(b"h2"), "{piece}");
            assert!(!offered.has(b"kith") && !offered.has(b"http/1.1"), "{piece}");
            assert_eq!(read(&whole[..whole.len() - 1], piece), Ok(None), "{piece}");
        }
        // One byte in each record.
        let records: Vec<u8> = whole[5..].iter().flat_map(|byte| [0x16, 3, 1, 0, 1, *byte]).collect();
        assert!(read(&records, 600).unwrap().unwrap().has(b"h2"));
    }

    #[test]
    fn a_hello_that_offers_nothing_offers_nothing() {
        assert_eq!(read(&hello(&[]), 100), Ok(Some(Offered::default())));
    }

    #[test]
    fn what_is_no_hello_is_said_to_be_none() {
        for bytes in [
            b"GET / HTTP/1.1\r\n\r\n".as_slice(),
            b"\x16\x03\x01\x00\x05hello",
            b"\x15\x03\x01\x00\x02\x02\x28",
            b"\x16\x03\x01\xff\xff\x01",
        ] {
            assert_eq!(read(bytes, bytes.len()), Err(NoHello), "{bytes:?}");
        }
    }
}
