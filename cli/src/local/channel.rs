//! What supervisor and child say to each other (`local.proto`): one message a packet. Owns the encoding and the
//! kernel's word on who sent a packet; what a message means is its receiver's business.

use std::io;
use std::os::fd::OwnedFd;

use kith_proto::v1::{FromChild, ToChild, from_child, to_child};
use kith_runtime::packet_socket::PacketSocket;
use prost::Message;

/// The supervisor's end.
pub(crate) struct Channel(PacketSocket);

/// A message and who sent it.
pub(crate) struct Received {
    /// The message.
    pub(crate) message: from_child::Kind,
    /// The process that sent it, as the kernel vouches.
    pub(crate) sender: Option<i32>,
}

/// Why a child's message could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// The socket failed.
    #[error("the channel failed")]
    Socket(#[from] io::Error),
    /// The packet is no message.
    #[error("the packet of {length} bytes is no message")]
    Malformed {
        /// Its length.
        length: usize,
        /// Why.
        source: prost::DecodeError,
    },
    /// The message has no kind that this supervisor knows.
    #[error("the message is of no known kind; supervisor and child must be of the same version")]
    UnknownKind,
}

impl Channel {
    /// Both ends: ours, and the one that becomes the child's standard input.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = PacketSocket::pair()?;
        Ok((Self(ours), theirs))
    }

    /// Sends one message.
    pub(crate) async fn send(&self, kind: to_child::Kind) -> io::Result<()> {
        self.0.send(&ToChild { kind: Some(kind) }.encode_to_vec()).await
    }

    /// The next message; `None` once the child has closed its end.
    pub(crate) async fn receive(&self) -> Result<Option<Received>, ChannelError> {
        let Some(packet) = self.0.receive().await? else { return Ok(None) };
        let length = packet.bytes.len();
        let message = FromChild::decode(packet.bytes.as_slice())
            .map_err(|source| ChannelError::Malformed { length, source })?;
        let message = message.kind.ok_or(ChannelError::UnknownKind)?;
        Ok(Some(Received { message, sender: packet.sender }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    #[tokio::test]
    async fn what_is_no_message_of_ours_is_an_error_and_never_a_message() {
        let (ours, theirs) = Channel::pair().unwrap();
        let mut theirs = File::from(theirs);
        theirs.write_all(&[0xff; 7]).unwrap();
        assert!(matches!(ours.receive().await, Err(ChannelError::Malformed { length: 7, .. })));
        // Field 15, of a version to come.
        theirs.write_all(&[0x7a, 0x00]).unwrap();
        assert!(matches!(ours.receive().await, Err(ChannelError::UnknownKind)));
    }

    #[tokio::test]
    async fn a_message_carries_its_sender_and_the_end_is_none() {
        let (ours, theirs) = Channel::pair().unwrap();
        let mut theirs = File::from(theirs);
        let kind =
            from_child::Kind::Statement(kith_proto::v1::StatementRequest { number: 7, key_hash: vec![1] });
        theirs.write_all(&FromChild { kind: Some(kind.clone()) }.encode_to_vec()).unwrap();
        let received = ours.receive().await.unwrap().unwrap();
        assert_eq!(received.message, kind);
        assert_eq!(received.sender, i32::try_from(std::process::id()).ok());
        drop(theirs);
        assert!(ours.receive().await.unwrap().is_none());
    }
}
