//! Keeps the svid fresh: a new key each time, inside the window that the server assigned, the old one kept while it
//! holds.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::svid::Serial;
use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::{ClientIdentity, Credentials, KeyError, Now, Svid, SvidError, WorkloadKey};
use kith_proto::convert::{WireError, bundle_from_wire, from_millis};
use kith_proto::v1;
use kith_proto::v1::issuance_client::IssuanceClient;
use kith_runtime::Backoff;
use tokio::sync::watch;
use tokio::time::timeout;

use super::channel::connect;
use super::schedule::{Window, longest_pause};
use super::{Attestation, Control, PlatformError, put};
use crate::identity_log::{Event, SvidRenewed, rfc3339};
use crate::random;

/// From the question to the answer.
const ISSUE_LIMIT: Duration = Duration::from_secs(5);
/// Failures that a start may have while its control plane starts, too.
const OF_A_START: u32 = 4;
/// Between one svid and the next, whatever the window says.
const SHORTEST_TURN: Duration = Duration::from_secs(1);

/// Why there is no new svid.
#[derive(Debug, thiserror::Error)]
pub(super) enum RenewalError {
    #[error("no key could be made: {0}")]
    Key(#[from] KeyError),
    #[error("not attested: {0}")]
    Platform(#[from] PlatformError),
    #[error("the control plane cannot be reached: {0}")]
    Channel(#[from] tonic::transport::Error),
    #[error("the control plane refused: {} ({})", .0.message(), .0.code())]
    Refused(#[from] tonic::Status),
    #[error("the control plane did not answer in time")]
    Late,
    #[error("the answer is wrong: {0}")]
    Wire(#[from] WireError),
    #[error("the svid cannot be used: {0}")]
    Svid(#[from] SvidError),
    #[error("the svid is for {found}, this is {own}")]
    Foreign { found: SpiffeId, own: SpiffeId },
}

/// Runs until the process stops.
pub(crate) async fn keep_svid(control: Arc<Control>) {
    let (mut backoff, mut failed) = (Backoff::default(), 0);
    loop {
        let wait = async {
            match renew(&control).await {
                Ok(window) => {
                    backoff.reset();
                    failed = 0;
                    // A window that is over already must not make this a loop.
                    tokio::time::sleep(SHORTEST_TURN).await;
                    tokio::select! {
                        () = control.clock.until(window.pick(random::fraction())) => {}
                        () = control.renew.notified() => tracing::info!("Renewal asked for"),
                    }
                }
                Err(error) => {
                    let pause = backoff.next(longest_pause(left(&control)), random::fraction());
                    failed += 1;
                    complain(&control, &error, failed, pause);
                    // Not by the wall clock: it may have been wrong, and is set right meanwhile.
                    tokio::time::sleep(pause).await;
                }
            }
        };
        tokio::select! {
            () = wait => {}
            () = control.stop.graceful() => return,
        }
    }
}

/// What remains of the current svid.
fn left(control: &Control) -> Option<Duration> {
    let not_after = control.svid.borrow().as_ref()?.not_after();
    Some(not_after.duration_since(control.clock.now()).unwrap_or_default())
}

/// Before the first svid, a few failures are part of every start; more of them, or one after it, are worth a line.
fn complain(control: &Control, error: &RenewalError, failed: u32, pause: Duration) {
    let pause = format!("{pause:.1?}");
    if control.svid.borrow().is_some() {
        tracing::warn!(%error, %pause, "Renewal failed, trying again");
    } else if failed > OF_A_START {
        tracing::warn!(%error, %pause, "Still no svid, trying again");
    } else {
        tracing::info!(%error, %pause, "No svid yet, trying again");
    }
}

/// One new svid; says when the next is due.
pub(super) async fn renew(control: &Control) -> Result<Window, RenewalError> {
    let key = WorkloadKey::generate()?;
    let attestation = control.platform.attest(key.key_hash()).await?;
    let csr = key.csr_der()?;
    let response = timeout(ISSUE_LIMIT, issue(control, attestation, csr)).await;
    let response = response.map_err(|_| RenewalError::Late)??;
    let bundle = bundle_from_wire("bundle", response.bundle.as_ref())?;
    let window = Window {
        from: from_millis("renew_from_ms", response.renew_from_ms)?,
        until: from_millis("renew_until_ms", response.renew_until_ms)?,
    };
    let svid = Svid::new(key, response.chain)?;
    if *svid.identity() != control.identity {
        return Err(RenewalError::Foreign { found: svid.identity().clone(), own: control.identity.clone() });
    }
    // Bundle first: a peer that already proves itself by the new authority must not meet the old bundle (W11).
    // The snapshot may know more domains; this one only ever names ours.
    let known = control.bundles.borrow().clone();
    put(&control.bundles, known.iter().cloned().chain([bundle]).collect());
    publish(control, svid);
    Ok(window)
}

async fn issue(
    control: &Control,
    attestation: Attestation,
    csr: Vec<u8>,
) -> Result<v1::IssueResponse, RenewalError> {
    let anchors: BundleSet = [attestation.bundle].into_iter().collect();
    let channel = connect(
        &attestation.control_plane,
        &SpiffeId::control_plane(control.identity.trust_domain()),
        control.credentials_with(anchors),
        ClientIdentity::SvidIfAny,
    )
    .await?;
    let request = v1::IssueRequest { evidence: Some(attestation.evidence), csr };
    let response = IssuanceClient::new(channel).issue(request).await?;
    Ok(response.into_inner())
}

fn publish(control: &Control, svid: Svid) {
    let (serial, not_after) = (svid.serial().to_string(), svid.not_after());
    let before = control.svid.send_replace(Some(Arc::new(svid)));
    let previous = before.map(|svid| svid.serial().to_string());
    control.log.write(renewed(previous, serial, not_after));
}

fn renewed(previous: Option<String>, serial: String, not_after: SystemTime) -> Event {
    Event::SvidRenewed(SvidRenewed { previous, serial, not_after: rfc3339(not_after) })
}

impl Control {
    /// Own svid as it is now, if it still holds, and the given anchors.
    pub(super) fn credentials_with(&self, anchors: BundleSet) -> Credentials {
        let clock = self.clock.clone();
        let now = clock.now();
        let current = self.svid.borrow().clone().filter(|svid| svid.not_after() > now);
        let (_, svid) = watch::channel(current);
        let (_, bundles) = watch::channel(Arc::new(anchors));
        Credentials::new(svid, bundles, Now::new(move || clock.now())).with_key_exchange(self.key_exchange)
    }
}

/// Names the current svid, to see whether it is still the same one.
pub(super) fn serial_of(svid: &watch::Sender<Option<Arc<Svid>>>) -> Option<Serial> {
    svid.borrow().as_ref().map(|svid| svid.serial().clone())
}
