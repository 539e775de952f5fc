//! How many svids a control plane mints: the real process, asked over gRPC and mutual TLS by workloads that renew.
//! What a question costs whoever asks it (a key, a CSR, a statement) is paid before the clock starts.

mod control_plane;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use kith_identity::SpiffeId;
use kith_mtls::Svid;
use kith_proto::v1::IssueRequest;
use kith_proto::v1::issuance_client::IssuanceClient;
use kith_runtime::Tasks;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic::transport::Channel;

use crate::cpu;
use crate::effort::Effort;
use control_plane::ControlPlane;

/// Workloads that ask at the same time.
const AT_ONCE: usize = 64;
/// The longest that all of it may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often a control plane that does not know its workloads yet is asked again.
const ASK: Duration = Duration::from_millis(20);

/// A session and what is asked in it, one question after the other.
type Lane = Vec<(Channel, Vec<IssueRequest>)>;

/// Mints them, and says how fast and at what cost in one line.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<String> {
    let plane = ControlPlane::start(effort.workloads).await?;
    let connected = timeout(LIMIT, connect_all(&plane, effort.workloads)).await;
    let mut lanes: Vec<Lane> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for (number, (channel, identity)) in
        connected.context("the workloads did not connect")??.into_iter().enumerate()
    {
        let questions = (0..effort.renewals).map(|_| Ok(plane.question(&identity)?.1));
        lanes[number % AT_ONCE].push((channel, questions.collect::<anyhow::Result<_>>()?));
    }
    let pid = plane.pid()?;
    let (before, begun) = (cpu::spent(&[pid])?, Instant::now());
    let count = timeout(LIMIT, ask_all(lanes)).await.context("the svids were not issued in time")??;
    let (took, spent) = (begun.elapsed(), cpu::spent(&[pid])?.saturating_sub(before));
    ensure!(count == effort.workloads * effort.renewals, "only {count} svids were issued");
    plane.stop().await?;
    Ok(format!(
        "svids: {:.0}/s, {:.0} CPU us each in the control plane\n({count} renewals of {} workloads over gRPC and mTLS \
         by svid and statement, sessions kept, {AT_ONCE} at once)\n",
        count as f64 / took.as_secs_f64(),
        spent.as_secs_f64() * 1e6 / count as f64,
        effort.workloads,
    ))
}

/// Gives each workload its first svid, and a session that proves it.
async fn connect_all(plane: &ControlPlane, count: usize) -> anyhow::Result<Vec<(Channel, SpiffeId)>> {
    let stranger = IssuanceClient::new(plane.connect(None).await?);
    let mut connected = Vec::with_capacity(count);
    for number in 0..count {
        let identity = plane.identity(number)?;
        let svid = first_svid(plane, stranger.clone(), &identity).await?;
        connected.push((plane.connect(Some(Arc::new(svid))).await?, identity));
    }
    Ok(connected)
}

/// Until the list of workloads has arrived, the answer is to try again.
async fn first_svid(
    plane: &ControlPlane,
    mut stranger: IssuanceClient<Channel>,
    identity: &SpiffeId,
) -> anyhow::Result<Svid> {
    loop {
        let (key, question) = plane.question(identity)?;
        match stranger.issue(question).await {
            Ok(answer) => return Ok(Svid::new(key, answer.into_inner().chain)?),
            Err(status) if status.code() == Code::Unavailable => sleep(ASK).await,
            Err(status) => bail!("{identity} has no svid: {} ({})", status.message(), status.code()),
        }
    }
}

/// Asks everything, a question at a time in each lane, and counts the svids.
async fn ask_all(lanes: Vec<Lane>) -> anyhow::Result<usize> {
    let (tasks, (told, mut counts)) = (Tasks::new(), mpsc::unbounded_channel());
    for lane in lanes {
        let told = told.clone();
        tasks.spawn(async move {
            // Nobody listens any more only when another lane failed.
            let _ = told.send(ask(lane).await);
        });
    }
    drop(told);
    let mut count = 0;
    while let Some(issued) = counts.recv().await {
        count += issued?;
    }
    Ok(count)
}

async fn ask(lane: Lane) -> anyhow::Result<usize> {
    let mut count = 0;
    for (channel, questions) in lane {
        let mut client = IssuanceClient::new(channel);
        for question in questions {
            let answer = client.issue(question).await;
            let answer = answer.map_err(|status| anyhow::anyhow!("no svid: {}", status.message()))?;
            count += usize::from(!answer.into_inner().chain.is_empty());
        }
    }
    Ok(count)
}
