//! A quarantine: what is open is cut within a second, what is new is refused, at peers and at the workload itself, and
//! no restart lets anybody go.

mod open;

use std::time::Duration;

use anyhow::Context;
use kith::local::admin::{Admin, named};
use kith_proto::v1::{AddQuarantineRequest, QuarantineResponse, RemoveQuarantineRequest};
use kith_sidecar::identity_log::{Event, Verdict};
use kith_tests::{Connection, Mesh, Version, policy, policy_for};
use tokio::time::{Instant, timeout};

use open::{Opened, TcpEcho};

const SOON: Duration = Duration::from_secs(5);
const OTHER: &str = "spiffe://test.local/ns/test/sa/other";
/// Of each kind and identity.
const STREAMS: usize = 25;

const ALLOW_BOTH: &str = "  - sources:\n    - { type: ServiceAccount, serviceAccount: { name: caller } }\n    \
                          - { type: ServiceAccount, serviceAccount: { name: other } }\n";

async fn start(name: &str, svid_seconds: u32) -> anyhow::Result<(Mesh, TcpEcho)> {
    let db = TcpEcho::start().await?;
    let policies = format!(
        "{}---\n{}",
        policy("callers", "ALLOW", ALLOW_BOTH),
        policy_for("db", "clients", "ALLOW", ALLOW_BOTH)
    );
    let mesh = Mesh::start_beside(name, svid_seconds, &policies, Some(db.address())).await?;
    Ok((mesh, db))
}

async fn admin(mesh: &Mesh) -> anyhow::Result<Admin> {
    Ok(Admin::connect(mesh.supervisor.control_plane().admin_socket()).await?)
}

async fn quarantine(mesh: &Mesh, workload: &str) -> anyhow::Result<QuarantineResponse> {
    let request =
        AddQuarantineRequest { target: Some(named(workload)), reason: "test".to_owned(), dry_run: false };
    Ok(admin(mesh).await?.add_quarantine(request).await?)
}

async fn lift(mesh: &Mesh, workload: &str) -> anyhow::Result<QuarantineResponse> {
    let request = RemoveQuarantineRequest { target: Some(named(workload)), dry_run: false };
    Ok(admin(mesh).await?.remove_quarantine(request).await?)
}

/// Status and denial id of one call from `from` to `backend`.
async fn call(mesh: &Mesh, from: &str) -> anyhow::Result<(u16, Option<String>)> {
    let mut client = Connection::open(mesh.outbound(from)?, Version::Http1).await?;
    let answer = client.call("GET", "/one", "").await?;
    Ok((answer.status.as_u16(), answer.denial_id().map(str::to_owned)))
}

/// Why the sidecar of `service` refused the call with this id.
async fn reason(mesh: &Mesh, service: &str, id: &str) -> anyhow::Result<String> {
    let found = |record: &kith_tests::Record| {
        let refusal =
            record.refusals(service)?.into_iter().find(|call| call.denial_id.as_deref() == Some(id));
        Ok(refusal.and_then(|refusal| refusal.denial_reason))
    };
    mesh.record.until("the refusal is logged", SOON, found).await
}

/// Calls until the status is the wanted one; the mesh needs a moment to be told.
async fn until_status(mesh: &Mesh, from: &str, wanted: u16) -> anyhow::Result<()> {
    let search = async {
        while call(mesh, from).await?.0 != wanted {}
        anyhow::Ok(())
    };
    timeout(Duration::from_secs(10), search).await.with_context(|| format!("{from} never got {wanted}"))?
}

#[tokio::test]
async fn a_hundred_open_streams_of_a_quarantined_identity_are_cut_within_a_second_and_no_others()
-> anyhow::Result<()> {
    let (mesh, _db) = start("cutoff", 60).await?;
    let mut opened = Vec::new();
    for from in ["other", "caller"] {
        opened.push(Opened::all(&mesh, from, STREAMS).await?);
    }
    let [mut quarantined, mut others] = <[Opened; 2]>::try_from(opened).ok().context("two sets")?;
    quarantined.echo().await?;
    let began = Instant::now();
    let told = quarantine(&mesh, "other").await?;
    let mut took = quarantined.until_cut(began, SOON).await?;
    took.sort();
    assert_eq!(took.len(), 4 * STREAMS);
    println!("100 streams cut: p50 {:?}, p99 {:?}, last {:?}", took[49], took[98], took[99]);
    assert!(took[98] < Duration::from_secs(1), "p99 {:?}", took[98]);
    // Every stream of everybody else is alive, and goes on.
    assert_eq!(others.echo().await?, 4 * STREAMS);
    assert_eq!((told.identity.as_str(), told.waiting_for.len()), (OTHER, 0), "{told:?}");
    for service in ["caller", "other", "backend", "db"] {
        assert!(told.in_force_at.iter().any(|name| name == service), "{service}: {told:?}");
    }
    // Whichever side cuts first says why; to the other the session has broken.
    let logged = |record: &kith_tests::Record| {
        let received = [record.calls("backend")?, record.calls("db")?].concat().into_iter();
        let received: Vec<_> = received.filter(|call| call.source.as_deref() == Some(OTHER)).collect();
        let sent = record.calls("other")?;
        let because = received
            .iter()
            .chain(&sent)
            .filter(|call| call.denial_reason.as_deref() == Some("quarantined") && call.denial_id.is_some());
        let ended = received.iter().all(|call| call.error.is_some()) && received.len() == 4 * STREAMS;
        Ok((ended && sent.len() == 4 * STREAMS && because.count() >= 4 * STREAMS).then_some(()))
    };
    mesh.record.until("every cut is logged on both sides, with its reason on one", SOON, logged).await?;
    mesh.stop().await
}

#[tokio::test]
async fn a_quarantined_workload_is_refused_at_itself_and_as_a_destination_and_a_lift_lets_it_in_again()
-> anyhow::Result<()> {
    let (mesh, _db) = start("lifted", 60).await?;
    assert_eq!(call(&mesh, "other").await?.0, 200);
    quarantine(&mesh, "other").await?;
    let (status, id) = call(&mesh, "other").await?;
    assert_eq!(status, 403);
    assert_eq!(reason(&mesh, "other", &id.context("no denial id")?).await?, "quarantined");
    assert_eq!(call(&mesh, "caller").await?.0, 200);
    lift(&mesh, OTHER).await?;
    assert_eq!(call(&mesh, "other").await?.0, 200);

    // As a destination: its callers refuse by themselves.
    quarantine(&mesh, "backend").await?;
    let (status, id) = call(&mesh, "caller").await?;
    assert_eq!(status, 403);
    assert_eq!(reason(&mesh, "caller", &id.context("no denial id")?).await?, "quarantined");
    let refusal = mesh.record.refusals("caller")?.pop().context("no refusal")?;
    assert_eq!(refusal.destination.as_deref(), Some("spiffe://test.local/ns/test/sa/backend"));
    mesh.stop().await
}

#[tokio::test]
async fn a_quarantine_outlives_a_killed_control_plane_and_restarted_sidecars_and_stops_issuance()
-> anyhow::Result<()> {
    let (mesh, _db) = start("durable", 20).await?;
    assert_eq!(call(&mesh, "other").await?.0, 200);
    quarantine(&mesh, "other").await?;
    let renewed = |service: &str| {
        let lines = mesh.record.lines(service)?;
        anyhow::Ok(lines.iter().filter(|line| matches!(line.event, Event::SvidRenewed(_))).count())
    };
    let before = renewed("other")?;

    let control_plane = mesh.supervisor.control_plane();
    control_plane.kill()?;
    control_plane.until_ended(SOON).await?;
    assert_eq!(call(&mesh, "other").await?.0, 403, "it holds while the control plane is away");
    control_plane.until_ready(SOON).await?;
    let listed = admin(&mesh).await?.quarantines().await?.quarantines;
    assert_eq!(listed.iter().map(|entry| entry.identity.as_str()).collect::<Vec<_>>(), [OTHER]);

    for service in ["backend", "other"] {
        let sidecar = mesh.supervisor.sidecar(service).context("no sidecar")?;
        sidecar.kill()?;
        sidecar.until_ended(SOON).await?;
    }
    until_status(&mesh, "caller", 200).await?;
    // Its own sidecar has no svid any more, so it does not even try; whatever it says, nothing gets through.
    let (status, id) = call_when_up(&mesh, "other").await?;
    assert!(status == 403 || status == 503, "{status}");
    assert!(id.is_some());

    // Two lifetimes on, everybody else was renewed and it was not.
    let count = renewed("caller")?;
    mesh.record
        .until("others are renewed", Duration::from_secs(40), |_| {
            Ok((renewed("caller")? >= count + 2).then_some(()))
        })
        .await?;
    assert_eq!(renewed("other")?, before, "a quarantined workload got an svid");
    let allowed = mesh.record.calls("backend")?.into_iter();
    let from_other =
        allowed.filter(|call| call.source.as_deref() == Some(OTHER) && call.verdict == Verdict::Allow);
    assert_eq!(from_other.count(), 1, "only the call before the quarantine");

    lift(&mesh, "other").await?;
    until_status(&mesh, "other", 200).await?;
    mesh.stop().await
}

/// A call through a sidecar that was just restarted.
async fn call_when_up(mesh: &Mesh, from: &str) -> anyhow::Result<(u16, Option<String>)> {
    let search = async {
        loop {
            if let Ok(answer) = call(mesh, from).await {
                return answer;
            }
        }
    };
    Ok(timeout(SOON, search).await?)
}
