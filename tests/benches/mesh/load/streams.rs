//! Opaque connections, one after the other: connect, a question, its answer, close. So many are open at once.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, bail, ensure};
use tokio::time::Instant;

use super::latency::Latencies;
use super::wait::readable;
use super::{GRACE, Outcome, Request, SMALL, question};

/// A connection whose question was sent.
struct Open {
    stream: TcpStream,
    begun: Instant,
    missing: usize,
}

/// Opens connections until time or count is up.
pub(super) fn run(request: &Request, at_once: usize) -> anyhow::Result<Outcome> {
    let question = question(SMALL);
    let begun = Instant::now();
    let until = begun + request.limit;
    let mut latencies = Latencies::default();
    let mut given = 0;
    let mut open: Vec<Open> = Vec::with_capacity(at_once);
    loop {
        while open.len() < at_once && given < request.most && Instant::now() < until {
            open.push(Open::begin(request, &question)?);
            given += 1;
        }
        if open.is_empty() {
            return latencies.outcome(begun.elapsed(), SMALL);
        }
        let left = (until + GRACE).saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "connections were still open {GRACE:?} after the end");
        // From the last to the first, so that what moves into a gap was looked at already.
        for ready in readable(open.iter().map(|open| open.stream.as_fd()), left)?.into_iter().rev() {
            if open[ready].is_answered()? {
                latencies.add(open.swap_remove(ready).begun.elapsed());
            }
        }
    }
}

impl Open {
    /// Connecting on loopback does not wait for the other process.
    fn begin(request: &Request, question: &[u8]) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let stream = TcpStream::connect(request.to);
        let mut stream = stream.with_context(|| format!("cannot connect to {}", request.to))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let written = stream.write(question).context("a question could not be sent")?;
        ensure!(written == question.len(), "a question was sent in part");
        Ok(Self { stream, begun, missing: usize::try_from(SMALL)? })
    }

    fn is_answered(&mut self) -> anyhow::Result<bool> {
        let mut read = [0; 4_096];
        match self.stream.read(&mut read) {
            Ok(0) => bail!("an opaque connection was closed before its answer"),
            Ok(length) => {
                ensure!(length <= self.missing, "more came than was asked for");
                self.missing -= length;
                Ok(self.missing == 0)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("an opaque connection broke before its answer"),
        }
    }
}
