//! A sidecar's end of the stream, by hand: nothing is answered that the test does not answer.

use std::sync::Arc;

use kith_mtls::Svid;
use kith_proto::v1;
use kith_proto::v1::sync_down::Kind as Down;
use kith_proto::v1::sync_up::Kind as Up;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Mesh, PATIENCE};

pub(crate) struct Sidecar {
    /// What every stream begins with.
    pub(crate) first: v1::Quarantines,
    up: mpsc::Sender<v1::SyncUp>,
    down: Streaming<v1::SyncDown>,
}

impl Sidecar {
    pub(crate) async fn connect(mesh: &Mesh, svid: Arc<Svid>) -> Result<Self, Status> {
        let (up, messages) = mpsc::channel(16);
        let down = mesh.sync(svid).await.sync(ReceiverStream::new(messages)).await?.into_inner();
        let mut sidecar = Self { first: v1::Quarantines::default(), up, down };
        sidecar.first = sidecar.quarantines().await;
        Ok(sidecar)
    }

    pub(crate) async fn of(mesh: &Mesh, name: &str) -> Self {
        Self::connect(mesh, mesh.svid(name).await).await.unwrap()
    }

    pub(crate) async fn say(&self, kind: Up) {
        self.up.send(v1::SyncUp { kind: Some(kind) }).await.unwrap();
    }

    /// The quarantines that come next, acknowledged.
    pub(crate) async fn take_quarantines(&mut self) -> v1::Quarantines {
        let quarantines = self.quarantines().await;
        self.acknowledge(&quarantines).await;
        quarantines
    }

    /// As a sidecar does when every worker has them.
    pub(crate) async fn acknowledge(&self, quarantines: &v1::Quarantines) {
        self.say(Up::Quarantined(v1::QuarantinesAck { revision: quarantines.revision })).await;
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Down>, Status> {
        let message = timeout(PATIENCE, self.down.message()).await.expect("nothing came")?;
        Ok(message.and_then(|message| message.kind))
    }

    pub(crate) async fn snapshot(&mut self) -> v1::Snapshot {
        match self.next().await {
            Ok(Some(Down::Snapshot(snapshot))) => snapshot,
            other => panic!("not a snapshot: {other:?}"),
        }
    }

    pub(crate) async fn quarantines(&mut self) -> v1::Quarantines {
        match self.next().await {
            Ok(Some(Down::Quarantines(quarantines))) => quarantines,
            other => panic!("not quarantines: {other:?}"),
        }
    }

    /// The quarantines that come next, acknowledged; `None` when something else does.
    pub(crate) async fn quarantines_or_snapshot(&mut self) -> Option<v1::Quarantines> {
        let Ok(Some(Down::Quarantines(quarantines))) = self.next().await else { return None };
        self.acknowledge(&quarantines).await;
        Some(quarantines)
    }

    pub(crate) async fn end(&mut self) -> Status {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without a reason"),
                Err(status) => return status,
            }
        }
    }
}
