//! The webhook's certificate over time. Owns when the server's certificate and the authority above it are replaced, and
//! the order of it: a new authority is trusted by the API server before it signs, and an old one is trusted until what it
//! signed is gone.
//!
//! All of it is in memory. A process that starts makes an authority of its own and publishes it; there is nothing to keep
//! safe, and nothing to lose.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_ca::{WebAuthority, WebCertificate, WebError};
use kith_mtls::{Now, WebIdentity, WebIdentityError, WebServer};
use kith_runtime::Clock;
use tokio::sync::watch;
use tracing::{error, info};

use super::server::ALPN;

/// The certificate lives for a week, and is due at half of it.
const CHECK: Duration = Duration::from_secs(3600);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error(transparent)]
    Make(#[from] WebError),
    #[error(transparent)]
    Show(#[from] WebIdentityError),
}

/// What signs, what is shown, and what is trusted.
pub(crate) struct Certificates {
    name: String,
    authority: WebAuthority,
    /// Trusted, and not yet signing.
    next: Option<WebAuthority>,
    certificate: WebCertificate,
    shown: watch::Sender<Arc<WebIdentity>>,
    trusted: watch::Sender<Arc<str>>,
    clock: Clock,
}

impl Certificates {
    /// For the Service `kith-control-plane` in this namespace.
    pub(crate) fn create(namespace: &str, clock: Clock) -> Result<Self, CertificateError> {
        let (name, now) = (format!("kith-control-plane.{namespace}.svc"), clock.now());
        let authority = WebAuthority::create(&name, now)?;
        let certificate = authority.issue(now)?;
        Ok(Self {
            shown: watch::Sender::new(Arc::new(identity(&certificate)?)),
            trusted: watch::Sender::new(authority.to_pem().into()),
            name,
            authority,
            next: None,
            certificate,
            clock,
        })
    }

    /// What the server shows, live.
    pub(crate) fn tls(&self) -> WebServer {
        let clock = self.clock.clone();
        WebServer::new(self.shown.subscribe(), Now::new(move || clock.now()), ALPN)
    }

    /// What the API server has to trust, in PEM.
    pub(crate) fn trusted(&self) -> watch::Receiver<Arc<str>> {
        self.trusted.subscribe()
    }

    /// Replaces what is due; ends only by being dropped. `published` is what the API server trusts now.
    pub(crate) async fn keep(mut self, mut published: watch::Receiver<Option<Arc<str>>>) {
        loop {
            let trusted = published.borrow_and_update().clone();
            if let Err(error) = self.step(trusted.as_deref(), self.clock.now()) {
                error!(%error, "Certificate of the webhook not replaced");
            }
            tokio::select! {
                () = tokio::time::sleep(CHECK) => {}
                changed = published.changed() => if changed.is_err() {
                    // Nobody publishes any more: the process ends.
                    return;
                }
            }
        }
    }

    fn step(&mut self, published: Option<&str>, now: SystemTime) -> Result<(), CertificateError> {
        if self.next.is_none() && self.authority.is_due(now) {
            let next = WebAuthority::create(&self.name, now)?;
            self.trusted.send_replace(format!("{}{}", self.authority.to_pem(), next.to_pem()).into());
            self.next = Some(next);
            info!("Authority of the webhook prepared");
        }
        let is_published = published == Some(&**self.trusted.borrow());
        if let Some(next) = self.next.take_if(|_| is_published) {
            self.show(next.issue(now)?)?;
            self.trusted.send_replace(next.to_pem().into());
            self.authority = next;
            info!("Authority of the webhook replaced");
        } else if self.certificate.is_due(now) {
            self.show(self.authority.issue(now)?)?;
            info!("Certificate of the webhook replaced");
        }
        Ok(())
    }

    fn show(&mut self, certificate: WebCertificate) -> Result<(), CertificateError> {
        self.shown.send_replace(Arc::new(identity(&certificate)?));
        self.certificate = certificate;
        Ok(())
    }
}

fn identity(certificate: &WebCertificate) -> Result<WebIdentity, WebIdentityError> {
    WebIdentity::new(certificate.der(), certificate.key_pkcs8())
}

#[cfg(test)]
mod tests {
    use kith_runtime::ManualClock;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn certificates() -> (Certificates, ManualClock) {
        let (clock, hand) = Clock::manual(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        (Certificates::create("kith", clock).unwrap(), hand)
    }

    /// One step at the present time; says whether another certificate is shown.
    fn step(certificates: &mut Certificates, published: Option<&str>) -> bool {
        let before = certificates.shown.borrow().clone();
        certificates.step(published, certificates.clock.now()).unwrap();
        !Arc::ptr_eq(&before, &certificates.shown.borrow())
    }

    fn authorities(certificates: &Certificates) -> usize {
        certificates.trusted.borrow().matches("BEGIN CERTIFICATE").count()
    }

    #[test]
    fn a_certificate_is_replaced_at_half_its_life_by_the_same_authority() {
        let (mut certificates, hand) = certificates();
        let trusted = certificates.trusted().borrow().clone();
        assert!(!step(&mut certificates, None));
        hand.advance(4 * DAY);
        assert!(step(&mut certificates, None));
        assert!(!step(&mut certificates, None), "once");
        assert_eq!(trusted, *certificates.trusted().borrow());
    }

    #[test]
    fn a_new_authority_signs_only_after_it_is_trusted_and_the_old_one_is_trusted_until_then() {
        let (mut certificates, hand) = certificates();
        let old = certificates.trusted.borrow().to_string();
        hand.advance(46 * DAY);
        step(&mut certificates, Some(&old));
        assert_eq!(authorities(&certificates), 2);
        assert!(certificates.trusted.borrow().starts_with(&old));
        // Not published: the old one goes on signing.
        assert!(!step(&mut certificates, Some(&old)) && !step(&mut certificates, None));

        let both = certificates.trusted.borrow().to_string();
        assert!(step(&mut certificates, Some(&both)));
        assert_eq!(authorities(&certificates), 1);
        assert!(!certificates.trusted.borrow().contains(&old));
        assert!(!step(&mut certificates, Some(&both)), "once");
    }

    #[test]
    fn an_authority_that_ended_unpublished_is_an_error_until_the_next_is_trusted() {
        let (mut certificates, hand) = certificates();
        hand.advance(91 * DAY);
        assert!(certificates.step(None, certificates.clock.now()).is_err());
        let both = certificates.trusted.borrow().to_string();
        assert!(step(&mut certificates, Some(&both)));
    }
}
