//! The thread that writes. A slow reader of the log never blocks a call: the queue is bounded, allowed calls that
//! find it full are counted as lost, and refusals have as much room again to themselves.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines may wait.
pub(crate) const QUEUE_LINES: usize = 16_384;
/// How many bytes a line may have on average when so many wait. What peers choose is cut short elsewhere; this holds
/// whatever is forgotten there.
const LINE_BYTES: usize = 2 * 1024;
/// After a write, lines gather for so long: under load a call then wakes nobody and costs a share of a system call. The
/// queue has room for far more than comes in that time.
const GATHER: Duration = Duration::from_millis(5);

/// The way to the writing thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer(Arc<Sender>);

/// Held by every writer; the thread ends when the last of them is gone and everything is written.
#[derive(Debug)]
struct Sender {
    queue: Arc<Queue>,
    most: usize,
    lost: AtomicU64,
    lost_refusals: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    closed: bool,
}

impl Writer {
    /// Starts the thread. It ends when the last `Writer` is dropped and the queue is empty.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        lines: usize,
    ) -> io::Result<(Self, thread::JoinHandle<io::Result<()>>)> {
        let queue = Arc::new(Queue::default());
        let waiting = Arc::clone(&queue);
        let thread =
            thread::Builder::new().name("identity-log".to_owned()).spawn(move || waiting.write_all(out))?;
        let sender = Sender { queue, most: lines, lost: AtomicU64::new(0), lost_refusals: AtomicU64::new(0) };
        Ok((Self(Arc::new(sender)), thread))
    }

    /// Writes a line if there is room; counts it as lost if there is none.
    pub(crate) fn offer(&self, line: String) {
        if !self.0.queue.push(line, self.0.most) {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a refusal, which finds room when nothing else does.
    pub(crate) fn keep(&self, line: String) {
        if !self.0.queue.push(line, self.0.most * 2) {
            self.0.lost_refusals.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines of allowed calls and of events were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// How many lines of refusals were lost so far.
    pub(crate) fn lost_refusals(&self) -> u64 {
        self.0.lost_refusals.load(Ordering::Relaxed)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made of whole lines, so a panic elsewhere cannot have left half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `false` when `most` lines wait already.
    fn push(&self, line: String, most: usize) -> bool {
        let mut state = self.lock();
        if state.lines.len() >= most || state.bytes >= most * LINE_BYTES {
            return false;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        // Only the first one has somebody to wake.
        let first = state.lines.len() == 1;
        drop(state);
        if first {
            self.changed.notify_one();
        }
        true
    }

    fn write_all(&self, mut out: impl Write) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            let (lines, closed) = self.wait();
            bytes.clear();
            for line in lines {
                bytes.extend_from_slice(line.as_bytes());
                bytes.push(b'\n');
            }
            out.write_all(&bytes)?;
            out.flush()?;
            if closed {
                return Ok(());
            }
            self.gather();
        }
    }

    /// Everything that waits, once something does, and whether it is the last.
    fn wait(&self) -> (VecDeque<String>, bool) {
        let idle = |state: &mut State| state.lines.is_empty() && !state.closed;
        let mut state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        state.bytes = 0;
        (std::mem::take(&mut state.lines), state.closed)
    }

    fn gather(&self) {
        let open = |state: &mut State| !state.closed;
        // How it ends does not matter: what there is then is written.
        drop(self.changed.wait_timeout_while(self.lock(), GATHER, open));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks every write until it is opened.
    #[derive(Clone, Default)]
    struct Gate {
        open: Arc<(Mutex<bool>, Condvar)>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl Gate {
        fn open(&self) {
            *self.open.0.lock().unwrap() = true;
            self.open.1.notify_all();
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut open = self.open.0.lock().unwrap();
            while !*open {
                open = self.open.1.wait(open).unwrap();
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_queue_loses_allowed_calls_counts_them_and_keeps_every_refusal() {
        // G10
        let gate = Gate::default();
        let (writer, thread) = Writer::start(gate.clone(), 2).unwrap();
        // Until the queue is full: one line may already be with the thread.
        let mut offered = 0;
        while writer.lost() == 0 {
            writer.offer(format!("allow {offered}"));
            offered += 1;
        }
        writer.keep("deny".to_owned());
        assert_eq!(writer.lost_refusals(), 0);
        gate.open();
        let lost = writer.lost();
        drop(writer);
        thread.join().unwrap().unwrap();
        let written = String::from_utf8(gate.written.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with("deny\n"));
        assert_eq!(written.lines().count() as u64, offered + 1 - lost);
    }

    #[test]
    fn refusals_that_find_no_room_are_counted_by_themselves() {
        let gate = Gate::default();
        let (writer, thread) = Writer::start(gate.clone(), 2).unwrap();
        while writer.lost_refusals() == 0 {
            writer.keep("deny".to_owned());
        }
        assert_eq!(writer.lost(), 0);
        gate.open();
        drop(writer);
        thread.join().unwrap().unwrap();
    }
}
