//! A ClientHello, byte by byte. Owns its encoding; what is odd about one is set by the test that sends it.

use std::io::{Read, Write};
use std::net::TcpStream;

/// The parts of a hello that tests vary. The rest is what a small client sends.
#[derive(Clone)]
pub(super) struct Hello {
    /// In the record's header.
    pub(super) record: u16,
    /// What was the version before TLS 1.3.
    pub(super) version: u16,
    /// What is, since then.
    pub(super) versions: Option<Vec<u16>>,
    pub(super) suites: Vec<u16>,
    pub(super) schemes: Vec<u16>,
    pub(super) alpn: Option<Vec<Vec<u8>>>,
    /// Further extensions.
    pub(super) more: Vec<(u16, Vec<u8>)>,
}

impl Hello {
    /// A good one for TLS 1.3: X25519, AES-128, ECDSA with P-256.
    pub(super) fn tls13() -> Self {
        Self {
            record: 0x0301,
            version: 0x0303,
            versions: Some(vec![0x0304]),
            suites: vec![0x1301],
            schemes: vec![0x0403],
            alpn: None,
            more: Vec::new(),
        }
    }

    /// Of a client of this version, older than TLS 1.3. Extensions are of TLS alone.
    pub(super) fn old(version: u16) -> Self {
        Self {
            record: version.min(0x0301),
            version,
            versions: None,
            suites: vec![0xc02b, 0xc009, 0x002f],
            ..Self::tls13()
        }
    }

    /// The handshake message.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut body = self.version.to_be_bytes().to_vec();
        body.extend([7; 32]);
        body.push(0); // no session
        body.extend(with_length(&flat(&self.suites)));
        body.extend([1, 0]); // no compression
        if self.version >= 0x0301 {
            body.extend(with_length(&self.extensions()));
        }
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[1, length[1], length[2], length[3]], body.as_slice()].concat()
    }

    /// The message in as few records as it fits.
    pub(super) fn records(&self) -> Vec<u8> {
        self.records_of(16 * 1024)
    }

    /// The message in records of so many bytes.
    pub(super) fn records_of(&self, size: usize) -> Vec<u8> {
        let record = |piece: &[u8]| [&[22][..], &self.record.to_be_bytes(), &with_length(piece)].concat();
        self.message().chunks(size).flat_map(record).collect()
    }

    fn extensions(&self) -> Vec<u8> {
        let share = [&[0, 0x1d, 0, 32][..], &[9; 32]].concat();
        let names = self.alpn.iter().map(|names| {
            let list: Vec<u8> = names.iter().flat_map(|name| short(name)).collect();
            (16, with_length(&list))
        });
        let versions = self.versions.iter().map(|versions| (43, short(&flat(versions))));
        let own = [
            (10, vec![0, 2, 0, 0x1d]), // supported_groups: x25519
            (13, with_length(&flat(&self.schemes))),
            (51, with_length(&share)),
        ];
        let all = own.into_iter().chain(versions).chain(names).chain(self.more.iter().cloned());
        all.flat_map(|(kind, body): (u16, Vec<u8>)| [&kind.to_be_bytes()[..], &with_length(&body)].concat())
            .collect()
    }
}

/// Two bytes each.
fn flat(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

/// Behind a length of two bytes.
pub(super) fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Behind a length of one byte.
fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()][..], bytes].concat()
}

/// What the server made of the first bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on with the handshake.
    ServerHello,
    /// It ended it with this fatal alert, and said nothing else.
    Alert(u8),
    /// It ended it and said nothing.
    Silence,
}

/// Sends bytes and reads the beginning of what comes back.
pub(super) fn ask(mut socket: TcpStream, bytes: &[u8]) -> Answer {
    // Whoever is refused early does not read all of it.
    let _ = socket.write_all(bytes);
    let mut header = [0; 5];
    if socket.read_exact(&mut header).is_err() {
        return Answer::Silence;
    }
    if header[0] == 22 {
        return Answer::ServerHello;
    }
    let mut rest = Vec::new();
    // A reset after the alert is an end too.
    let _ = socket.read_to_end(&mut rest);
    match (header, rest.as_slice()) {
        ([21, 3, 1 | 3, 0, 2], [2, alert]) => Answer::Alert(*alert),
        other => panic!("neither a hello nor an alert: {other:?}"),
    }
}
