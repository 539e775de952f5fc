//! What the X.509 profile answers, and when it answers again.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use kith_identity::svid::Leaf;
use kith_identity::{Bundle, TrustDomain};
use kith_proto::spiffe::X509BundlesRequest;

use super::*;
use crate::workload_api::source::Own;

fn partner() -> (TrustDomain, Authority) {
    (TrustDomain::parse("partner.example").unwrap(), Authority::new())
}

/// What X.509-SVIDs are checked against, and nothing else, is what bundles of this profile are made of.
// Conforms: Workload-API 4.3 first, Workload-API 5.1 leaf-first, Workload-API 5.1 pkcs8, Workload-API 5.1 der
// Conforms: Workload-API 5.2.1 one-or-more, Workload-API 5.2.1 hints, Workload-API 5.2.1 x509-only
// Conforms: Workload-API 1 x509-profile, Endpoint 3 grpc, Endpoint 3 uds, Endpoint 3.1 no-tls, Endpoint 7 workload-api
#[tokio::test]
async fn the_first_answer_comes_at_once_with_the_whole_svid() {
    let served = Served::ready();
    let own = served.svid.borrow().clone().unwrap();
    let answer = next(&mut served.svids().await).await.unwrap();
    assert_eq!(answer.svids.len(), 1);
    let svid = &answer.svids[0];
    assert_eq!((svid.spiffe_id.as_str(), svid.hint.as_str()), (served.identity.as_str(), ""));
    let chain: Vec<&[u8]> = own.chain().collect();
    assert_eq!((chain.len(), &svid.x509_svid), (2, &chain.concat()));
    let leaf = Leaf::parse(&svid.x509_svid[..chain[0].len()]).expect("the leaf first, in DER");
    assert_eq!(leaf.identity(), &served.identity);
    // A key that is encrypted, or another's, would not be read here, or not be that one.
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &svid.x509_svid_key).unwrap();
    let public = key.public_key().as_ref();
    assert!(chain[0].windows(public.len()).any(|window| window == public), "the key of the certificate");
    assert_eq!(svid.bundle, der_of(&served.authority));
    assert!(answer.federated_bundles.is_empty() && answer.crl.is_empty());
}

// Conforms: Workload-API 4.3 full-set
#[tokio::test]
async fn ten_rotations_are_ten_whole_answers() {
    let served = Served::ready();
    let mut stream = served.svids().await;
    let mut last = next(&mut stream).await.unwrap();
    for _ in 0..10 {
        let own = served.rotate();
        let answer = next(&mut stream).await.unwrap();
        assert_eq!(answer.svids[0].x509_svid, own.chain().collect::<Vec<_>>().concat());
        assert_eq!(answer.svids[0].bundle, last.svids[0].bundle);
        assert_ne!(answer.svids[0].x509_svid_key, last.svids[0].x509_svid_key, "every svid has its own key");
        last = answer;
    }
}

// Conforms: Workload-API 4.3 full-set
#[tokio::test]
async fn bundles_of_other_domains_come_beside_the_own_one_and_go_again() {
    let served = Served::ready();
    let mut stream = served.svids().await;
    next(&mut stream).await.unwrap();
    let (domain, authority) = partner();
    let own = served.authority.bundle().clone();
    let foreign = Bundle::parse(domain, &[der_of(&authority)]).unwrap();
    served.bundles.send_replace(Arc::new([own.clone(), foreign].into_iter().collect()));
    let answer = next(&mut stream).await.unwrap();
    assert_eq!(answer.svids.len(), 1, "also what has not changed");
    assert_eq!(answer.federated_bundles["spiffe://partner.example"], der_of(&authority));
    assert_eq!(answer.federated_bundles.len(), 1, "the own one is the svid's");
    served.bundles.send_replace(Arc::new([own].into_iter().collect()));
    assert!(next(&mut stream).await.unwrap().federated_bundles.is_empty());
}

// Conforms: Workload-API 5.2.2 own-bundle, Workload-API 5.2.2 x509-only
#[tokio::test]
async fn bundles_are_answered_with_the_own_one_among_them_also_before_there_is_an_svid() {
    let served = Served::start();
    let (domain, authority) = partner();
    let foreign = Bundle::parse(domain, &[der_of(&authority)]).unwrap();
    let own = served.authority.bundle().clone();
    served.bundles.send_replace(Arc::new([own, foreign].into_iter().collect()));
    let asked = served.client().await.fetch_x509_bundles(X509BundlesRequest {}).await;
    let mut stream = asked.unwrap().into_inner();
    let answer = next(&mut stream).await.unwrap();
    assert_eq!(answer.bundles.len(), 2);
    assert_eq!(answer.bundles["spiffe://demo.local"], der_of(&served.authority));
    assert_eq!(answer.bundles["spiffe://partner.example"], der_of(&authority));
    let next_root = Authority::new();
    served.trust([&served.authority, &next_root]);
    let answer = next(&mut stream).await.unwrap();
    assert_eq!(
        answer.bundles["spiffe://demo.local"],
        [der_of(&served.authority), der_of(&next_root)].concat()
    );
    assert_eq!(answer.bundles.len(), 1);
}

#[tokio::test]
async fn an_authority_that_is_distrusted_is_in_no_bundle_that_is_handed_out() {
    let served = Served::ready();
    let tainted = Authority::new();
    served.trust([&tainted, &served.authority]);
    let distrusted = tainted.bundle().authorities()[0].key_hash();
    served
        .bundles
        .send_modify(|bundles| *bundles = Arc::new(bundles.as_ref().clone().distrusting([distrusted])));
    let answer = next(&mut served.svids().await).await.unwrap();
    assert_eq!(answer.svids[0].bundle, der_of(&served.authority));
    let own = served.authority.bundle().authorities()[0].key_hash();
    served.bundles.send_modify(|bundles| *bundles = Arc::new(bundles.as_ref().clone().distrusting([own])));
    assert_eq!(end(&mut served.svids().await).await, Code::Unavailable, "nobody is trusted any more");
}

#[tokio::test]
async fn what_changes_nothing_that_is_handed_out_is_not_answered() {
    let served = Served::ready();
    let mut stream = served.svids().await;
    next(&mut stream).await.unwrap();
    served.quarantine(&[&identity("other")], false, Vec::new());
    let own = served.rotate();
    let answer = next(&mut stream).await.unwrap();
    assert_eq!(answer.svids[0].x509_svid, own.chain().collect::<Vec<_>>().concat());
}

// W11.
#[test]
fn a_new_svid_is_never_read_with_bundles_from_before_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let served = Served::ready();
    let authorities: Vec<Authority> = (0..64).map(|_| Authority::new()).collect();
    let made = authorities.iter().enumerate().map(|(number, authority)| {
        let bundles = served.bundles_of(authorities[..=number].iter().chain([&served.authority]));
        (bundles, served.svid_by(authority))
    });
    let made: Vec<_> = made.collect();
    let mut read: Vec<Own> = Vec::new();
    std::thread::scope(|scope| {
        let written = scope.spawn(|| {
            for (bundles, svid) in &made {
                // As the keeper of the svid does it.
                served.bundles.send_replace(Arc::clone(bundles));
                served.svid.send_replace(Some(Arc::clone(svid)));
                std::thread::yield_now();
            }
        });
        loop {
            let last = written.is_finished();
            let own = served.source.own().unwrap();
            if !read.last().is_some_and(|known| known.is(&own)) {
                read.push(own);
            }
            if last {
                break;
            }
        }
    });
    for Own { svid, trust } in read {
        let issuer = svid.chain().last().unwrap();
        assert!(trust.of(served.identity.trust_domain()).unwrap().contains(&issuer));
    }
}
