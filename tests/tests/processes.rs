//! The supervisor and its children: what each holds, who may ask for a statement, and what survives a SIGKILL.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use kith::local::{ChildId, Event};
use kith_proto::v1::{self, from_child, to_child};
use kith_sidecar::identity_log::Event as Logged;
use kith_tests::{Connection, Mesh, Version};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::sockopt::SockType;
use nix::sys::socket::{MsgFlags, getsockopt, recv, send};
use nix::unistd::Pid;
use prost::Message;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn no_child_holds_a_descriptor_of_another_or_of_the_supervisor() -> anyhow::Result<()> {
    // What this test process itself was started with (a job server of cargo, say) is the environment's, and goes to
    // every process below it.
    let inherited = descriptors("self")?;
    let mesh = Mesh::start("descriptors", 60).await?;
    let pids = mesh.supervisor.pids();
    assert_eq!(pids.len(), 4, "a control plane and three sidecars");
    let mut holders: BTreeMap<String, i32> = BTreeMap::new();
    for pid in &pids {
        let held = descriptors(&pid.to_string())?;
        assert!(held.iter().any(|link| link.starts_with("socket:")), "{pid} has its channel");
        for link in held.difference(&inherited) {
            let other = holders.insert(link.clone(), *pid);
            assert!(other.is_none(), "{link} is held by {other:?} and {pid}");
        }
    }
    // The two ends of a pair are two sockets; the two ends of a pipe are one.
    let own: Vec<_> = descriptors("self")?.into_iter().filter(|link| link.starts_with("socket:")).collect();
    assert!(own.len() >= pids.len(), "the supervisor's ends are looked at");
    for link in own.iter().filter(|link| !inherited.contains(*link)) {
        assert!(!holders.contains_key(link), "{link} of the supervisor is held by {:?}", holders[link]);
    }
    mesh.stop().await
}

#[tokio::test]
async fn a_process_that_is_not_the_supervised_child_gets_no_statement() -> anyhow::Result<()> {
    let mesh = Mesh::start("foreign-process", 60).await?;
    let pid = mesh.supervisor.sidecar("caller").and_then(kith::local::Kept::pid).context("no sidecar")?;
    // The child is stopped, so that the answer is ours to read; its end of the channel is taken as the strongest
    // thief would take it.
    kill(Pid::from_raw(pid), Signal::SIGSTOP)?;
    let channel = channel_of(pid)?;
    let request = v1::StatementRequest { number: 1, key_hash: vec![7; 32] };
    let message = v1::FromChild { kind: Some(from_child::Kind::Statement(request)) };
    send(std::os::fd::AsRawFd::as_raw_fd(&channel), &message.encode_to_vec(), MsgFlags::empty())?;
    let reply = answer(&channel).await?;
    assert!(reply.statement.is_empty(), "a statement was given away");
    assert!(!reply.refusal.is_empty());
    let warned = mesh.record.until("the supervisor warns", SOON, |record| {
        let warning = |event: &Event| match event {
            Event::Warning { child: ChildId::Sidecar(name), text } if **name == *"caller" => {
                Some(text.clone())
            }
            _ => None,
        };
        Ok(record.events()?.iter().find_map(warning))
    });
    let warned = warned.await?;
    assert!(warned.contains(&std::process::id().to_string()), "the warning names the process: {warned}");
    kill(Pid::from_raw(pid), Signal::SIGCONT)?;
    mesh.stop().await
}

#[tokio::test]
async fn attestation_and_issuance_work_again_after_the_control_plane_was_killed() -> anyhow::Result<()> {
    let mesh = Mesh::start("killed", 60).await?;
    let control_plane = mesh.supervisor.control_plane();
    let before = control_plane.facts().context("no control plane")?;
    control_plane.kill()?;
    control_plane.until_ended(SOON).await?;
    control_plane.until_ready(SOON).await?;
    let after = control_plane.facts().context("no control plane")?;
    assert_eq!((&before.root_sha256, before.address), (&after.root_sha256, after.address));
    assert_ne!(before.instance, after.instance, "statements for the one are nothing to the other");
    // A sidecar without memory has to be attested and certified from nothing.
    let sidecar = mesh.supervisor.sidecar("caller").context("no sidecar")?;
    sidecar.kill()?;
    sidecar.until_ended(SOON).await?;
    sidecar.until_ready(SOON).await?;
    let svids = mesh.record.until("a second svid", SOON, |record| {
        let lines = record.lines("caller")?;
        let first = lines
            .iter()
            .filter(|line| matches!(&line.event, Logged::SvidRenewed(renewed) if renewed.previous.is_none()));
        Ok((first.count() == 2).then_some(()))
    });
    svids.await?;
    mesh.supervisor.until_programmed(SOON).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    assert_eq!(client.call("GET", "/x", "").await?.status.as_u16(), 200, "at the same port as before");
    mesh.stop().await
}

#[tokio::test]
async fn a_control_plane_that_comes_back_with_another_root_is_not_taken() -> anyhow::Result<()> {
    let mesh = Mesh::start("other-root", 60).await?;
    let control_plane = mesh.supervisor.control_plane();
    let folder = control_plane.admin_socket().parent().context("no folder")?.to_path_buf();
    control_plane.hold(true);
    control_plane.kill()?;
    control_plane.until_ended(SOON).await?;
    std::fs::remove_file(sealed_file(&folder)?.context("no sealed state")?)?;
    control_plane.hold(false);
    let refused = mesh.record.until("the supervisor refuses it", SOON, |record| {
        let warning = |event: &Event| match event {
            Event::Warning { child: ChildId::ControlPlane, text } if text.contains("root") => {
                Some(text.clone())
            }
            _ => None,
        };
        Ok(record.events()?.iter().find_map(warning))
    });
    assert!(refused.await?.contains("its sealed state was lost"));
    assert!(control_plane.facts().is_none(), "nobody is sent to it");
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    assert_eq!(client.call("GET", "/x", "").await?.status.as_u16(), 200, "calls go on under the old root");
    mesh.stop().await
}

/// The file in which the authorities are kept.
fn sealed_file(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Some(found) = sealed_file(&path)? {
                return Ok(Some(found));
            }
        } else if path.file_name().is_some_and(|name| name == "sealed") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[tokio::test]
async fn a_sidecar_without_svid_and_snapshot_refuses_everything_on_both_sides() -> anyhow::Result<()> {
    let mesh = Mesh::start("nothing-yet", 60).await?;
    let control_plane = mesh.supervisor.control_plane();
    control_plane.hold(true);
    control_plane.kill()?;
    control_plane.until_ended(SOON).await?;
    for service in ["caller", "backend"] {
        let sidecar = mesh.supervisor.sidecar(service).context("no sidecar")?;
        sidecar.kill()?;
        sidecar.until_ended(SOON).await?;
        sidecar.until_ready(SOON).await?;
    }
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    let answer = client.call("GET", "/x", "").await?;
    assert_eq!(answer.status.as_u16(), 503);
    let id = answer.denial_id().context("no denial id")?;
    let refused = mesh.record.until("the refusal is logged", SOON, |record| {
        Ok(record.refusals("caller")?.into_iter().find(|call| call.denial_id.as_deref() == Some(id)))
    });
    assert_eq!(refused.await?.denial_reason.as_deref(), Some("not_ready"));
    // `other` has both, and cannot make `backend` take a session.
    let mut client = Connection::open(mesh.outbound("other")?, Version::Http1).await?;
    assert_eq!(client.call("GET", "/x", "").await?.status.as_u16(), 503);
    let refused =
        mesh.record.until_line("backend", "the refusal is logged", SOON, |line| match &line.event {
            Logged::SessionRefused(refused) => Some(refused.reason.clone()),
            _ => None,
        });
    assert_eq!(refused.await?, "no_own_svid");
    assert!(mesh.backend.requests().is_empty());
    control_plane.hold(false);
    control_plane.until_ready(SOON).await?;
    mesh.supervisor.until_programmed(SOON).await?;
    assert_eq!(client.call("GET", "/x", "").await?.status.as_u16(), 403, "now it is judged");
    mesh.stop().await
}

#[tokio::test]
async fn the_end_of_a_mesh_leaves_no_process_socket_or_file() -> anyhow::Result<()> {
    let mesh = Mesh::start("ended", 60).await?;
    let pids = mesh.supervisor.pids();
    let socket = mesh.supervisor.control_plane().admin_socket().to_path_buf();
    let folder = socket.parent().context("no folder")?.to_path_buf();
    assert!(socket.exists());
    mesh.stop().await?;
    for pid in pids {
        assert_eq!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH), "{pid} still runs");
    }
    assert!(!socket.exists() && !folder.exists(), "{} is left", folder.display());
    Ok(())
}

/// What a process holds, but for `/dev/null` and the like, which everybody may share.
fn descriptors(process: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut links = BTreeSet::new();
    for entry in std::fs::read_dir(Path::new("/proc").join(process).join("fd"))? {
        // A descriptor may be closed while we look; the one of this very reading always is.
        let Ok(link) = std::fs::read_link(entry?.path()) else { continue };
        let link = link.to_string_lossy().into_owned();
        if link.starts_with("socket:") || link.starts_with("pipe:") {
            links.insert(link);
        }
    }
    ensure!(!links.is_empty(), "{process} holds nothing");
    Ok(links)
}

/// The child's end of its channel, wherever the child keeps it.
fn channel_of(pid: i32) -> anyhow::Result<OwnedFd> {
    let process = rustix::process::Pid::from_raw(pid).context("not a process id")?;
    let process = pidfd_open(process, PidfdFlags::empty())?;
    for entry in std::fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd"))? {
        let number = entry?.file_name().to_string_lossy().parse()?;
        let taken = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?;
        if getsockopt(&taken, SockType) == Ok(nix::sys::socket::SockType::SeqPacket) {
            return Ok(taken);
        }
    }
    anyhow::bail!("{pid} has no channel")
}

async fn answer(channel: &OwnedFd) -> anyhow::Result<v1::StatementReply> {
    let mut bytes = vec![0; 64 * 1024];
    let received = tokio::time::timeout(SOON, async {
        loop {
            match recv(std::os::fd::AsRawFd::as_raw_fd(channel), &mut bytes, MsgFlags::MSG_DONTWAIT) {
                Err(Errno::EAGAIN) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    });
    let count = received.await.context("the supervisor did not answer")??;
    match v1::ToChild::decode(&bytes[..count])?.kind {
        Some(to_child::Kind::Statement(reply)) => Ok(reply),
        other => anyhow::bail!("not a reply: {other:?}"),
    }
}

#[tokio::test]
async fn a_mesh_whose_policies_cannot_be_read_starts_refuses_everything_and_says_why() -> anyhow::Result<()> {
    let mesh =
        Mesh::start_with("unreadable", 60, "kind: AuthorizationPolicy\nspec: { actoin: ALLOW }\n").await?;
    let status = mesh.status().await?;
    assert!(status.nothing_in_force && status.policies_error.contains("backend.yaml:"), "{status:?}");
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    let answer = client.call("GET", "/x", "").await?;
    assert_eq!((answer.status.as_u16(), answer.denial_id().map(str::len)), (503, Some(32)));
    std::fs::write(mesh.policy_file(), kith_tests::policy("callers", "ALLOW", kith_tests::ALLOW_CALLER))?;
    let allowed = tokio::time::timeout(SOON, async {
        while client.call("GET", "/x", "").await?.status.as_u16() != 200 {}
        anyhow::Ok(())
    });
    allowed.await.context("the mended folder is not in force")??;
    mesh.stop().await
}
