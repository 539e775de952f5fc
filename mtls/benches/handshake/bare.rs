//! The ends that are not ours: rustls as it comes, with its own verifiers and settings that are built once.

use std::error::Error;
use std::sync::Arc;

use kith_mtls::Now;
use rcgen::KeyPair;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider, kx_group};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::ends::{Acceptor, Connector, Tickets, bare_acceptor, bare_connector};
use crate::mesh::{ALPN, Mesh, PAYMENTS, WEB, now};

/// What the ends know of key exchanges.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Groups {
    /// The same as ours, in the same order.
    Preferred,
    /// X25519 alone.
    Classical,
}

/// Settings without tickets.
pub(crate) struct Bare {
    server: ServerConfig,
    client: ClientConfig,
}

impl Bare {
    pub(crate) fn new(mesh: &Mesh, groups: Groups) -> Result<Self, Box<dyn Error>> {
        let kx_groups = match groups {
            Groups::Preferred => vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
            Groups::Classical => vec![kx_group::X25519],
        };
        let provider = Arc::new(CryptoProvider { kx_groups, ..default_provider() });
        let clock = Arc::new(Now::new(now));
        let (chain, key) = identity(mesh, PAYMENTS)?;
        let mut server = ServerConfig::builder_with_details(provider.clone(), clock.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(client_verifier(mesh)?)
            .with_single_cert(chain, key)?;
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let (chain, key) = identity(mesh, WEB)?;
        let mut client = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_webpki_verifier(server_verifier(mesh)?)
            .with_client_auth_cert(chain, key)?;
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.enable_sni = false;
        client.resumption = Resumption::disabled();
        Ok(Self { server, client })
    }

    pub(crate) fn acceptor(&self, tickets: Tickets) -> Acceptor {
        let mut config = self.server.clone();
        if tickets == Tickets::Used {
            config.ticketer = Ticketer::new().expect("the system has random bytes");
            config.send_tls13_tickets = 2;
        }
        bare_acceptor(config)
    }

    pub(crate) fn connector(&self, tickets: Tickets) -> Connector {
        let mut config = self.client.clone();
        if tickets == Tickets::Used {
            config.resumption = Resumption::in_memory_sessions(8);
        }
        bare_connector(config)
    }
}

/// A key of its own, and the chain for it.
pub(crate) fn identity(
    mesh: &Mesh,
    uri: &str,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Box<dyn Error>> {
    let key = KeyPair::generate()?;
    let chain = mesh.certify(&key, uri)?.into_iter().map(CertificateDer::from).collect();
    Ok((chain, PrivateKeyDer::try_from(key.serialize_der())?))
}

fn roots(mesh: &Mesh) -> Result<Arc<RootCertStore>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(mesh.root().to_vec().into())?;
    Ok(Arc::new(roots))
}

pub(crate) fn client_verifier(
    mesh: &Mesh,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, Box<dyn Error>> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots(mesh)?, Arc::new(default_provider()));
    Ok(builder.build()?)
}

fn server_verifier(mesh: &Mesh) -> Result<Arc<WebPkiServerVerifier>, Box<dyn Error>> {
    let builder = WebPkiServerVerifier::builder_with_provider(roots(mesh)?, Arc::new(default_provider()));
    Ok(builder.build()?)
}
