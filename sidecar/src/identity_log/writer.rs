//! The thread that writes. A slow reader of the log never blocks a call: the queue is bounded, allowed calls that
//! find it full are counted as lost, and a refusal waits for room, which delays nobody but the refused.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

/// How many lines may wait: of at most about 4 KiB each, as what peers choose is cut short.
pub(crate) const QUEUE_LINES: usize = 16_384;
/// How many lines one system call may carry.
const BATCH_LINES: usize = 1_024;
/// After a write, lines gather for so long: under load a call then wakes nobody and costs a share of a system call. The
/// queue has room for far more than comes in that time.
const GATHER: Duration = Duration::from_millis(5);

/// The way to the writing thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<String>,
    lost: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread. It ends when the last `Writer` is dropped and the queue is empty.
    pub(crate) fn start(
        out: impl Write + Send + 'static,
        lines: usize,
    ) -> io::Result<(Self, thread::JoinHandle<io::Result<()>>)> {
        let (queue, waiting) = mpsc::channel(lines);
        let thread =
            thread::Builder::new().name("identity-log".to_owned()).spawn(move || write(waiting, out))?;
        Ok((Self { queue, lost: Arc::default() }, thread))
    }

    /// Writes a line if there is room; counts it as lost if there is none.
    pub(crate) fn offer(&self, line: String) {
        if self.queue.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Writes a line, waiting for room.
    pub(crate) async fn keep(&self, line: String) {
        if self.queue.send(line).await.is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

fn write(mut waiting: mpsc::Receiver<String>, mut out: impl Write) -> io::Result<()> {
    let mut lines = Vec::with_capacity(BATCH_LINES);
    let mut bytes = Vec::new();
    while waiting.blocking_recv_many(&mut lines, BATCH_LINES) > 0 {
        bytes.clear();
        for line in lines.drain(..) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        out.write_all(&bytes)?;
        out.flush()?;
        // Unless nobody can add anything any more.
        if !waiting.is_closed() {
            thread::sleep(GATHER);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

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

    #[tokio::test]
    async fn a_full_queue_loses_allowed_calls_counts_them_and_keeps_every_refusal() {
        // G10
        let gate = Gate::default();
        let (writer, thread) = Writer::start(gate.clone(), 2).unwrap();
        // Until the queue is full: one line may already be with the thread.
        let mut offered = 0;
        while writer.lost() == 0 {
            writer.offer(format!("allow {offered}"));
            offered += 1;
        }
        let refusal = async {
            writer.keep("deny".to_owned()).await;
        };
        let open = async {
            // Only after the refusal was polled once, and so waits for room.
            gate.open();
        };
        tokio::join!(biased; refusal, open);
        let lost = writer.lost();
        drop(writer);
        thread.join().unwrap().unwrap();
        let written = String::from_utf8(gate.written.lock().unwrap().clone()).unwrap();
        assert!(written.ends_with("deny\n"));
        assert_eq!(written.lines().count() as u64, offered + 1 - lost);
    }
}
