//! A stream of answers: the first at once, then a whole new one whenever something changes. Owns when a stream ends, and
//! that one whose client does not read costs no more than one answer (W7).

use std::time::Duration;

use kith_runtime::{Stop, Tasks};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::connection::Connection;
use super::source::Source;

/// Answers that wait to be sent. The one that waits for room among them makes two.
const WAITING: usize = 1;
/// How long an answer may wait for a client to read what came before it.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// What a client reads.
pub(super) type Answers<M> = ReceiverStream<Result<M, Status>>;

/// What every stream needs.
#[derive(Debug, Clone)]
pub(super) struct Streams {
    pub(super) source: Source,
    pub(super) tasks: Tasks,
    pub(super) stop: Stop,
}

/// The writing end of a stream.
#[derive(Debug)]
pub(super) struct Writer<M> {
    connection: Connection,
    answers: mpsc::Sender<Result<M, Status>>,
}

/// Why nothing more can be written.
#[derive(Debug)]
pub(super) enum Over {
    /// The client is told.
    Told(Status),
    /// The client is gone, or does not read.
    Untold,
}

impl<M> Clone for Writer<M> {
    fn clone(&self) -> Self {
        Self { connection: self.connection.clone(), answers: self.answers.clone() }
    }
}

impl From<Status> for Over {
    fn from(status: Status) -> Self {
        Self::Told(status)
    }
}

impl Streams {
    /// Answers for as long as the client listens. `answer` says what to send at each change; `None`: nothing that this
    /// client sees has changed.
    pub(super) fn open<M: Send + 'static>(
        &self,
        connection: &Connection,
        mut answer: impl FnMut(&Source) -> Result<Option<M>, Status> + Send + 'static,
    ) -> Answers<M> {
        let mut source = self.source.clone();
        self.run(connection, |writer| async move {
            loop {
                if let Some(answer) = answer(&source)? {
                    writer.write(answer).await?;
                }
                source.changed().await?;
            }
        })
    }

    /// Lets `work` write until it ends, the client is gone or may ask no more, or the stop begins.
    pub(super) fn run<M: Send + 'static, F>(
        &self,
        connection: &Connection,
        work: impl FnOnce(Writer<M>) -> F,
    ) -> Answers<M>
    where
        F: Future<Output = Result<(), Over>> + Send + 'static,
    {
        let (answers, read) = mpsc::channel(WAITING);
        let (writer, stop) = (Writer { connection: connection.clone(), answers }, self.stop.clone());
        let (work, mut caller) = (work(writer.clone()), connection.caller.clone());
        self.tasks.spawn(async move {
            let ended = tokio::select! {
                ended = work => ended,
                refused = caller.refused() => Err(Status::from(refused).into()),
                () = writer.answers.closed() => Err(Over::Untold),
                () = stop.graceful() => Err(Status::unavailable("the sidecar ends; ask its successor").into()),
            };
            if let Err(Over::Told(status)) = ended {
                writer.put(Err(status)).await;
            }
        });
        ReceiverStream::new(read)
    }
}

impl<M> Writer<M> {
    /// Sends an answer, if the caller may still have it.
    pub(super) async fn write(&self, answer: M) -> Result<(), Over> {
        self.connection.caller.check().map_err(Status::from)?;
        if self.put(Ok(answer)).await { Ok(()) } else { Err(Over::Untold) }
    }

    /// Whether it is on its way. A client that has not read the answers before this one in all the time is not waited for
    /// any longer: its connection ends, and with it what it holds here.
    async fn put(&self, answer: Result<M, Status>) -> bool {
        match timeout(STALL_LIMIT, self.answers.send(answer)).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                tracing::info!(uid = self.connection.caller.uid(), "Application that does not read cut off");
                self.connection.over.cancel();
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
