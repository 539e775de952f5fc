//! Svids end; calls do not notice. Load is open-loop and never retried, and every attempt is accounted for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Channel};
use hyper::body::Frame;
use kith_sidecar::identity_log::{Direction, Event, SvidRenewed};
use kith_tests::{Attempt, Connection, Load, Mesh, Outcome, Rotations, Version};

/// The shortest that there is.
const SVID_SECONDS: u32 = 20;
const RATE: u32 = 50;
const MOST: u64 = 20_000;
/// Ends the detail of a refusal that came after the request had been sent.
const MAY_HAVE_ARRIVED: &str = "may have reached its destination";

#[tokio::test]
async fn ten_rotations_under_load_fail_no_call() -> anyhow::Result<()> {
    let mesh = Mesh::start("rotations", SVID_SECONDS).await?;
    let load = Load::start(mesh.outbound("caller")?, RATE, MOST);
    let limit = Duration::from_secs(240);
    let ten = mesh.record.until("ten rotations", limit, |record| {
        let rotations = Rotations::between(record, "caller", "backend")?;
        Ok((rotations.count >= 10).then_some(rotations.count))
    });
    let rotations = ten.await?;
    let attempts = load.stop().await;
    let refused = accounted_for(&mesh, &attempts).await?;
    assert_eq!(refused.len(), 0, "{refused:?}");
    println!("{rotations} rotations, {} calls, 0 refused, 0 failed", attempts.len());
    mesh.stop().await
}

#[tokio::test]
async fn an_outage_that_spans_a_renewal_window_fails_no_call() -> anyhow::Result<()> {
    let mesh = Mesh::start("short-outage", SVID_SECONDS).await?;
    let load = Load::start(mesh.outbound("caller")?, RATE, MOST);
    let control_plane = mesh.supervisor.control_plane();
    let root = control_plane.facts().context("no control plane")?.root_sha256.clone();
    let before = renewed(&mesh, "caller", 1).await?;
    control_plane.hold(true);
    control_plane.kill()?;
    control_plane.until_ended(Duration::from_secs(5)).await?;
    // The window ends at 65 % of the lifetime; the control plane stays away until 75 %.
    tokio::time::sleep(Duration::from_secs(15).saturating_sub(load.elapsed())).await;
    control_plane.hold(false);
    control_plane.until_ready(Duration::from_secs(10)).await?;
    let after = renewed(&mesh, "caller", 2).await?;
    assert_ne!(before.serial, after.serial);
    assert_eq!(control_plane.facts().context("no control plane")?.root_sha256, root, "the same root");
    renewed(&mesh, "backend", 2).await?;
    let attempts = load.stop().await;
    assert_eq!(accounted_for(&mesh, &attempts).await?.len(), 0);
    mesh.stop().await
}

#[tokio::test]
async fn an_outage_that_outlasts_the_svids_ends_calls_as_expired_and_its_end_is_noticed_within_5_s()
-> anyhow::Result<()> {
    let mesh = Mesh::start("long-outage", SVID_SECONDS).await?;
    let control_plane = mesh.supervisor.control_plane();
    control_plane.hold(true);
    control_plane.kill()?;
    let load = Load::start(mesh.outbound("caller")?, RATE, MOST);
    let limit = Duration::from_secs(u64::from(SVID_SECONDS) * 2);
    let expired = mesh.record.until("a call is refused as expired", limit, |record| {
        let refused = record.refusals("caller")?;
        Ok(refused.into_iter().find(|call| call.denial_reason.as_deref() == Some("svid_expired")))
    });
    expired.await?;
    control_plane.hold(false);
    control_plane.until_ready(Duration::from_secs(10)).await?;
    let returned = load.elapsed();
    let limit = Duration::from_secs(5);
    let answered = tokio::time::timeout(limit, async {
        while !load
            .ended()
            .values()
            .any(|attempt| attempt.started > returned && attempt.outcome == Outcome::Answered)
        {
            tokio::task::yield_now().await;
        }
    });
    answered.await.context("no call within 5 s of the return")?;
    let attempts = load.stop().await;
    let refused = accounted_for(&mesh, &attempts).await?;
    let other: BTreeSet<_> = refused.values().filter(|reason| *reason != "svid_expired").collect();
    assert!(other.is_empty(), "calls ended otherwise: {other:?}");
    mesh.stop().await
}

#[tokio::test]
async fn a_stream_that_is_open_when_its_session_ends_is_cut_and_both_ends_say_why() -> anyhow::Result<()> {
    // D1 of the field: a session never outlives the svids that proved it. L12: the application sees an abort.
    let mesh = Mesh::start("long-stream", SVID_SECONDS).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http2).await?;
    let (mut messages, body) = Channel::<Bytes, std::convert::Infallible>::new(4);
    let request = Request::post("/").header("content-type", "application/grpc");
    let mut answers = client.send(request, "/echo.Echo/Chat", body.boxed()).await?.into_body();
    messages.send(Frame::data(Bytes::from_static(b"open"))).await?;
    let first = answers.frame().await.context("the stream ended")??;
    assert_eq!(first.into_data().ok().as_deref(), Some(&b"open"[..]));
    let opened = mesh.record.sessions("caller", Direction::Outbound)?;
    let session = opened.first().context("no session")?.facts.clone();
    // A renewed svid goes into use with the next call, in a session of its own; the stream stays where it is.
    renewed(&mesh, "caller", 2).await?;
    let replaced = mesh.record.until("a second session", Duration::from_secs(5), |record| {
        Ok((record.sessions("caller", Direction::Outbound)?.len() > 1).then_some(()))
    });
    let calls = async {
        let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
        while client.call("GET", "/x", "").await?.status.is_success() {}
        anyhow::bail!("a call failed")
    };
    tokio::select! {
        replaced = replaced => replaced?,
        failed = calls => failed?,
    }
    messages.send(Frame::data(Bytes::from_static(b"still"))).await?;
    let still = answers.frame().await.context("the stream ended with the replacement")??;
    assert_eq!(still.into_data().ok().as_deref(), Some(&b"still"[..]));
    let limit = Duration::from_secs(u64::from(SVID_SECONDS) + 2);
    let rest =
        tokio::time::timeout(limit, answers.collect()).await.context("the session outlived its svids")?;
    assert!(rest.is_err(), "a cut stream must not look complete");
    for (service, own, peer) in [
        ("caller", &session.own_serial, &session.peer_serial),
        ("backend", &session.peer_serial, &session.own_serial),
    ] {
        let cut = mesh.record.until("the cut is logged", Duration::from_secs(2), |record| {
            Ok(record.calls(service)?.into_iter().find(|call| call.error.as_deref() == Some("svid_expired")))
        });
        let facts = cut.await?.session.context("a call without a session")?;
        assert_eq!((&facts.own_serial, &facts.peer_serial), (own, peer));
        let ended =
            mesh.record.until_line(service, "the end is logged", Duration::from_secs(2), |line| match &line
                .event
            {
                Event::SessionEnded(ended) if ended.session == facts.session => Some(ended.clone()),
                _ => None,
            });
        let ended = ended.await?;
        assert_eq!((ended.reason.as_str(), ended.cut), ("svid_expired", 1));
    }
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    assert_eq!(client.call("GET", "/x", "").await?.status.as_u16(), 200, "the next call has its own session");
    mesh.stop().await
}

/// Every attempt either reached the application or stands in the log as refused, and none failed. One that its session's
/// end overtook may be both, and its line says so. Returns the refused ones with their reasons.
async fn accounted_for(
    mesh: &Mesh,
    attempts: &BTreeMap<u64, Attempt>,
) -> anyhow::Result<BTreeMap<u64, String>> {
    let receipts = mesh.backend.receipts();
    let (mut refused, mut overtaken) = (BTreeMap::new(), BTreeSet::new());
    for (number, attempt) in attempts {
        match &attempt.outcome {
            Outcome::Answered => {
                ensure!(receipts.contains(number), "attempt {number} was answered by nobody")
            }
            Outcome::Refused(id) => {
                let logged = mesh.record.until("a refusal is logged", Duration::from_secs(5), |record| {
                    let all = record.refusals("caller")?.into_iter().chain(record.refusals("backend")?);
                    Ok(all.into_iter().find(|call| call.denial_id.as_ref() == Some(id)))
                });
                let logged = logged.await?;
                if logged.denial_detail.is_some_and(|detail| detail.ends_with(MAY_HAVE_ARRIVED)) {
                    overtaken.insert(number);
                }
                let reason = logged.denial_reason.context("a refusal without a reason")?;
                refused.insert(*number, reason);
            }
            Outcome::Failed(why) => {
                anyhow::bail!("attempt {number}, {:?} after the start, failed: {why}", attempt.started);
            }
        }
    }
    let both: BTreeSet<_> = refused.keys().filter(|number| receipts.contains(number)).collect();
    ensure!(both.is_subset(&overtaken), "refused and received: {both:?}, of which under way: {overtaken:?}");
    ensure!(
        attempts.len() + both.len() == receipts.len() + refused.len(),
        "{} attempts, {} receipts, {} refusals, {} both",
        attempts.len(),
        receipts.len(),
        refused.len(),
        both.len()
    );
    Ok(refused)
}

/// Waits for the `number`th svid of a service.
async fn renewed(mesh: &Mesh, service: &str, number: usize) -> anyhow::Result<SvidRenewed> {
    let limit = Duration::from_secs(u64::from(SVID_SECONDS) * 2);
    let find = |record: &kith_tests::Record| {
        let lines = record.lines(service)?;
        let svids = lines.iter().filter_map(|line| match &line.event {
            Event::SvidRenewed(renewed) => Some(renewed.clone()),
            _ => None,
        });
        Ok(svids.into_iter().nth(number - 1))
    };
    mesh.record.until("an svid is renewed", limit, find).await
}
