//! Who a child is: the supervisor started it, holds its pidfd, and the kernel says which process a request came
//! from. Owns the decision and the statement that follows from it. The statement is for that child's own identity,
//! for one key, for one use; a child has no way to name another.

use std::sync::Arc;
use std::time::Duration;

use kith_control_plane::attest::statement::LIFETIME;
use kith_control_plane::attest::{StatementClaims, StatementSigner};
use kith_identity::SpiffeId;
use kith_identity::svid::KeyHash;
use kith_proto::v1::{StatementReply, StatementRequest};
use kith_runtime::Clock;
use tokio::sync::watch;
use tokio::time::Instant;

use super::child::Life;
use super::control_plane::ControlPlaneFacts;

/// Statements that a child may ask for in a row, and how long one more takes to grow back. An svid needs one.
const BURST: u32 = 10;
const REFILL: Duration = Duration::from_millis(500);

/// Why a child gets no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The kernel does not name the sender.
    #[error("the request has no verified sender")]
    NoSender,
    /// Somebody else holds the child's end of the channel.
    #[error("process {sender} sent the request, not the child {child} that was started")]
    OtherProcess {
        /// Who sent it.
        sender: i32,
        /// Who should have.
        child: i32,
    },
    /// The child is dead; its number may be another's by now.
    #[error("the child {child} has ended")]
    Ended {
        /// The number that it had.
        child: i32,
    },
    /// Not a SHA-256.
    #[error("a key hash has 32 bytes, not {length}")]
    KeyHash {
        /// Its length.
        length: usize,
    },
    /// More often than any renewal needs.
    #[error("too many requests; the next one is answered in at most {REFILL:?}")]
    TooOften,
    /// Nobody could verify the statement now.
    #[error("the control plane does not run; ask again")]
    NoControlPlane,
    /// A statement needs a nonce.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Refusal {
    /// Whether this is worth a warning: all but the control plane's absence, which is told elsewhere.
    pub(crate) fn is_suspicious(&self) -> bool {
        !matches!(self, Self::NoControlPlane)
    }
}

/// What is known of the child a request came from, at the time of the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    /// Who sent the packet, as the kernel says.
    pub(crate) sender: Option<i32>,
    /// The process that was started.
    pub(crate) child: i32,
    /// Whether that very process still runs.
    pub(crate) alive: bool,
}

impl Evidence {
    pub(crate) fn of(sender: Option<i32>, life: &Life) -> Self {
        Self { sender, child: life.pid(), alive: life.is_alive() }
    }

    /// Whether the request is the child's own.
    fn check(self) -> Result<(), Refusal> {
        let Self { sender, child, alive } = self;
        let sender = sender.ok_or(Refusal::NoSender)?;
        if sender != child {
            return Err(Refusal::OtherProcess { sender, child });
        }
        // While the pidfd's process lives, the number is its own: so both together name one process.
        if alive { Ok(()) } else { Err(Refusal::Ended { child }) }
    }
}

/// Signs statements for the children of one supervisor.
pub(crate) struct Attestor {
    pub(crate) signer: StatementSigner,
    pub(crate) clock: Clock,
    pub(crate) control_plane: watch::Receiver<Option<Arc<ControlPlaneFacts>>>,
}

impl Attestor {
    /// The reply to a request, and why it is a refusal if it is one.
    pub(crate) fn reply(
        &self,
        identity: &SpiffeId,
        request: &StatementRequest,
        evidence: Evidence,
        allowance: &mut Allowance,
    ) -> (StatementReply, Option<Refusal>) {
        let facts = self.control_plane.borrow().clone();
        let reply = decide(request, evidence, allowance, facts.as_deref())
            .and_then(|(key_hash, facts)| self.statement(identity, request.number, key_hash, facts));
        match reply {
            Ok(reply) => (reply, None),
            Err(refusal) => {
                let text = refusal.to_string();
                let reply =
                    StatementReply { number: request.number, refusal: text, ..StatementReply::default() };
                (reply, Some(refusal))
            }
        }
    }

    fn statement(
        &self,
        identity: &SpiffeId,
        number: u64,
        key_hash: KeyHash,
        facts: &ControlPlaneFacts,
    ) -> Result<StatementReply, Refusal> {
        let expires = self.clock.now() + LIFETIME;
        let claims =
            StatementClaims { identity: identity.clone(), key_hash, instance: facts.instance, expires };
        Ok(StatementReply {
            number,
            statement: self.signer.sign(&claims).map_err(|_| Refusal::NoRandomness)?,
            refusal: String::new(),
            control_plane: facts.address.to_string(),
            bundle: Some(facts.bundle.clone()),
        })
    }
}

/// Whether a request is answered with a statement, and for which key.
fn decide<'a>(
    request: &StatementRequest,
    evidence: Evidence,
    allowance: &mut Allowance,
    control_plane: Option<&'a ControlPlaneFacts>,
) -> Result<(KeyHash, &'a ControlPlaneFacts), Refusal> {
    evidence.check()?;
    let key_hash = <[u8; 32]>::try_from(request.key_hash.as_slice())
        .map_err(|_| Refusal::KeyHash { length: request.key_hash.len() })?;
    let control_plane = control_plane.ok_or(Refusal::NoControlPlane)?;
    // Last, so that refusals for other reasons cost the child nothing.
    if allowance.take(Instant::now()) {
        Ok((KeyHash::from_bytes(key_hash), control_plane))
    } else {
        Err(Refusal::TooOften)
    }
}

/// How many statements one process may still ask for.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: u32,
    counted: Instant,
}

impl Allowance {
    pub(crate) fn new() -> Self {
        Self { left: BURST, counted: Instant::now() }
    }

    fn take(&mut self, now: Instant) -> bool {
        while self.left < BURST && now.duration_since(self.counted) >= REFILL {
            self.left += 1;
            self.counted += REFILL;
        }
        if self.left == BURST {
            self.counted = now;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests;
