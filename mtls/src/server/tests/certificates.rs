//! What a client shows, or does not: which proof is good enough.

use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};

use super::*;

// L3.
#[tokio::test]
async fn a_client_without_a_certificate_is_refused_in_the_handshake() {
    let root = TestCa::root();
    let (accepted, answer) = attempt(&server(&payments(&root), ClientSvid::Required), raw_client(None)).await;
    assert_eq!(refused(accepted).0, "no_client_certificate");
    // The client learns why, and gets nothing else.
    assert!(answer.unwrap_err().to_string().contains("CertificateRequired"));
}

#[tokio::test]
async fn where_an_svid_is_optional_a_client_without_one_is_nobody() {
    let root = TestCa::root();
    let nobody = Party::new(None, [root.bundle("demo.local")]);
    let server = server(&payments(&root), ClientSvid::Optional);
    let (accepted, connected) =
        meet(&server, &client(&nobody, ClientIdentity::SvidIfAny), only_payments()).await;
    assert_eq!(accepted.unwrap().peer, None);
    let outbound = connected.unwrap();
    assert!(outbound.own.is_none());
    assert_eq!(outbound.ends_at(), Some(at(3600)));
}

#[tokio::test]
async fn where_an_svid_is_optional_a_bad_one_is_refused_all_the_same() {
    let (root, other) = (TestCa::root(), TestCa::root());
    let (key, chain) = other.key_and_chain(&leaf_params(WEB));
    let server = server(&payments(&root), ClientSvid::Optional);
    let (accepted, _) = attempt(&server, raw_client(Some(certified(&key, chain)))).await;
    assert_eq!(refused(accepted).0, "unknown_authority");
}

#[tokio::test]
async fn every_refusal_of_the_verifier_comes_out_with_its_reason_and_its_alert() {
    type Spoil = fn(&mut rcgen::CertificateParams);
    let (root, other) = (TestCa::root(), TestCa::root());
    let rows: [(&str, &TestCa, Spoil, &str, &str, &str); 7] = [
        ("unknown authority", &other, |_| (), "unknown_authority", "claims spiffe://demo.local", "UnknownCA"),
        ("no URI", &root, |p| p.subject_alt_names.clear(), "bad_certificate", "no URI", "BadCertificate"),
        (
            "two URIs",
            &root,
            |p| p.subject_alt_names.push(uri("spiffe://demo.local/ns/shop/sa/admin")),
            "bad_certificate",
            "2 URIs",
            "BadCertificate",
        ),
        (
            "a signing certificate",
            &root,
            |p| p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained),
            "bad_certificate",
            "cA true",
            "BadCertificate",
        ),
        ("ended", &root, |p| valid(p, -DAY, -5), "svid_expired", "expired 5 s ago", "CertificateExpired"),
        ("not begun", &root, |p| valid(p, 5, DAY), "not_yet_valid", "begins in 5 s", "CertificateExpired"),
        (
            "another trust domain",
            &root,
            |p| p.subject_alt_names = vec![uri("spiffe://other.example/ns/shop/sa/web")],
            "untrusted_domain",
            "no bundle for trust domain other.example",
            "UnknownCA",
        ),
    ];
    let payments = payments(&root);
    for (what, ca, spoil, reason, words, alert) in rows {
        let mut params = leaf_params(WEB);
        spoil(&mut params);
        let (key, chain) = ca.key_and_chain(&params);
        let config = raw_client(Some(certified(&key, chain)));
        let (accepted, answer) = attempt(&server(&payments, ClientSvid::Required), config).await;
        let (got, message) = refused(accepted);
        assert_eq!(got, reason, "{what}: {message}");
        assert!(message.contains(words), "{what}: {message}");
        let seen = answer.unwrap_err().to_string();
        assert!(seen.contains(alert), "{what}: {seen}");
    }
}

#[tokio::test]
async fn a_proven_caller_outside_the_accepted_set_is_refused() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = Server::new(payments.credentials(), only_payments(), ClientSvid::Required, ALPN);
    let (accepted, connected) =
        meet(&server, &client(&web(&root), ClientIdentity::Svid), only_payments()).await;
    let want = format!("the peer is {WEB}, expected {PAYMENTS}");
    assert_eq!(refused(accepted.map(|session| session.peer)), ("unexpected_identity", want));
    let mut answer = Vec::new();
    let seen = connected.unwrap().stream.read_to_end(&mut answer).await.unwrap_err();
    assert!(seen.to_string().contains("AccessDenied"), "{seen}");
}

// A6: a copied certificate is worth nothing without its key.
#[tokio::test]
async fn a_certificate_presented_without_its_key_is_refused() {
    let root = TestCa::root();
    let (_, chain) = root.key_and_chain(&leaf_params(WEB));
    let thief = WorkloadKey::generate().unwrap();
    let config = raw_client(Some(certified(&thief, chain)));
    let (accepted, _) = attempt(&server(&payments(&root), ClientSvid::Required), config).await;
    let (reason, message) = refused(accepted);
    assert_eq!(reason, "tls_error");
    assert!(message.contains("BadSignature"), "{message}");
}

// A6: what is remembered is that the chain is good, never that somebody has its key.
#[tokio::test]
async fn a_remembered_chain_presented_without_its_key_is_refused() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments, ClientSvid::Required);
    let (key, chain) = root.key_and_chain(&leaf_params(WEB));
    let owner = raw_client(Some(certified(&key, chain.clone())));
    assert!(attempt(&server, owner.clone()).await.0.is_ok());
    let thief = raw_client(Some(certified(&WorkloadKey::generate().unwrap(), chain)));
    let (reason, message) = refused(attempt(&server, thief).await.0);
    assert!(reason == "tls_error" && message.contains("BadSignature"), "{message}");
    assert!(attempt(&server, owner).await.0.is_ok());
}

/// A client with an svid for an RSA key, which may sign in these ways.
fn rsa_client(root: &TestCa, schemes: &'static [SignatureScheme]) -> rustls::ClientConfig {
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let chain = root.certify(&key, &leaf_params(WEB)).into_iter().map(CertificateDer::from).collect();
    let der = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).unwrap();
    raw_client(Some(CertifiedKey::new(chain, Arc::new(OnlyBy { key, schemes }))))
}

/// A key that signs in no other way, whatever it is asked for.
#[derive(Debug)]
struct OnlyBy {
    key: Arc<dyn SigningKey>,
    schemes: &'static [SignatureScheme],
}

impl SigningKey for OnlyBy {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        self.key.choose_scheme(self.schemes)
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.key.algorithm()
    }
}

// Foreign workloads may have RSA keys.
#[tokio::test]
async fn a_client_with_an_rsa_key_proves_itself() {
    let root = TestCa::root();
    let payments = payments(&root);
    let server = server(&payments, ClientSvid::Required);
    for scheme in [
        &[SignatureScheme::RSA_PSS_SHA256],
        &[SignatureScheme::RSA_PSS_SHA384],
        &[SignatureScheme::RSA_PSS_SHA512],
    ] {
        let (accepted, _) = attempt(&server, rsa_client(&root, scheme)).await;
        assert_eq!(accepted.unwrap().unwrap().identity(), &identity(WEB));
    }
}

// L13, RFC 8446 4.2.3: what is offered for certificates is not accepted for a handshake.
#[tokio::test]
async fn a_handshake_signed_with_pkcs1_is_refused() {
    let root = TestCa::root();
    let payments = payments(&root);
    let config = rsa_client(&root, &[SignatureScheme::RSA_PKCS1_SHA256]);
    let (accepted, _) = attempt(&server(&payments, ClientSvid::Required), config).await;
    let (reason, message) = refused(accepted);
    assert!(
        reason == "tls_error" && message.contains("SignedHandshakeWithUnadvertisedSigScheme"),
        "{message}"
    );
}
