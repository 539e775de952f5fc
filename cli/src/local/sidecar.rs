//! A sidecar as the supervisor sees it: what it is told at its start, and the attestation it may ask for. Owns the
//! reading of its standard output as the identity log.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use kith_identity::SpiffeId;
use kith_proto::v1::{SidecarReady, SidecarStart, StatementRequest, from_child, to_child};
use kith_sidecar::identity_log::Line;

use super::attestation::{Allowance, Attestor, Evidence};
use super::channel::Channel;
use super::child::Life;
use super::events::{ChildId, Event, EventSink, Stream};
use super::keeper::{Kept, Role};

/// What the supervisor says to a sidecar.
pub(crate) struct SidecarRole {
    /// The service.
    pub(crate) service: Arc<str>,
    /// The identity that this child, and no other, is attested as.
    pub(crate) identity: SpiffeId,
    /// The same at every start.
    pub(crate) start: SidecarStart,
    /// Who signs.
    pub(crate) attestor: Arc<Attestor>,
    /// Where refusals are told.
    pub(crate) events: EventSink,
}

impl Role for SidecarRole {
    async fn converse(&self, kept: &Kept, life: &Life, channel: Channel) -> anyhow::Result<()> {
        channel.send(to_child::Kind::Sidecar(self.start.clone())).await.context("cannot send the start")?;
        let mut allowance = Allowance::new();
        while let Some(received) = channel.receive().await? {
            match received.message {
                from_child::Kind::Sidecar(ready) => {
                    self.check(&ready)?;
                    kept.set_ready();
                }
                from_child::Kind::Statement(request) => {
                    let reply = self.attest(&request, Evidence::of(received.sender, life), &mut allowance);
                    channel.send(reply).await.context("cannot send a statement")?;
                }
                from_child::Kind::ControlPlane(_) => bail!("the sidecar speaks as a control plane"),
            }
        }
        Ok(())
    }

    fn said(&self, id: &ChildId, line: &str) -> Event {
        match Line::from_json(line) {
            Ok(line) => Event::Line { service: self.service.clone(), line: Arc::new(line) },
            Err(_) => Event::Raw { child: id.clone(), stream: Stream::Stdout, text: line.into() },
        }
    }
}

impl SidecarRole {
    fn attest(
        &self,
        request: &StatementRequest,
        evidence: Evidence,
        allowance: &mut Allowance,
    ) -> to_child::Kind {
        let (reply, refusal) = self.attestor.reply(&self.identity, request, evidence, allowance);
        if let Some(refusal) = refusal.filter(|refusal| refusal.is_suspicious()) {
            let text = format!("no statement: {refusal}");
            let child = ChildId::Sidecar(self.service.clone());
            self.events.report(Event::Warning { child, text: text.into() });
        }
        to_child::Kind::Statement(reply)
    }

    /// Everybody was told these addresses already, so a sidecar that is elsewhere is of no use.
    fn check(&self, ready: &SidecarReady) -> anyhow::Result<()> {
        let asked = (&self.start.inbound_listen, &self.start.outbounds, &self.start.health_listen);
        ensure!(
            asked == (&ready.inbound, &ready.outbounds, &ready.health),
            "the sidecar listens at {ready:?}, not at {asked:?}"
        );
        Ok(())
    }
}
