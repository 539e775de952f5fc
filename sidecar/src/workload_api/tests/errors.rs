//! What is answered where there is nothing to hand out.

use kith_proto::spiffe::{
    JwtBundlesRequest, JwtsvidRequest, ValidateJwtsvidRequest, WitBundlesRequest, WitsvidRequest,
    X509BundlesRequest,
};

use super::*;
use crate::workload_api::caller::tests::Process;

fn code<T: std::fmt::Debug>(answer: Result<T, Status>) -> Code {
    answer.unwrap_err().code()
}

// Conforms: Endpoint 6 unavailable
#[tokio::test]
async fn before_the_first_svid_the_answer_is_unavailable_and_then_it_is_the_svid() {
    let served = Served::start();
    assert_eq!(end(&mut served.svids().await).await, Code::Unavailable);
    let asked = served.client().await.fetch_x509_bundles(X509BundlesRequest {}).await;
    assert_eq!(end(&mut asked.unwrap().into_inner()).await, Code::Unavailable);
    // A bundle alone is no svid, and an svid alone could not be checked.
    served.trust([&served.authority]);
    assert_eq!(end(&mut served.svids().await).await, Code::Unavailable);
    served.bundles.send_replace(Arc::default());
    served.rotate();
    assert_eq!(end(&mut served.svids().await).await, Code::Unavailable);
    served.make_ready();
    next(&mut served.svids().await).await.unwrap();
}

#[tokio::test]
async fn an_svid_that_has_ended_is_handed_out_no_longer() {
    let served = Served::ready();
    let mut stream = served.svids().await;
    next(&mut stream).await.unwrap();
    served.hand.advance(Duration::from_secs(2 * 3600));
    assert_eq!(end(&mut stream).await, Code::Unavailable);
    assert_eq!(end(&mut served.svids().await).await, Code::Unavailable);
}

// W13.
// Conforms: Endpoint 6 permission-denied, Workload-API 5.2.1 denied, Workload-API 5.2.2 denied
#[tokio::test]
async fn a_workload_that_is_cut_off_is_denied_and_its_streams_end() {
    type Cut = fn(&Served, &Svid);
    let cuts: [Cut; 3] = [
        |served, _| served.quarantine(&[&served.identity], false, Vec::new()),
        |served, _| served.quarantine(&[], true, Vec::new()),
        |served, svid| served.quarantine(&[], false, vec![svid.serial().to_string()]),
    ];
    for (number, cut) in cuts.into_iter().enumerate() {
        let served = Served::ready();
        let mut stream = served.svids().await;
        next(&mut stream).await.unwrap();
        let svid = served.svid.borrow().clone().unwrap();
        cut(&served, &svid);
        assert_eq!(end(&mut stream).await, Code::PermissionDenied, "{number}");
        assert_eq!(end(&mut served.svids().await).await, Code::PermissionDenied, "{number}");
        served.quarantine(&[], false, Vec::new());
        next(&mut served.svids().await).await.expect("let go");
    }
}

// W13.
#[tokio::test]
async fn bundles_are_denied_to_who_is_cut_off_too() {
    let served = Served::ready();
    let asked = served.client().await.fetch_x509_bundles(X509BundlesRequest {}).await;
    let mut stream = asked.unwrap().into_inner();
    next(&mut stream).await.unwrap();
    served.quarantine(&[&served.identity], false, Vec::new());
    assert_eq!(end(&mut stream).await, Code::PermissionDenied);
}

// W2, W13.
#[tokio::test]
async fn a_process_that_the_application_did_not_start_is_denied_also_in_the_middle_of_a_stream() {
    let (application, seen) = watch::channel(None);
    let served = Served::start_for(Callers::Descendants(seen));
    served.make_ready();
    let mut client = served.client().await;
    assert_eq!(code(client.fetch_x509svid(X509svidRequest {}).await), Code::Unavailable, "none runs yet");
    application.send_replace(Some(Application::of(std::process::id()).unwrap()));
    let mut stream = client.fetch_x509svid(X509svidRequest {}).await.unwrap().into_inner();
    next(&mut stream).await.unwrap();
    // It was started anew, and is another process.
    let other = Process::waiting();
    application.send_replace(Some(other.application()));
    assert_eq!(end(&mut stream).await, Code::PermissionDenied);
    assert_eq!(code(client.fetch_x509svid(X509svidRequest {}).await), Code::PermissionDenied);
}

// W8, W9, W12.
// Conforms: Workload-API 4.5 server
#[tokio::test]
async fn tokens_are_not_minted_and_a_question_without_its_mandatory_fields_is_wrong_all_the_same() {
    let served = Served::ready();
    let mut client = served.client().await;
    let tokens = |audience: Vec<String>| JwtsvidRequest { audience, spiffe_id: String::new() };
    assert_eq!(code(client.fetch_jwtsvid(tokens(vec!["a".to_owned()])).await), Code::Unimplemented);
    for audience in [vec![], vec![String::new()]] {
        assert_eq!(code(client.fetch_jwtsvid(tokens(audience)).await), Code::InvalidArgument);
    }
    let validate =
        |audience: &str, svid: String| ValidateJwtsvidRequest { audience: audience.to_owned(), svid };
    let answer = client.validate_jwtsvid(validate("a", "e.e.e".to_owned())).await;
    assert_eq!(code(answer), Code::Unimplemented);
    assert_eq!(code(client.validate_jwtsvid(validate("", "e.e.e".to_owned())).await), Code::InvalidArgument);
    assert_eq!(code(client.validate_jwtsvid(validate("a", String::new())).await), Code::InvalidArgument);
    assert_eq!(code(client.fetch_jwt_bundles(JwtBundlesRequest {}).await), Code::Unimplemented);
    // What is too long is not even read.
    assert_eq!(code(client.fetch_jwtsvid(tokens(vec!["a".repeat(1 << 20)])).await), Code::OutOfRange);
    assert_eq!(code(client.validate_jwtsvid(validate("a", "e".repeat(1 << 20))).await), Code::OutOfRange);
}

// Conforms: Workload-API 7 unimplemented
#[tokio::test]
async fn the_wit_profile_is_not_supported() {
    let served = Served::ready();
    let mut client = served.client().await;
    let svids = client.fetch_witsvid(WitsvidRequest { spiffe_id: String::new() }).await;
    assert_eq!(code(svids), Code::Unimplemented);
    assert_eq!(code(client.fetch_wit_bundles(WitBundlesRequest {}).await), Code::Unimplemented);
}
