//! `Rotate`: a new svid now. The sidecar is asked over its stream, makes its key and renews as it always does; the
//! answer comes when the svid was issued.

use std::time::Duration;

use kith_proto::convert::to_millis;
use kith_proto::v1;
use tokio::time::timeout;
use tonic::Status;

use super::AdminService;
use super::named::{self, NoSuch};
use crate::index::Workload;

/// A renewal takes milliseconds; a sidecar that was refused tries again within seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no new svid.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotRotated {
    #[error(transparent)]
    NoSuch(#[from] NoSuch),
    #[error("{name:?} means {count} workloads, and each has an svid of its own; name one of them: {names}")]
    Several { name: String, count: usize, names: String },
    #[error("{0} is quarantined and gets no svid; lift that first with: kith quarantine remove {0}")]
    Quarantined(String),
    #[error(
        "the sidecar of {0} is not connected, so it cannot be asked; it renews by itself when it is back"
    )]
    NotConnected(String),
    #[error("the sidecar of {0} was asked and has no new svid after {wait} s; its log says why", wait = PATIENCE.as_secs())]
    TooLate(String),
    #[error("the control plane stops; ask again when it is back")]
    Stopping,
}

impl From<NotRotated> for Status {
    fn from(error: NotRotated) -> Self {
        let text = error.to_string();
        match error {
            NotRotated::NoSuch(error) => error.into(),
            NotRotated::Several { .. } => Self::invalid_argument(text),
            NotRotated::Quarantined(_) | NotRotated::NotConnected(_) => Self::failed_precondition(text),
            NotRotated::TooLate(_) => Self::deadline_exceeded(text),
            NotRotated::Stopping => Self::unavailable(text),
        }
    }
}

impl NotRotated {
    fn several(name: &str, named: &[&Workload]) -> Self {
        let names = named::list(named.iter().map(|workload| workload.name.as_str()));
        Self::Several { name: name.to_owned(), count: named.len(), names }
    }
}

pub(super) async fn rotate(service: &AdminService, name: &str) -> Result<v1::RotateResponse, NotRotated> {
    let world = service.worlds.now();
    let named = named::workloads(&world, name)?;
    let [workload] = named[..] else { return Err(NotRotated::several(name, &named)) };
    let (name, id) = (&workload.name, &workload.id);
    if world.is_cut_off(workload) {
        return Err(NotRotated::Quarantined(name.clone()));
    }
    let previous = service.acks.standing(id).svid.map(|(serial, _)| serial.to_string());
    let before = service.issued.count(id);
    let mut issued = service.issued.watch();
    if !service.acks.ask_renewal(id) {
        return Err(NotRotated::NotConnected(name.clone()));
    }
    let renewed = issued.wait_for(|()| service.issued.count(id) > before);
    tokio::select! {
        renewed = timeout(PATIENCE, renewed) => {
            renewed.map_err(|_| NotRotated::TooLate(name.clone()))?.map_err(|_| NotRotated::Stopping)?;
        }
        () = service.stop.graceful() => return Err(NotRotated::Stopping),
    }
    // It is forgotten only with its workload.
    let svid = service.issued.newest(id).ok_or_else(|| NotRotated::NotConnected(name.clone()))?;
    Ok(v1::RotateResponse {
        identity: workload.identity.to_string(),
        previous_serial: previous.unwrap_or_default(),
        serial: svid.serial.to_string(),
        not_after_ms: to_millis(svid.not_after),
    })
}

#[cfg(test)]
mod tests;
