//! The Workload API as other people's client sees it, the Rust `spiffe` crate, through a mesh of real processes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, ensure};
use kith::local::admin::Admin;
use kith_identity::svid::Leaf;
use kith_proto::spiffe::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use kith_proto::spiffe::{X509svidRequest, X509svidResponse};
use kith_tests::Mesh;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use spiffe::{TrustDomain, X509Source};
use tokio::time::timeout;
use tonic::transport::Endpoint;

const SOON: Duration = Duration::from_secs(20);
const SVID_SECONDS: u32 = 3600;

fn socket(mesh: &Mesh, service: &str) -> anyhow::Result<PathBuf> {
    let endpoints = mesh.supervisor.endpoints(service).with_context(|| format!("no service {service}"))?;
    endpoints.workload_api.clone().with_context(|| format!("{service} has no Workload API"))
}

async fn source(mesh: &Mesh, service: &str) -> anyhow::Result<X509Source> {
    let endpoint = format!("unix://{}", socket(mesh, service)?.display());
    Ok(timeout(SOON, X509Source::builder().endpoint(endpoint).build()).await??)
}

/// The certificate's serial number, once it is certain that it is an svid of this identity with a bundle beside it.
fn checked(source: &X509Source, identity: &str) -> anyhow::Result<String> {
    let svid = source.svid()?;
    ensure!(svid.spiffe_id().to_string() == identity, "{}", svid.spiffe_id());
    let leaf = Leaf::parse(svid.leaf().as_bytes())?;
    ensure!(leaf.identity().as_str() == identity, "{}", leaf.identity());
    let bundle = source.try_bundle_for_trust_domain(&TrustDomain::new("test.local")?).context("no bundle")?;
    ensure!(!bundle.authorities().is_empty(), "an empty bundle");
    Ok(leaf.serial().to_string())
}

// W10, W11.
// Conforms: Workload-API 4.3 full-set
#[tokio::test]
async fn a_client_of_others_follows_ten_rotations_and_a_restart_of_the_sidecar() -> anyhow::Result<()> {
    let identity = "spiffe://test.local/ns/test/sa/caller";
    let mesh = Mesh::start("workload-api", SVID_SECONDS).await?;
    let source = source(&mesh, "caller").await?;
    let mut updates = source.updated();
    let mut admin = Admin::connect(mesh.supervisor.control_plane().admin_socket()).await?;
    let mut serials = BTreeSet::from([checked(&source, identity)?]);
    for number in 1..=10 {
        let rotated = async {
            // With each new svid its sidecar connects anew, and cannot be asked meanwhile.
            while admin.rotate("caller").await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, rotated).await.with_context(|| format!("rotation {number}"))?;
        while !serials.insert(checked(&source, identity)?) {
            timeout(SOON, updates.changed())
                .await
                .with_context(|| format!("the svid of rotation {number}"))??;
        }
    }
    let sidecar = mesh.supervisor.sidecar("caller").context("no sidecar")?;
    kill(Pid::from_raw(sidecar.pid().context("it does not run")?), Signal::SIGKILL)?;
    while !serials.insert(checked(&source, identity)?) {
        // All the while there was an svid.
        timeout(SOON, updates.changed()).await.context("the sidecar that was started again")??;
    }
    mesh.stop().await
}

// Conforms: Endpoint 2 local, Endpoint 3 tcp
#[tokio::test]
async fn no_tcp_port_of_a_sidecar_answers_the_workload_api() -> anyhow::Result<()> {
    let mesh = Mesh::start("workload-tcp", SVID_SECONDS).await?;
    let ends = mesh.supervisor.endpoints("caller").context("no service caller")?;
    ensure!(ends.workload_api.is_some(), "there is none that could be answered by");
    for address in ends.outbounds.values().copied().chain([ends.inbound, ends.health]) {
        let asked = timeout(SOON, async {
            let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
            let mut request = tonic::Request::new(X509svidRequest {});
            request.metadata_mut().insert("workload.spiffe.io", "true".parse()?);
            let mut answers =
                SpiffeWorkloadApiClient::new(channel).fetch_x509svid(request).await?.into_inner();
            anyhow::Ok(answers.message().await?)
        });
        let answered = asked.await.with_context(|| format!("{address} says nothing"))?;
        // An outbound port takes it for a call, and the application at its other end may say anything.
        let handed = answered.ok().flatten().map_or(0, |answer: X509svidResponse| answer.svids.len());
        ensure!(handed == 0, "{address} hands out an svid");
    }
    mesh.stop().await
}

// W3.
#[tokio::test]
async fn each_service_has_a_socket_of_its_own_and_its_own_identity_behind_it() -> anyhow::Result<()> {
    let mesh = Mesh::start("workload-sockets", SVID_SECONDS).await?;
    for service in ["caller", "other", "backend"] {
        let source = source(&mesh, service).await?;
        checked(&source, &format!("spiffe://test.local/ns/test/sa/{service}"))?;
    }
    let (folder, sockets) = (socket(&mesh, "caller")?, ["caller", "other", "backend"]);
    let sockets: BTreeSet<_> =
        sockets.iter().map(|service| socket(&mesh, service)).collect::<Result<_, _>>()?;
    ensure!(sockets.len() == 3, "{sockets:?}");
    mesh.stop().await?;
    ensure!(!folder.exists(), "nothing is left of it");
    Ok(())
}
