//! Attestation by a projected service-account token: the order of the checks, from those that cost nothing to those that
//! ask the API server, and what is granted while it cannot be asked. Identity comes from the reviewed token and the pod
//! that exists, never from a label, and never from what the caller says.
//!
//! ```text
//! token: form, audience, bound to a pod ─► source address ─► not expired ─► known bad? known good? ─► budget ─► TokenReview
//!   ─► the pod as the index has it (or, so new that it has not, as the API server does) ─► Attested
//!        TokenReview without answer: an svid of ours, a known pod, reviewed lately ─► Attested, and logged
//! ```

mod api_server;
mod budget;
mod error;
mod memory;
mod platform;
mod pod;
mod questions;
mod recent;
mod review;
mod source;
mod token;

pub(crate) use api_server::ApiServer;
pub(crate) use error::PodTokenError;
pub(crate) use platform::Platform;
pub(crate) use source::FromElsewhere;
use token::{Claims, Token};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kith_identity::SpiffeId;
use kith_mtls::VerifiedPeer;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::warn;

use self::budget::{Budget, Empty, Payer};
use self::memory::Memory;
use self::platform::Away;
use self::questions::Questions;
use self::recent::Recent;
use self::source::Source;
use super::{Attested, Connection, NotAttested};
use crate::index::cluster::Facts;
use crate::index::{Unknown, WorkloadId, World, Worlds};
use crate::metrics::{Metrics, Review};
use crate::stream::issued::IssuedSvids;

/// How long the index may take to hear of a pod that exists already.
const INDEX_LAG: Duration = Duration::from_secs(2);

/// Attests pods.
pub(crate) struct PodTokens {
    questions: Questions,
    from_elsewhere: FromElsewhere,
    facts: watch::Receiver<Arc<Facts>>,
    issued: IssuedSvids,
    metrics: Arc<Metrics>,
    refused: Memory,
    accepted: Memory,
    budget: Budget,
    recent: Recent,
}

/// One attempt: what the token claims, and how it came.
struct Attempt<'a> {
    token: Token,
    claims: Claims,
    workload: WorkloadId,
    connection: Connection<'a>,
    worlds: &'a Worlds,
}

impl PodTokens {
    pub(crate) fn new(
        platform: Box<dyn Platform>,
        from_elsewhere: FromElsewhere,
        facts: watch::Receiver<Arc<Facts>>,
        issued: IssuedSvids,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            questions: Questions::new(platform),
            from_elsewhere,
            facts,
            issued,
            metrics,
            refused: Memory::default(),
            accepted: Memory::default(),
            budget: Budget::default(),
            recent: Recent::default(),
        }
    }

    /// Which workload asks for an svid, and of which identity.
    pub(crate) async fn attest(
        &self,
        token: String,
        connection: Connection<'_>,
        worlds: &Worlds,
        now: SystemTime,
    ) -> Result<Attested, NotAttested> {
        let attempt = Attempt::read(token, connection, worlds)?;
        let identity = attempt.claims.identity(&worlds.now().trust_domain)?;
        match self.prove(&attempt, now).await {
            Ok(()) => self.recent.attested(&attempt.workload, now),
            Err(error) => self.renew_without_review(&attempt, &identity, error, now).await?,
        }
        Ok(Attested { workload: attempt.workload, identity, key_hash: None })
    }

    /// Which workload is at the other end of a stream. Who holds an svid that was issued to a workload is that workload,
    /// and the API server need not be asked: thousands connect again at the same moment.
    pub(crate) async fn speaker(
        &self,
        token: String,
        peer: &VerifiedPeer,
        connection: Connection<'_>,
        worlds: &Worlds,
        now: SystemTime,
    ) -> Result<WorkloadId, NotAttested> {
        let attempt = Attempt::read(token, connection, worlds)?;
        if attempt.claims.identity(&worlds.now().trust_domain)? != *peer.identity() {
            return Err(PodTokenError::OtherPeer(peer.identity().clone()).into());
        }
        if !self.issued.holds(&attempt.workload, peer.serial()) {
            self.prove(&attempt, now).await?;
            // As good as at `Issue`: else a restart of ours just before an outage of the API server's would end renewal.
            self.recent.attested(&attempt.workload, now);
        }
        Ok(attempt.workload)
    }

    /// Everything that is asked of a token, and of its pod.
    async fn prove(&self, attempt: &Attempt<'_>, now: SystemTime) -> Result<(), NotAttested> {
        let world = attempt.worlds.now();
        let known = match world.workload(&attempt.workload) {
            Ok(_) => true,
            Err(Unknown::NotYet) => return Err(Unknown::NotYet.into()),
            Err(_) => false,
        };
        let source = attempt.source(&world);
        self.judge_source(source)?;
        if attempt.claims.has_expired(now) {
            return Err(PodTokenError::Expired.into());
        }
        let payer = match source {
            Source::Own if known => Payer::Pod(attempt.workload.clone()),
            _ => Payer::Stranger(attempt.connection.address),
        };
        self.review(&attempt.token, &attempt.claims, &payer).await?;
        self.find_pod(attempt).await?;
        // A pod that was not known before has an address by now.
        let source = attempt.source(&attempt.worlds.now());
        self.judge_source(source)?;
        self.alarm(attempt, source);
        Ok(())
    }

    /// U11
    fn judge_source(&self, source: Source) -> Result<(), PodTokenError> {
        match (source, self.from_elsewhere) {
            (Source::Elsewhere(address), FromElsewhere::Refuse) => {
                self.metrics.token_came_from_elsewhere();
                Err(PodTokenError::OtherAddress(address))
            }
            _ => Ok(()),
        }
    }

    /// Only of a token that is good, so that nobody can fill the log with others.
    fn alarm(&self, Attempt { claims, connection, .. }: &Attempt<'_>, source: Source) {
        if source != Source::Own {
            let (pod, namespace, address) = (&claims.pod, &claims.namespace, connection.address);
            warn!(
                pod,
                namespace,
                ?address,
                "A pod's token came from an address that is not known as the pod's"
            );
            self.metrics.token_came_from_elsewhere();
        }
    }

    /// What the API server says of the token, or said of it a moment ago.
    async fn review(&self, token: &Token, claims: &Claims, payer: &Payer) -> Result<(), PodTokenError> {
        let (digest, start) = (token.digest(), Instant::now());
        if self.refused.contains(&digest, start) {
            return Err(PodTokenError::Rejected);
        }
        if self.accepted.contains(&digest, start) {
            return Ok(());
        }
        self.budget.take(payer, start).map_err(|Empty { after }| PodTokenError::TooMany { after })?;
        let answer = match self.questions.review(token).await {
            Ok(status) => review::judge(&status, claims),
            Err(Away) => Err(PodTokenError::Away),
        };
        let outcome = match &answer {
            Ok(()) => Review::Accepted,
            Err(PodTokenError::Away) => Review::Away,
            Err(_) => Review::Refused,
        };
        self.metrics.token_reviewed(outcome);
        match outcome {
            Review::Accepted => self.accepted.remember(digest, Instant::now()),
            Review::Refused => self.refused.remember(digest, Instant::now()),
            Review::Away => {}
        }
        if outcome != Review::Refused {
            self.budget.refund(payer);
        }
        answer
    }

    /// The pod has to be in the index in the end: quarantines of pods and of nodes hold for what is there.
    async fn find_pod(&self, attempt: &Attempt<'_>) -> Result<(), NotAttested> {
        let Attempt { claims, workload, worlds, .. } = attempt;
        let world = worlds.now();
        if world.workload(workload).is_ok() {
            return self.fits_index(attempt, &world);
        }
        let found = self.questions.pod(&claims.namespace, &claims.pod).await;
        let found = found.map_err(|Away| PodTokenError::Away)?.ok_or(PodTokenError::NoPod)?;
        pod::fits(claims, &found)?;
        let mut watch = worlds.watch();
        let heard = timeout(INDEX_LAG, watch.wait_for(|world| world.workload(workload).is_ok())).await;
        match heard {
            Ok(Ok(world)) => self.fits_index(attempt, &world),
            _ => Err(Unknown::Gone(workload.clone()).into()),
        }
    }

    /// Pod and service account as they are known now, whatever was said of the token before.
    fn fits_index(
        &self,
        Attempt { claims, workload, .. }: &Attempt<'_>,
        world: &World,
    ) -> Result<(), NotAttested> {
        pod::fits_known(claims, world.workload(workload)?)?;
        let facts = self.facts.borrow();
        // U6, K30: also within the minute for which a good token is remembered.
        match facts.service_account_uid(&claims.namespace, &claims.service_account) {
            Some(uid) if uid == claims.service_account_uid => Ok(()),
            _ => Err(PodTokenError::OtherServiceAccount.into()),
        }
    }

    /// Whether an svid renews itself although nobody vouches for its workload now: only because the API server cannot,
    /// only for the pod that it was issued to, while that is known to exist, and not for long. Otherwise it stays with
    /// `error`. An expired token is no hindrance then: the kubelet cannot renew it either.
    async fn renew_without_review(
        &self,
        attempt: &Attempt<'_>,
        identity: &SpiffeId,
        error: NotAttested,
        now: SystemTime,
    ) -> Result<(), NotAttested> {
        let Attempt { workload, connection, worlds, .. } = attempt;
        let holds = connection
            .peer
            .is_some_and(|peer| peer.identity() == identity && self.issued.holds(workload, peer.serial()));
        let fits = self.fits_index(attempt, &worlds.now()).is_ok();
        if !(holds && fits && self.recent.contains(workload, now)) {
            return Err(error);
        }
        let away = match error {
            NotAttested::PodToken(PodTokenError::Away) => true,
            NotAttested::PodToken(PodTokenError::Expired) => self.is_away(attempt).await,
            _ => false,
        };
        if !away {
            return Err(error);
        }
        warn!(%identity, %workload, "Svid renewed without a review: the API server does not answer");
        self.metrics.renewed_without_review();
        Ok(())
    }

    /// Whether the API server says nothing at all, not even of an expired token. The pod pays for the question.
    async fn is_away(&self, Attempt { token, workload, .. }: &Attempt<'_>) -> bool {
        let payer = Payer::Pod(workload.clone());
        if self.budget.take(&payer, Instant::now()).is_err() {
            return false;
        }
        let away = self.questions.review(token).await.is_err();
        if away {
            self.budget.refund(&payer);
        }
        away
    }
}

impl<'a> Attempt<'a> {
    fn read(token: String, connection: Connection<'a>, worlds: &'a Worlds) -> Result<Self, PodTokenError> {
        let token = Token::new(token);
        let claims = Claims::read(&token)?;
        let workload = WorkloadId::new(&claims.pod_uid);
        Ok(Self { token, claims, workload, connection, worlds })
    }

    fn source(&self, world: &World) -> Source {
        Source::of(self.connection.address, &self.workload, world)
    }
}

#[cfg(test)]
mod tests;
