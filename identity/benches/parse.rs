//! What reading costs, as every handshake pays it: a SPIFFE ID, an svid's end certificate, an authority, and the list of all
//! broken rules; beside them the certificate as `x509-parser` reads it, without a rule. It prints, and asserts nothing about time. Run it with `cargo bench -p kith-identity`; without `--bench` it
//! only shows that it works.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use kith_identity::SpiffeId;
use kith_identity::svid::{Authority, Leaf, inspect};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";

/// `calls` readings without a look at the clock, `rounds` times over.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    calls: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let effort =
        if is_measured { Effort { rounds: 31, calls: 20_000 } } else { Effort { rounds: 3, calls: 10 } };
    let longest = format!("spiffe://demo.local/{}", "a".repeat(2028));
    let leaf = certificate(&leaf()?)?;
    let authority = certificate(&authority()?)?;
    println!("{:<34}  {:>9}  {:>9}", "reading", "median", "fastest");
    report(effort, "a SPIFFE ID of 34 bytes", || SpiffeId::parse(black_box(WEB)).is_ok());
    report(effort, "a SPIFFE ID of 2048 bytes", || SpiffeId::parse(black_box(&longest)).is_ok());
    report(effort, "an end certificate", || Leaf::parse(black_box(&leaf)).is_ok());
    report(effort, "the same by x509-parser, no rules", || {
        X509Certificate::from_der(black_box(&leaf)).is_ok_and(|(rest, _)| rest.is_empty())
    });
    report(effort, "an authority", || Authority::parse(black_box(&authority)).is_ok());
    report(effort, "an end certificate as an authority", || Authority::parse(black_box(&leaf)).is_err());
    report(effort, "all that a certificate shows", || {
        inspect::certificate(black_box(&leaf)).broken_as_leaf.is_empty()
    });
    Ok(())
}

/// One line: what one reading takes.
fn report(effort: Effort, what: &str, read: impl Fn() -> bool) {
    assert!(read(), "{what} went otherwise than it is measured for");
    let mut times: Vec<Duration> = (0..effort.rounds).map(|_| timed(effort.calls, &read)).collect();
    times.sort_unstable();
    let ns = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(effort.calls);
    println!("{what:<34}  {:>6.0} ns  {:>6.0} ns", ns(times[times.len() / 2]), ns(times[0]));
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring is reading the clock; nothing depends on what it says"
)]
fn timed(calls: u32, read: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(read());
    }
    start.elapsed()
}

fn leaf() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(WEB.try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    Ok(params)
}

fn authority() -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("spiffe://demo.local".try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    Ok(params)
}

/// Signed by itself: nothing here looks at the signature.
fn certificate(params: &CertificateParams) -> Result<Vec<u8>, rcgen::Error> {
    Ok(params.self_signed(&KeyPair::generate()?)?.der().to_vec())
}
