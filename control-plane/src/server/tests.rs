//! The doors from outside: over real TLS and a real socket, by raw path.

use std::os::unix::fs::PermissionsExt;

use kith_identity::{Bundle, BundleSet, SpiffeId};
use kith_mtls::{Accept, Client, ClientIdentity, ClientSvid, Credentials, Now, Svid};
use kith_proto::v1;
use kith_runtime::{Limits, serve};
use prost::Message;
use prost_types::FileDescriptorSet;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::server::HealthReporter;

use super::*;
use crate::attest::{Attestor, StatementVerifier};
use crate::own_svid::OwnSvid;
use crate::stream::issue::IssueService;
use crate::stream::limit::IssueLimit;
use crate::stream::sync::SyncService;
use crate::testing::{Channel, Mesh, PATIENCE, trust_domain};

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
    let request = v1::IssueRequest { evidence: None, csr: vec![0; MAX_QUESTION + 1] };
    assert_eq!(issuance.issue(request).await.unwrap_err().code(), Code::OutOfRange);

    let mut stranger = mesh.connect(None).await;
    let compressed: &[u8] = &[1, 0, 0, 0, 0];
    let status = stranger.status_of("/kith.v1.Issuance/Issue", compressed).await;
    assert!(matches!(status, Some(Code::Internal | Code::Unimplemented)), "{status:?}");
    mesh.stop().await;
}

// D6
#[tokio::test]
async fn a_message_announced_larger_than_a_stranger_may_send_is_refused_before_it_comes() {
    let mesh = Mesh::start().await;
    let mut stranger = mesh.connect(None).await;
    // 32 KiB and one byte more; none of them is sent.
    for (announced, refused) in [(&[0, 0, 0, 0x80, 0], false), (&[0, 0, 0, 0x80, 1], true)] {
        for path in
            ["/kith.v1.Issuance/Issue", "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]
        {
            let status = stranger.status_of(path, announced).await;
            assert_eq!(status == Some(Code::OutOfRange), refused, "{path}: {status:?}");
        }
    }
    mesh.stop().await;
}

// D3
#[tokio::test]
async fn strangers_push_out_older_strangers_and_never_keep_out_who_has_an_svid() {
    let mut mesh = Mesh::start().await;
    let (tasks, svid) = (Tasks::new(), mesh.svid("orders").await);
    // One address has an eighth of the strangers' places, two; beside them there is room for one connection that stays and
    // one that is being made.
    mesh.plane.address = open_small_door(&mesh, &tasks, Room { strangers: 16, connections: 4 }).await;
    // Before any of them goes because its time is over.
    let soon = STRANGER_TIME / 2;
    let mut sidecar = mesh.connect(Some(svid.clone())).await;
    let mut strangers = Vec::new();
    for _ in 0..8 {
        let mut stranger = timeout(soon, mesh.connect(None)).await.expect("the door is full");
        assert_eq!(stranger.status_of("/grpc.health.v1.Health/Check", EMPTY).await, None);
        strangers.push(stranger);
    }
    let mut newest = strangers.split_off(6);
    for stranger in &mut strangers {
        timeout(soon, ended(stranger)).await.expect("an older stranger stayed");
    }
    let mut other = timeout(soon, mesh.connect(Some(svid))).await.expect("no room with an svid");
    for channel in newest.iter_mut().chain([&mut sidecar, &mut other]) {
        assert_eq!(channel.status_of("/grpc.health.v1.Health/Check", EMPTY).await, None);
    }
    mesh.stop().await;
    tasks.cut();
}

// D6
#[tokio::test]
async fn a_stranger_is_told_of_few_streams_and_small_windows_and_a_known_caller_of_more() {
    let mesh = Mesh::start().await;
    let few = Allowance { streams: 4, stream_window: 65_536, window: 131_072 };
    assert_eq!(timeout(PATIENCE, allowance(&mesh, None)).await.unwrap(), few);
    let svid = mesh.svid("orders").await;
    assert_eq!(timeout(PATIENCE, allowance(&mesh, Some(svid))).await.unwrap(), Allowance::KNOWN);
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

/// How much a door takes.
struct Room {
    strangers: usize,
    connections: usize,
}

/// A second door of the sidecars: one that is full soon.
async fn open_small_door(mesh: &Mesh, tasks: &Tasks, room: Room) -> SocketAddr {
    let services = &mesh.plane.services;
    let clock = services.clock.clone();
    let own_svid = OwnSvid::mint(Arc::clone(&services.ca), clock.clone()).unwrap();
    let (_, bundles) = watch::channel(Arc::new(services.worlds.now().bundles.clone()));
    let credentials = Credentials::new(own_svid.newest(), bundles, Now::new(move || clock.now()));
    let tls = Server::new(credentials, Accept::TrustDomain(trust_domain()), ClientSvid::Optional, &[ALPN]);
    let connections = connections(mesh, tasks, room.strangers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (limits, stop) = (Limits { connections: room.connections }, services.stop.clone());
    let own_tasks = tasks.clone();
    tasks.spawn(async move {
        let handle = move |stream, address| connections.clone().serve_sidecar(tls.clone(), stream, address);
        serve(listener, limits, stop, &own_tasks, handle).await;
    });
    address
}

/// As the wiring makes them, but for the number of strangers.
fn connections(mesh: &Mesh, tasks: &Tasks, strangers: usize) -> Connections {
    let services = &mesh.plane.services;
    let key = mesh.ground.signer.public_key();
    let verifier = StatementVerifier::new(key.to_vec(), mesh.instance, trust_domain());
    let attestor = Arc::new(Attestor::Supervised(verifier));
    let issuance = IssueService {
        ca: Arc::clone(&services.ca),
        attestor: Arc::clone(&attestor),
        limit: Arc::new(IssueLimit::default()),
        worlds: Arc::clone(&services.worlds),
        acks: services.acks.clone(),
        issued: services.issued.clone(),
        metrics: Arc::clone(&services.metrics),
        clock: services.clock.clone(),
    };
    let sync = SyncService {
        attestor,
        worlds: Arc::clone(&services.worlds),
        acks: services.acks.clone(),
        issued: services.issued.clone(),
        observed: services.observed.clone(),
        tap: services.tap.clone(),
        clock: services.clock.clone(),
        stop: services.stop.clone(),
    };
    Connections {
        routes: Routes::mesh(issuance, sync, HealthReporter::new()),
        unproven: places(MAX_HANDSHAKES),
        strangers: places(strangers),
        clock: services.clock.clone(),
        stop: services.stop.clone(),
        tasks: tasks.clone(),
    }
}

/// What the server's first frames tell: SETTINGS, and a WINDOW_UPDATE of the connection.
async fn allowance(mesh: &Mesh, svid: Option<Arc<Svid>>) -> Allowance {
    let authorities = mesh.plane.ready().bundle.unwrap().authorities;
    let bundle = Bundle::parse(trust_domain(), &authorities).unwrap();
    let (_, svid) = watch::channel(svid);
    let (_, bundles) = watch::channel(Arc::new(BundleSet::from_iter([bundle])));
    let clock = mesh.ground.clock.clone();
    let credentials = Credentials::new(svid, bundles, Now::new(move || clock.now()));
    let client = Client::new(credentials, ClientIdentity::SvidIfAny, &[ALPN]);
    let accept = Accept::OneOf([SpiffeId::control_plane(&trust_domain())].into());
    let stream = TcpStream::connect(mesh.plane.address).await.unwrap();
    let mut stream = client.connect(stream, accept, PATIENCE).await.unwrap().stream;
    // The preface, and SETTINGS of nothing.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream.flush().await.unwrap();
    let mut told = Allowance { streams: 0, stream_window: 0, window: 65_535 };
    while told.streams == 0 || told.window == 65_535 {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
        stream.read_exact(&mut payload).await.unwrap();
        match head[3] {
            4 => payload.chunks_exact(6).for_each(|setting| {
                let value = u32::from_be_bytes(setting[2..].try_into().unwrap());
                match setting[1] {
                    3 => told.streams = value,
                    4 => told.stream_window = value,
                    _ => {}
                }
            }),
            8 => told.window += u32::from_be_bytes(payload.try_into().unwrap()),
            _ => {}
        }
    }
    told
}
