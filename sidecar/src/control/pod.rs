//! A pod, as its sidecar sees it: two files that the kubelet keeps up to date. The token says which pod this is; the roots
//! are what the control plane must prove itself against before it gets the token.
//!
//! Both are read anew each time, because they change under us, and nothing of the token is ever written anywhere: neither
//! its text nor an error that quotes it (U9).

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kith_identity::{Bundle, TrustDomain};
use kith_mtls::{PemError, bundle_from_pem};
use kith_proto::pod::{HostPort, ROOTS_FILE, TOKEN_FILE};
use kith_proto::v1::issue_request::Evidence;
use tokio::net::lookup_host;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::platform::Attestation;

/// Tokens have about one kilobyte.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// A root has less than one, and there are few.
const MAX_ROOTS_BYTES: usize = 256 * 1024;
/// Then the next try asks anew.
const LOOKUP_LIMIT: Duration = Duration::from_secs(3);
/// Of one name; each is tried.
const MAX_ADDRESSES: usize = 8;

/// What a pod is attested by.
#[derive(Debug)]
pub(crate) struct Pod {
    folder: PathBuf,
    trust_domain: TrustDomain,
    control_plane: HostPort,
}

/// The kubelet's token. Its memory is wiped when it is dropped; copies that travel in messages are the transport's.
pub(super) struct Token(Zeroizing<String>);

/// Why this pod cannot prove what it is, or does not know whom to prove it to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodError {
    #[error("token {}: {error}", .path.display())]
    Token { path: PathBuf, error: FileError },
    #[error("roots {}: {error}", .path.display())]
    Roots { path: PathBuf, error: FileError },
    #[error("roots {}: {error}", .path.display())]
    NoBundle { path: PathBuf, error: PemError },
    #[error("control plane {host}: {error}")]
    Lookup { host: String, error: io::Error },
    #[error("control plane {host}: the name has no address")]
    NoAddress { host: String },
}

/// Why a file of the kubelet's is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("it is empty")]
    Empty,
    #[error("it has more than {0} bytes")]
    TooLarge(usize),
    #[error("it is no token: it has bytes that no token has")]
    NotAToken,
}

impl Pod {
    /// The pod that this process runs in; the kubelet's files are in that folder.
    pub(crate) fn new(folder: PathBuf, trust_domain: TrustDomain, control_plane: HostPort) -> Self {
        Self { folder, trust_domain, control_plane }
    }

    /// Evidence, and the only one that it may be shown to. Without roots nobody can prove to be that one.
    pub(super) async fn attest(&self) -> Result<Attestation, PodError> {
        let bundle = self.roots()?;
        let control_plane = self.control_plane().await?;
        let evidence = Evidence::PodToken(self.token()?.as_str().to_owned());
        Ok(Attestation { evidence, control_plane, bundle })
    }

    /// The token as it is now: it is replaced long before it ends.
    pub(super) fn token(&self) -> Result<Token, PodError> {
        let path = self.folder.join(TOKEN_FILE);
        let read = || {
            let bytes = read(&path, MAX_TOKEN_BYTES)?;
            // A message could carry other bytes too, and its receiver would quote them.
            let text = std::str::from_utf8(&bytes).ok();
            let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()));
            Ok(Token(Zeroizing::new(text.ok_or(FileError::NotAToken)?.to_owned())))
        };
        read().map_err(|error| PodError::Token { path: path.clone(), error })
    }

    fn roots(&self) -> Result<Bundle, PodError> {
        let path = self.folder.join(ROOTS_FILE);
        let pem = match read(&path, MAX_ROOTS_BYTES) {
            Ok(pem) => pem,
            Err(error) => return Err(PodError::Roots { path, error }),
        };
        bundle_from_pem(self.trust_domain.clone(), &pem).map_err(|error| PodError::NoBundle { path, error })
    }

    /// Every address of the control plane, of either family; a Service may get another one.
    pub(super) async fn control_plane(&self) -> Result<Vec<SocketAddr>, PodError> {
        let (host, port) = (self.control_plane.host(), self.control_plane.port());
        let failed = |error| PodError::Lookup { host: host.to_owned(), error };
        let found = timeout(LOOKUP_LIMIT, lookup_host((host, port)))
            .await
            .map_err(|_| failed(io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        let mut addresses = Vec::new();
        for address in found.filter(|address| address.port() != 0) {
            if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err(PodError::NoAddress { host: host.to_owned() }) } else { Ok(addresses) }
    }
}

/// The whole file, which is in memory: the kubelet mounts it so. Never grown, so that no piece of it is left behind.
fn read(path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    File::open(path)?.take(most as u64 + 1).read_to_end(&mut bytes)?;
    match bytes.len() {
        0 => Err(FileError::Empty),
        length if length > most => Err(FileError::TooLarge(most)),
        _ => Ok(bytes),
    }
}

impl Token {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests;
