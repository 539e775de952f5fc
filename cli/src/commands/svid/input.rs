//! Where the bytes come from that are to be looked at: a file, standard input, or a server that presents a chain. Owns the
//! limits of what is read, and nothing of what it says.

use std::io::{self, Read};
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use kith_mtls::{HandshakeError, peek_chain};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// A bundle may have 1 MiB; as PEM it is longer.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
/// To connect, and again to get the chain.
const PATIENCE: Duration = Duration::from_secs(5);
/// What SPIFFE servers speak behind TLS. One that wants its own name offers it to nobody else.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Something to look at.
#[derive(Debug)]
pub(super) struct Input {
    /// What it is called in the answer.
    pub(super) name: String,
    pub(super) content: Content,
}

/// What was read.
#[derive(Debug)]
pub(super) enum Content {
    /// Of a file, with its mode, or of standard input. There may be a private key among them.
    Bytes { bytes: Zeroizing<Vec<u8>>, mode: Option<u32> },
    /// Presented by a server, in DER.
    Chain(Vec<Vec<u8>>),
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It cannot be read.
    #[error("cannot read {name}: {reason}")]
    Read {
        /// The file.
        name: String,
        /// Why not.
        reason: io::Error,
    },
    /// Neither a file nor an address.
    #[error("there is no file {0:?}, and it does not name HOST:PORT either")]
    Neither(String),
    /// More than anything that would be looked at.
    #[error("{0} has more than 4 MiB, which no certificate, token or bundle has")]
    TooLarge(String),
    /// Nobody is there.
    #[error("cannot connect to {name}: {reason}")]
    Connect {
        /// The address.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The server presents no chain.
    #[error("{name} presents no chain: {reason}")]
    NoChain {
        /// The address.
        name: String,
        /// Why not.
        reason: HandshakeError,
    },
    /// It is nothing that we know.
    #[error("{name} is no certificate, no JWT-SVID and no bundle: {reason}")]
    Unknown {
        /// The input.
        name: String,
        /// What was found.
        reason: String,
    },
}

impl InputError {
    /// Whether the trouble is that nobody answers.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::NoChain { .. })
    }
}

/// Reads what an argument names: `-`, a file that is there, or a server.
pub(super) async fn read(subject: &str) -> Result<Input, InputError> {
    if subject == "-" {
        let name = "standard input".to_owned();
        let bytes = limited(io::stdin().lock(), &name)?;
        return Ok(Input { name, content: Content::Bytes { bytes, mode: None } });
    }
    let path = Path::new(subject);
    match (path.exists(), host_and_port(subject)) {
        (false, Some((host, port))) => presented(subject, host, port).await,
        (false, None) if !subject.contains('/') && subject.contains(':') => {
            Err(InputError::Neither(subject.to_owned()))
        }
        _ => file(path),
    }
}

/// Reads a file.
pub(super) fn file(path: &Path) -> Result<Input, InputError> {
    let name = path.display().to_string();
    let failed = |reason| InputError::Read { name: name.clone(), reason };
    let opened = std::fs::File::open(path).map_err(failed)?;
    let metadata = opened.metadata().map_err(failed)?;
    let bytes = limited(&opened, &name)?;
    // What a pipe or a device allows says nothing about who may read a key.
    let mode = metadata.is_file().then(|| metadata.permissions().mode() & 0o777);
    Ok(Input { name, content: Content::Bytes { bytes, mode } })
}

/// Into memory that is large enough from the start: a buffer that grows leaves copies of itself behind.
fn limited(source: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>, InputError> {
    let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    let read = source.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|reason| InputError::Read { name: name.to_owned(), reason })?;
    if bytes.len() > limit { Err(InputError::TooLarge(name.to_owned())) } else { Ok(bytes) }
}

/// `payments.example:8443`, `10.0.0.1:8443`, `[::1]:8443`.
fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0)?;
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().ok().map(|_| (address, port));
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (!host.is_empty() && host.bytes().all(allowed)).then_some((host, port))
}

async fn presented(name: &str, host: &str, port: u16) -> Result<Input, InputError> {
    let refused = |reason: String| InputError::Connect { name: name.to_owned(), reason };
    let connected = timeout(PATIENCE, TcpStream::connect((host, port))).await;
    let stream = connected
        .map_err(|_| refused(format!("no answer within {PATIENCE:?}")))?
        .map_err(|error| refused(error.to_string()))?;
    let chain = peek_chain(stream, &ALPN, PATIENCE).await;
    let chain = chain.map_err(|reason| InputError::NoChain { name: name.to_owned(), reason })?;
    Ok(Input { name: name.to_owned(), content: Content::Chain(chain) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, want) in [
            ("payments.example:8443", Some(("payments.example", 8443))),
            ("127.0.0.1:1", Some(("127.0.0.1", 1))),
            ("[::1]:8443", Some(("::1", 8443))),
            ("::1:8443", None),
            ("[::x]:8443", None),
            ("payments", None),
            ("payments:", None),
            ("payments:0", None),
            ("payments:+1", None),
            ("payments:65536", None),
            (":8443", None),
            ("a/b:8443", None),
            ("user@host:8443", None),
        ] {
            assert_eq!(host_and_port(text), want, "{text}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_read_and_its_mode_is_known() {
        let folder = tempfile::tempdir().unwrap();
        // Named like an address: what is there comes first.
        let path = folder.path().join("svid.pem:8443");
        std::fs::write(&path, "text").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let input = read(path.to_str().unwrap()).await.unwrap();
        assert_eq!(input.name, path.display().to_string());
        match input.content {
            Content::Bytes { bytes, mode } => {
                assert_eq!((bytes.as_slice(), mode), (&b"text"[..], Some(0o640)))
            }
            other @ Content::Chain(_) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing").display().to_string();
        assert!(read(&missing).await.unwrap_err().to_string().contains("No such file"));
        let large = folder.path().join("large");
        std::fs::File::create(&large).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert!(matches!(file(&large), Err(InputError::TooLarge(_))));
        assert!(matches!(read("no such:thing").await, Err(InputError::Neither(_))));
        assert!(file(folder.path()).unwrap_err().to_string().contains("directory"));
    }

    #[tokio::test]
    async fn a_server_that_does_not_speak_tls_presents_no_chain() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let hangs_up = async { drop(listener.accept().await.unwrap()) };
        let (seen, ()) = tokio::join!(read(&address), hangs_up);
        let error = seen.unwrap_err();
        assert!(matches!(error, InputError::NoChain { .. }) && error.is_unreachable(), "{error}");
        drop(listener);
        assert!(matches!(read(&address).await, Err(InputError::Connect { .. })));
    }
}
