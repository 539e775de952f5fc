//! What a scrape of a running control plane shows.

use std::collections::BTreeMap;

use kith_mtls::WorkloadKey;
use kith_proto::v1;

use crate::testing::{Mesh, ask_health, id};

async fn figures(mesh: &Mesh) -> BTreeMap<String, u64> {
    let text = ask_health(mesh, "/metrics").await;
    let samples = text.lines().filter(|line| line.starts_with("kith_"));
    samples
        .map(|line| {
            line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap()
        })
        .collect()
}

#[tokio::test]
async fn what_was_issued_refused_and_connected_is_counted() {
    let mesh = Mesh::start().await;
    let before = figures(&mesh).await;
    assert_eq!((before["kith_svids_issued_total"], before["kith_sidecars_connected"]), (0, 0));
    assert_eq!((before["kith_policies"], before["kith_quarantines"]), (1, 0));
    assert!(!before.keys().any(|name| name.starts_with("kith_issuance_refused")));

    let svid = mesh.svid("orders").await;
    let (_up, waiting) = tokio::sync::mpsc::channel(1);
    let stream = tokio_stream::wrappers::ReceiverStream::new(waiting);
    let _stream = mesh.sync(svid).await.sync(stream).await.unwrap();

    let key = WorkloadKey::generate().unwrap();
    let evidence = Some(mesh.statement(&id("nobody"), key.key_hash()));
    let refused = v1::IssueRequest { evidence, csr: key.csr_der().unwrap() };
    mesh.issuance(None).await.issue(refused).await.unwrap_err();
    mesh.issuance(None).await.issue(v1::IssueRequest::default()).await.unwrap_err();

    let after = figures(&mesh).await;
    assert_eq!((after["kith_svids_issued_total"], after["kith_sidecars_connected"]), (1, 1));
    assert_eq!(after["kith_issuance_refused_total{reason=\"stranger\"}"], 1);
    assert_eq!(after["kith_issuance_refused_total{reason=\"no_evidence\"}"], 1);
    let now = kith_runtime::metrics::unix_seconds(mesh.now());
    assert!(after["kith_issuing_authority_not_after_seconds"] > now);
    assert_eq!(after["kith_build_info{version=\"0.1.0\"}"], 1);
    assert!(!after.keys().any(|name| name.contains("spiffe:")), "whom it issues to is not a label");
}

#[tokio::test]
async fn lost_denials_are_counted_also_when_their_reporter_is_gone() {
    let mesh = Mesh::start().await;
    mesh.plane.services.observed.denied(&id("orders"), Vec::new(), 7);
    assert_eq!(figures(&mesh).await["kith_denials_lost_total"], 7);
    mesh.plane.services.observed.retain(|_| false);
    assert_eq!(figures(&mesh).await["kith_denials_lost_total"], 7, "a counter never goes back");
}
