//! What one stream has sent, and which revisions that stands for. Owns the rule that a sidecar is not told again what it
//! has: a revision that changes nothing for it is one that it has, as soon as it acknowledged what says the same.

use kith_policy::Revision;
use kith_proto::v1;

/// The newest snapshot that was sent.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Without its revision.
    content: Option<v1::Snapshot>,
    revision: Option<Revision>,
    /// The newest revision in which the content was the same.
    stands_for: Option<Revision>,
    acknowledged: bool,
}

impl Sent {
    /// The snapshot as it is to be sent; `None` when the sidecar was sent the very same.
    pub(super) fn offer(&mut self, mut snapshot: v1::Snapshot, revision: Revision) -> Option<v1::Snapshot> {
        let stamp = snapshot.revision.take();
        self.stands_for = Some(revision);
        if self.content.as_ref() == Some(&snapshot) {
            return None;
        }
        self.content = Some(snapshot.clone());
        self.revision = Some(revision);
        self.acknowledged = false;
        Some(v1::Snapshot { revision: stamp, ..snapshot })
    }

    /// The revision that was sent last.
    pub(super) fn revision(&self) -> Option<Revision> {
        self.revision
    }

    /// The sidecar has this one of the revisions that were sent.
    pub(super) fn acknowledged(&mut self, revision: Revision) {
        self.acknowledged |= self.revision == Some(revision);
    }

    /// The newest revision that the sidecar has, whether it was told its number or not; `None` while it owes an answer.
    pub(super) fn in_force(&self) -> Option<Revision> {
        self.stands_for.filter(|_| self.acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(counter: u64) -> Revision {
        Revision { epoch: 1, counter }
    }

    fn snapshot(counter: u64, identity: &str) -> v1::Snapshot {
        let revision = Some(revision(counter).into());
        v1::Snapshot { revision, identity: identity.into(), ..v1::Snapshot::default() }
    }

    #[test]
    fn what_says_the_same_is_sent_once_and_counts_as_had_when_it_was_acknowledged() {
        let mut sent = Sent::default();
        assert_eq!(sent.offer(snapshot(1, "a"), revision(1)), Some(snapshot(1, "a")));
        assert_eq!(sent.offer(snapshot(2, "a"), revision(2)), None);
        assert_eq!((sent.revision(), sent.in_force()), (Some(revision(1)), None));
        sent.acknowledged(revision(1));
        assert_eq!(sent.in_force(), Some(revision(2)));

        assert_eq!(sent.offer(snapshot(3, "b"), revision(3)), Some(snapshot(3, "b")));
        sent.acknowledged(revision(1));
        assert_eq!(sent.in_force(), None, "the answer to an older one says nothing of this one");
    }
}
