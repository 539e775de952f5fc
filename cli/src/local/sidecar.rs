//! A sidecar as the supervisor sees it: what it is told at its start, the attestation it may ask for, and which process is
//! its application. Owns the reading of its standard output as the identity log.

use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use kith_identity::SpiffeId;
use kith_proto::v1::{
    ApplicationProcess, SidecarReady, SidecarStart, StatementRequest, from_child, to_child,
};
use kith_sidecar::identity_log::Line;
use tokio::sync::watch;

use super::attestation::{Allowance, Attestor, Evidence};
use super::channel::{Channel, Received};
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
    /// The application that it serves svids to, when the supervisor keeps it.
    pub(crate) application: Option<Kept>,
    /// Who signs.
    pub(crate) attestor: Arc<Attestor>,
    /// Where refusals are told.
    pub(crate) events: EventSink,
}

impl Role for SidecarRole {
    async fn converse(&self, kept: &Kept, life: &Life, channel: Channel) -> anyhow::Result<()> {
        channel.send(to_child::Kind::Sidecar(self.start.clone())).await.context("cannot send the start")?;
        let mut allowance = Allowance::new();
        let mut application = Processes::of(self.application.as_ref());
        loop {
            let said = tokio::select! {
                received = channel.receive() => match received? {
                    Some(received) => self.answer(received, kept, life, &mut allowance)?,
                    None => return Ok(()),
                },
                process = application.next() => Some(to_child::Kind::Application(process)),
            };
            if let Some(said) = said {
                channel.send(said).await.context("cannot send what it waits for")?;
            }
        }
    }

    fn said(&self, id: &ChildId, line: &str) -> Event {
        match Line::from_json(line) {
            Ok(line) => Event::Line { service: self.service.clone(), line: Arc::new(line) },
            Err(_) => Event::Raw { child: id.clone(), stream: Stream::Stdout, text: line.into() },
        }
    }
}

impl SidecarRole {
    /// What is said to a message.
    fn answer(
        &self,
        received: Received,
        kept: &Kept,
        life: &Life,
        allowance: &mut Allowance,
    ) -> anyhow::Result<Option<to_child::Kind>> {
        match received.message {
            from_child::Kind::Sidecar(ready) => {
                self.check(&ready)?;
                kept.set_ready();
                Ok(None)
            }
            from_child::Kind::Statement(request) => {
                Ok(Some(self.attest(&request, Evidence::of(received.sender, life), allowance)))
            }
            from_child::Kind::ControlPlane(_) => bail!("the sidecar speaks as a control plane"),
        }
    }

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

/// The processes of an application, one after the other, as the supervisor starts them.
struct Processes(Option<watch::Receiver<Option<Arc<Life>>>>);

impl Processes {
    fn of(application: Option<&Kept>) -> Self {
        Self(application.map(|kept| {
            let mut lives = kept.lives();
            // One that runs already is news to a sidecar that was started again.
            lives.mark_changed();
            lives
        }))
    }

    /// The next process, or that there is none for now. Without an application, it waits for ever.
    async fn next(&mut self) -> ApplicationProcess {
        if let Some(lives) = &mut self.0
            && lives.changed().await.is_ok()
        {
            let life = lives.borrow_and_update().clone();
            // The number of one that has ended may be another's by now.
            let pid = life.filter(|life| life.is_alive()).map_or(0, |life| life.pid());
            return ApplicationProcess { pid };
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::Duration;

    use kith_runtime::{Stop, Tasks};
    use tokio::time::timeout;

    use super::super::child::Launch;
    use super::super::keeper::{Application, Keeper};
    use super::*;

    /// The next process that is not this one.
    async fn next_after(processes: &mut Processes, before: i32) -> i32 {
        let search = async {
            loop {
                match processes.next().await.pid {
                    0 => {}
                    pid if pid != before => return pid,
                    _ => {}
                }
            }
        };
        timeout(Duration::from_secs(20), search).await.expect("a process")
    }

    #[tokio::test]
    async fn a_sidecar_is_told_of_each_process_of_its_application_and_one_that_comes_later_of_the_last() {
        let kept = Kept::new(ChildId::App("web".into()));
        let mut processes = Processes::of(Some(&kept));
        assert_eq!(processes.next().await.pid, 0, "none runs yet");
        let (tasks, (stopper, stop)) = (Tasks::new(), Stop::new());
        let launch = Launch {
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), "exec sleep 60".to_owned()],
            environment: BTreeMap::new(),
            folder: None,
            title: None,
            with_channel: false,
        };
        let (role, events) = (Application, EventSink::new());
        tasks.spawn(Keeper { launch, role, kept: kept.clone(), events, stop }.keep());
        let first = next_after(&mut processes, 0).await;
        assert_eq!(Some(first), kept.pid());
        kept.kill().unwrap();
        let second = next_after(&mut processes, first).await;
        assert_eq!(next_after(&mut Processes::of(Some(&kept)), 0).await, second);
        stopper.begin();
        tasks.finish(Duration::from_secs(20)).await;
        // Without an application there is never any news.
        let mut none = Processes::of(None);
        tokio::select! {
            biased;
            process = none.next() => panic!("{process:?}"),
            () = std::future::ready(()) => {}
        }
    }
}
