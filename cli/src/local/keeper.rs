//! Keeps one child running: starts it, passes on what it says, starts it again after it ended, ends it when told.
//! Owns the pause between starts; what is said on the channel is the role's.

mod kept;

use std::io;
use std::pin::pin;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use kith_runtime::Stop;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};

use super::channel::Channel;
use super::child::{Launch, Life, Started};
use super::events::{ChildId, Event, EventSink, Stream};
pub use kept::Kept;

/// How long a child may drain after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How often the rest of a child's group is looked at, whose end nobody announces.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long what a dead child wrote may take to arrive; longer only when it left processes outside of its group.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A child that lived this long did not fail at its start: the pause begins anew.
const SETTLED: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest line of a child that is read as one.
const MAX_LINE: u64 = 256 * 1024;

/// What differs between the kinds of children.
pub(crate) trait Role: Send + Sync + 'static {
    /// Talks to the child until it closes its end. An error ends the child: whoever breaks the protocol is not
    /// what was started.
    fn converse(
        &self,
        kept: &Kept,
        life: &Life,
        channel: Channel,
    ) -> impl Future<Output = anyhow::Result<()>> + Send;

    /// What a line on its standard output means.
    fn said(&self, id: &ChildId, line: &str) -> Event {
        Event::Raw { child: id.clone(), stream: Stream::Stdout, text: line.into() }
    }

    /// The pause before the first restart.
    fn first_pause(&self) -> Duration {
        FIRST_PAUSE
    }
}

/// An application: nothing is said to it.
pub(crate) struct Application;

impl Role for Application {
    async fn converse(&self, _: &Kept, _: &Life, _: Channel) -> anyhow::Result<()> {
        Ok(())
    }
}

/// One child and everything that keeps it.
pub(crate) struct Keeper<R> {
    pub(crate) launch: Launch,
    pub(crate) role: R,
    pub(crate) kept: Kept,
    pub(crate) events: EventSink,
    pub(crate) stop: Stop,
}

impl<R: Role> Keeper<R> {
    /// Keeps the child until the stop.
    pub(crate) async fn keep(self) {
        let mut pauses = Pause::new(self.role.first_pause());
        let mut starts = 0_u32;
        let mut failures = Failures::default();
        while self.may_start().await {
            let since = Instant::now();
            let (pid, (end, ready)) = match self.launch.start() {
                Ok(started) => {
                    let pid = started.life.pid();
                    self.report_start(starts, pid);
                    starts = starts.saturating_add(1);
                    (Some(pid), self.attend(started).await)
                }
                Err(error) => {
                    let text: Arc<str> = format!("{error:#}").into();
                    self.warn(&text);
                    (None, (text, false))
                }
            };
            let pause = (!self.stop.is_stopping()).then(|| pauses.after(since.elapsed()));
            if let Some(pid) = pid {
                self.report_end(pid, end.clone(), pause);
            }
            let Some(pause) = pause else { return };
            if failures.is_hopeless(&end, ready) {
                self.kept.gives_up(end);
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = self.stop.graceful() => return,
            }
        }
    }

    /// Waits while the child is held; whether it may be started then.
    async fn may_start(&self) -> bool {
        let mut held = self.kept.holds();
        tokio::select! {
            biased;
            () = self.stop.graceful() => false,
            released = held.wait_for(|&held| !held) => released.is_ok(),
        }
    }

    /// From the start of one process to its end: how it ended, and whether it was ready before.
    async fn attend(&self, started: Started) -> (Arc<str>, bool) {
        let Started { mut process, life, channel, stdout, stderr } = started;
        let life = Arc::new(life);
        self.kept.begins(life.clone());
        let status = {
            let mut end = pin!(self.until_end(&mut process, &life));
            let mut talk = pin!(self.talk(&life, channel));
            let mut output = pin!(async {
                tokio::join!(self.pass_on(stdout, Stream::Stdout), self.pass_on(stderr, Stream::Stderr));
            });
            let (mut talking, mut writing) = (true, true);
            let status = loop {
                tokio::select! {
                    status = &mut end => break status,
                    () = &mut talk, if talking => talking = false,
                    () = &mut output, if writing => writing = false,
                }
            };
            if writing && timeout(LAST_WORDS, &mut output).await.is_err() {
                self.warn(
                    "its output is still open: it left processes in a group of their own, which run on",
                );
            }
            status
        };
        let ready = self.kept.is_ready();
        self.kept.ends();
        let status = status.map_or_else(|error| format!("unknown: {error}"), |status| status.to_string());
        (status.into(), ready)
    }

    async fn talk(&self, life: &Life, channel: Option<Channel>) {
        let Some(channel) = channel else { return };
        if let Err(error) = self.role.converse(&self.kept, life, channel).await {
            self.warn(&format!("{error:#}; it is ended"));
            // An error here means that it ended by itself.
            let _ = life.kill();
        }
    }

    /// Waits for the end of the process; after the stop it is asked to end, and then made to. What it started ends
    /// with it, and before its number can be another's.
    async fn until_end(&self, process: &mut Child, life: &Life) -> io::Result<ExitStatus> {
        tokio::select! {
            // An error means that it cannot be watched any more: it ends here, too.
            _ = life.ended() => {}
            () = self.stop.graceful() => self.drain(life).await,
        }
        // Never an error: it was not waited for.
        let _ = life.kill();
        process.wait().await
    }

    /// Asks the process and what it started to end, and waits until they have, or must not take longer.
    async fn drain(&self, life: &Life) {
        // Never an error, as above.
        let _ = life.terminate();
        tokio::select! {
            gone = until_group_ended(life) => match gone {
                Ok(()) => {}
                Err(error) => self.warn(&format!("cannot see what it left: {error}; it is ended")),
            },
            () = sleep(GRACE) => self.warn("it did not drain in time; it is ended"),
            () = self.stop.forced() => {}
        }
    }

    async fn pass_on(&self, from: impl AsyncRead + Unpin, stream: Stream) {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
                Ok(0) => return,
                Ok(_) => self.line(String::from_utf8_lossy(&line).trim_end(), stream),
                Err(error) => return self.warn(&format!("cannot read what it writes: {error}")),
            }
        }
    }

    fn line(&self, text: &str, stream: Stream) {
        match stream {
            Stream::Stdout => self.events.report(self.role.said(self.kept.id(), text)),
            Stream::Stderr => {
                let text: Arc<str> = text.into();
                self.kept.remember(text.clone());
                self.events.report(Event::Raw { child: self.kept.id().clone(), stream, text });
            }
        }
    }

    fn report_start(&self, starts: u32, pid: i32) {
        let child = self.kept.id().clone();
        let first = starts == 0;
        self.events.report(if first {
            Event::ChildStarted { child, pid }
        } else {
            Event::Restarted { child, pid }
        });
    }

    fn report_end(&self, pid: i32, status: Arc<str>, pause: Option<Duration>) {
        self.events.report(Event::ChildExited { child: self.kept.id().clone(), pid, status, pause });
    }

    fn warn(&self, text: &str) {
        self.events.report(Event::Warning { child: self.kept.id().clone(), text: text.into() });
    }
}

/// Waits until the process and all of its group have ended.
async fn until_group_ended(life: &Life) -> io::Result<()> {
    life.ended().await?;
    while life.is_group_alive()? {
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// What became of the starts of a child that was never ready. Afterwards it is started again whatever happens: its
/// place is known by then, and others wait for it.
#[derive(Default)]
struct Failures {
    last: Option<Arc<str>>,
    was_ready: bool,
}

impl Failures {
    /// Whether one more start that ended like this says that no other will end better.
    fn is_hopeless(&mut self, end: &Arc<str>, ready: bool) -> bool {
        self.was_ready |= ready;
        let again = self.last.as_ref() == Some(end);
        self.last = Some(end.clone());
        again && !self.was_ready
    }
}

/// The pause before a restart: doubles from start to failed start.
struct Pause {
    first: Duration,
    next: Duration,
}

impl Pause {
    fn new(first: Duration) -> Self {
        Self { first, next: first }
    }

    /// The pause after a process that lived this long.
    fn after(&mut self, lived: Duration) -> Duration {
        if lived >= SETTLED {
            self.next = self.first;
        }
        let pause = self.next;
        self.next = (self.next * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        pause
    }
}

#[cfg(test)]
mod tests;
