//! The channel to the local supervisor, on standard input: the start message and the list of workloads come in, one
//! answer goes out. Its end is the supervisor's end, and then the control plane's.

use std::io;

use kith_proto::v1;
use kith_proto::v1::from_child::Kind as Up;
use kith_proto::v1::to_child::Kind as Down;
use kith_runtime::PacketSocket;
use prost::Message;
use tracing::{error, info};
use zeroize::Zeroize;

use crate::index::{Worlds, workloads_from_wire};

/// Why the channel cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    #[error("the channel to the supervisor failed: {0}")]
    Io(#[from] io::Error),
    #[error("the supervisor closed the channel before it said how to start")]
    NoStart,
    #[error("the supervisor's first message is not a control plane's start")]
    NotAStart,
    #[error("a message of the supervisor cannot be read: {0}")]
    Decode(#[from] prost::DecodeError),
}

/// Our end.
#[derive(Debug)]
pub(crate) struct Supervisor {
    socket: PacketSocket,
}

impl Supervisor {
    pub(crate) fn new(socket: PacketSocket) -> Self {
        Self { socket }
    }

    /// The first message.
    pub(crate) async fn start(&self) -> Result<v1::ControlPlaneStart, ChannelError> {
        let mut packet = self.socket.receive().await?.ok_or(ChannelError::NoStart)?;
        let message = v1::ToChild::decode(packet.bytes.as_slice());
        // The seal key is in it.
        packet.bytes.zeroize();
        match message?.kind {
            Some(Down::ControlPlane(start)) => Ok(start),
            _ => Err(ChannelError::NotAStart),
        }
    }

    /// Everything listens.
    pub(crate) async fn ready(&self, ready: v1::ControlPlaneReady) -> Result<(), ChannelError> {
        let message = v1::FromChild { kind: Some(Up::ControlPlane(ready)) };
        Ok(self.socket.send(&message.encode_to_vec()).await?)
    }

    /// Applies lists of workloads until the supervisor is gone. A list that is wrong changes nothing; bytes that are
    /// no message at all end the channel, since what was lost with them is unknown.
    pub(crate) async fn follow(&self, worlds: &Worlds) -> Result<(), ChannelError> {
        while let Some(packet) = self.socket.receive().await? {
            match v1::ToChild::decode(packet.bytes.as_slice())?.kind {
                Some(Down::Workloads(list)) => apply(worlds, list),
                _ => error!(
                    "A message of the supervisor is not for a control plane that runs; it changes nothing"
                ),
            }
        }
        Ok(())
    }
}

fn apply(worlds: &Worlds, list: v1::Workloads) {
    let count = list.workloads.len();
    match workloads_from_wire(&worlds.now().trust_domain, list) {
        Ok(workloads) => {
            if worlds.update(|world| world.replace_workloads(workloads)) {
                info!(workloads = count, revision = %worlds.now().revision, "Workloads replaced");
            }
        }
        Err(error) => error!(%error, "Workloads kept as they were: the list is invalid"),
    }
}

#[cfg(test)]
mod tests;
