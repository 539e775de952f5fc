//! The doors from outside: over real TLS and a real socket, by raw path.

use std::os::unix::fs::PermissionsExt;

use kith_proto::v1;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;

use super::*;
use crate::testing::{Channel, Mesh, PATIENCE};

/// An uncompressed message of no bytes.
const EMPTY: &[u8] = &[0, 0, 0, 0, 0];

/// The path of every method that there is.
fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(kith_proto::FILE_DESCRIPTOR_SET).unwrap();
    let mut paths = Vec::new();
    for file in &set.file {
        for service in &file.service {
            for method in &service.method {
                paths.push(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
            }
        }
    }
    assert!(paths.len() >= 5, "{paths:?}");
    paths
}

// R2
#[tokio::test]
async fn without_an_svid_every_method_but_issue_and_health_answers_unauthenticated() {
    let mesh = Mesh::start().await;
    let mut stranger = mesh.connect(None).await;
    for path in methods() {
        let expected = match path.as_str() {
            // It was reached: there was no evidence in the message.
            "/kith.v1.Issuance/Issue" => Code::InvalidArgument,
            _ => Code::Unauthenticated,
        };
        assert_eq!(stranger.status_of(&path, EMPTY).await, Some(expected), "{path}");
    }
    assert_eq!(stranger.status_of("/grpc.health.v1.Health/Check", EMPTY).await, None);
    for path in
        ["/kith.v1.Issuance/Other", "/kith.v1.Other/Issue", "/grpc.reflection.v1.ServerReflection/X", "/"]
    {
        assert_eq!(stranger.status_of(path, EMPTY).await, Some(Code::Unauthenticated), "{path}");
    }
    mesh.stop().await;
}

#[tokio::test]
async fn with_a_workloads_svid_admin_is_denied_and_sync_is_answered() {
    let mesh = Mesh::start().await;
    let mut sidecar = mesh.connect(Some(mesh.svid("orders").await)).await;
    for path in methods() {
        let expected = match path.as_str() {
            "/kith.v1.Issuance/Issue" => Some(Code::InvalidArgument),
            "/kith.v1.Sync/Sync" => None,
            admin => {
                assert!(admin.starts_with("/kith.v1.Admin/"), "a new service needs a line here: {admin}");
                Some(Code::PermissionDenied)
            }
        };
        assert_eq!(sidecar.status_of(&path, EMPTY).await, expected, "{path}");
    }
    assert_eq!(sidecar.status_of("/kith.v1.Other/Issue", EMPTY).await, Some(Code::Unimplemented));
    mesh.stop().await;
}

#[tokio::test]
async fn on_the_admin_socket_only_admin_and_health_are_answered() {
    let mesh = Mesh::start().await;
    let mut person = mesh.connect_admin().await;
    for path in methods() {
        let status = person.status_of(&path, EMPTY).await;
        match path.starts_with("/kith.v1.Admin/") {
            true => assert_ne!(status, Some(Code::PermissionDenied), "{path}"),
            false => assert_eq!(status, Some(Code::PermissionDenied), "{path}"),
        }
    }
    assert_eq!(person.status_of("/grpc.health.v1.Health/Check", EMPTY).await, None);

    let socket = mesh.ground.admin_socket();
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    mesh.stop().await;
    assert!(!socket.exists(), "the socket goes with the process");
}

// R3
#[tokio::test]
async fn a_message_over_the_limit_and_a_compressed_one_are_refused() {
    let mesh = Mesh::start().await;
    let mut issuance = mesh.issuance(None).await;
    let request = v1::IssueRequest { evidence: None, csr: vec![0; MAX_MESSAGE + 1] };
    assert_eq!(issuance.issue(request).await.unwrap_err().code(), Code::OutOfRange);

    let mut stranger = mesh.connect(None).await;
    let compressed: &[u8] = &[1, 0, 0, 0, 0];
    let status = stranger.status_of("/kith.v1.Issuance/Issue", compressed).await;
    assert!(matches!(status, Some(Code::Internal | Code::Unimplemented)), "{status:?}");
    mesh.stop().await;
}

// A6
#[tokio::test]
async fn a_connection_ends_when_the_svid_that_opened_it_ends() {
    let mesh = Mesh::start().await;
    let svid = mesh.svid("orders").await;
    let mut sidecar = mesh.connect(Some(svid.clone())).await;
    assert_eq!(sidecar.status_of("/grpc.health.v1.Health/Check", EMPTY).await, None);

    mesh.ground.hand.set(svid.not_after() + Duration::from_secs(1));
    timeout(PATIENCE, ended(&mut sidecar)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_nobody_ends_soon_even_if_it_keeps_asking() {
    let begin = tokio::time::Instant::now();
    let end = connection_end(None, true, Clock::system());
    timeout(STRANGER_TIME * 2, end).await.unwrap();
    assert_eq!(begin.elapsed(), STRANGER_TIME);
}

/// Ends when the connection takes no more requests.
async fn ended(channel: &mut Channel) {
    while std::future::poll_fn(|context| tower::Service::poll_ready(channel, context)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}
