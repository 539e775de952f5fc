//! What the verification of one presented chain costs, without a handshake around it; and the worst chain that is let in.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;

use kith_identity::{Bundle, BundleSet};
use kith_mtls::{Accept, Role, verify_chain};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, UnixTime};
use tokio::time::Instant;

use crate::ends::{Tickets, handshake};
use crate::mesh::{Mesh, WEB, authority, demo, leaf, now};
use crate::{Effort, bare, median};

/// Microseconds of one verification.
pub(crate) async fn measure(mesh: &Mesh, effort: Effort) -> Result<(), Box<dyn Error>> {
    let chain = mesh.web_chain()?;
    let certificates: Vec<_> = chain.iter().cloned().map(CertificateDer::from).collect();
    let accept = Accept::TrustDomain(demo()?);
    let webpki = bare::client_verifier(mesh)?;
    let at = UnixTime::since_unix_epoch(now().duration_since(std::time::UNIX_EPOCH)?);

    println!("{:<48}  {:>12}", "verification of one chain", "us");
    let one = || webpki.verify_client_cert(&certificates[0], &certificates[1..], at).map(drop).is_ok();
    println!("{:<48}  {:>12.1}", "bare rustls (rustls-webpki)", microseconds(one, effort));
    let one = || verify_chain(&chain, mesh.bundles(), &accept, Role::Client, now()).is_ok();
    println!("{:<48}  {:>12.1}", "kith, cold", microseconds(one, effort));
    // Only a handshake makes a chain be remembered.
    handshake(&mesh.acceptor(Tickets::None), &mesh.connector(), Tickets::None).await?;
    let look = || mesh.credentials().verify_chain(&chain, &accept, Role::Client);
    if !Arc::ptr_eq(&look()?, &look()?) {
        return Err("the chain is not remembered".into());
    }
    let one = || look().is_ok();
    println!("{:<48}  {:>12.1}", "kith, remembered", microseconds(one, effort));

    let bomb = bomb()?;
    let bundles: BundleSet = [Bundle::parse(demo()?, &[&bomb.anchor])?].into_iter().collect();
    let one = || verify_chain(&bomb.chain, &bundles, &accept, Role::Client, now()).is_err();
    let few = Effort { handshakes: 1, ..effort };
    println!("{:<48}  {:>12.1}", "kith, the worst chain that is not refused unread", microseconds(one, few));
    Ok(())
}

fn microseconds(verify: impl Fn() -> bool, effort: Effort) -> f64 {
    let figures = (0..effort.rounds).map(|_| {
        let began = Instant::now();
        for _ in 0..effort.handshakes {
            assert!(black_box(verify()), "a verification ended otherwise than it is measured for");
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(effort.handshakes)
    });
    median(figures.collect())
}

/// A chain whose authorities can be tried in any order, and an anchor of the right name that signed none of them.
struct Bomb {
    chain: Vec<Vec<u8>>,
    anchor: Vec<u8>,
}

fn bomb() -> Result<Bomb, Box<dyn Error>> {
    let mut issuer: Option<Issuer<'static, KeyPair>> = None;
    let mut authorities = Vec::new();
    for name in ["outer", "inner"] {
        for _ in 0..4 {
            let (params, key): (CertificateParams, _) = (authority(name), KeyPair::generate()?);
            let signed = match &issuer {
                Some(issuer) => params.signed_by(&key, issuer)?,
                None => params.self_signed(&key)?,
            };
            authorities.push(signed.der().to_vec());
            issuer = Some(Issuer::new(params, key));
        }
    }
    let issuer = issuer.ok_or("there are authorities")?;
    let end = leaf(WEB)?.signed_by(&KeyPair::generate()?, &issuer)?.der().to_vec();
    let anchor = authority("outer").self_signed(&KeyPair::generate()?)?.der().to_vec();
    Ok(Bomb { chain: [vec![end], authorities].concat(), anchor })
}
