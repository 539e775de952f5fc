//! Shows our svid to the peer, and remembers whether it was asked to. Owns nothing of the svid itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::svid::Svid;

/// The svid of one handshake, if there is one to show.
#[derive(Debug)]
pub(crate) struct Presenter {
    svid: Option<Arc<Svid>>,
    presented: AtomicBool,
}

impl Presenter {
    pub(crate) fn new(svid: Option<Arc<Svid>>) -> Arc<Self> {
        Arc::new(Self { svid, presented: AtomicBool::new(false) })
    }

    /// The svid, when the peer has seen it: only then does it bound the session.
    pub(crate) fn presented(&self) -> Option<Arc<Svid>> {
        self.svid.clone().filter(|_| self.presented.load(Ordering::Acquire))
    }

    /// The svid, when its key can sign in a way that the peer reads; otherwise rustls would send an empty list.
    fn present(&self, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let certified = self.svid.as_ref()?.certified();
        certified.key.choose_scheme(schemes)?;
        self.presented.store(true, Ordering::Release);
        Some(certified.clone())
    }
}

impl ResolvesServerCert for Presenter {
    /// Whatever name the client asked for: a workload has one identity (H11).
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.present(hello.signature_schemes())
    }
}

impl ResolvesClientCert for Presenter {
    fn resolve(&self, _roots: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.present(schemes)
    }

    fn has_certs(&self) -> bool {
        self.svid.is_some()
    }
}
