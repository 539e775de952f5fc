//! The body of a message on its way through. Owns the moment at which a call ends: when the last frame of its
//! response went by, when either side gave up, or when the call was cut.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::Version;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::enforce::Cut;
use crate::forward;
use crate::identity_log::OpenCall;

/// A body: nothing, a short text of ours, or frames passed through one by one.
#[derive(Debug, Default)]
pub(crate) struct Body {
    frames: Frames,
    /// Set on responses: dropped with the body, which ends the call.
    call: Option<OpenCall>,
    /// Ends the body when the call is over.
    over: Option<Over>,
}

/// Watches a call. Most bodies are there at once: only one that has to be waited for waits for this, too.
#[derive(Debug)]
struct Over {
    cut: Cut,
    waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Over {
    fn of(cut: &Cut) -> Self {
        Self { cut: cut.clone(), waiting: None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let cut = &self.cut;
        self.waiting.get_or_insert_with(|| Box::pin(cut.over())).as_mut().poll(cx)
    }
}

#[derive(Debug, Default)]
enum Frames {
    #[default]
    Empty,
    Text(Bytes),
    Through(Incoming),
    /// The same, in HTTP/2: its end is one only when the stream says so. The library reads a reset without an error as
    /// the end of the data.
    Http2(Incoming),
    /// Of a stream that is driven frame by frame.
    Stream(RecvStream),
}

/// Why a body breaks off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The side that sends it gave up.
    #[error(transparent)]
    Sender(#[from] hyper::Error),
    /// The stream was reset before its end, without an error.
    #[error("the body was cut short")]
    Truncated,
    /// The stream was reset, or its session broke.
    #[error(transparent)]
    Stream(#[from] h2::Error),
    /// The call is over: not allowed any more, or answered to its end.
    #[error("the call was cut")]
    Cut,
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::default()
    }

    fn of(frames: Frames) -> Self {
        Self { frames, call: None, over: None }
    }

    pub(crate) fn text(text: Bytes) -> Self {
        Self::of(Frames::Text(text))
    }

    /// A body that came in a message of this version.
    pub(crate) fn through(incoming: Incoming, version: Version) -> Self {
        Self::of(if version == Version::HTTP_2 { Frames::Http2(incoming) } else { Frames::Through(incoming) })
    }

    pub(crate) fn of_stream(stream: RecvStream) -> Self {
        Self::of(Frames::Stream(stream))
    }

    /// The same body of a response; `call` ends with it, and it with the call.
    pub(crate) fn ending(mut self, call: OpenCall) -> Self {
        self.over = call.cut_signal().map(Over::of);
        self.call = Some(call);
        self
    }

    /// The same body of a request; it ends with its call.
    pub(crate) fn until_over(mut self, cut: &Cut) -> Self {
        self.over = Some(Over::of(cut));
        self
    }

    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.frames {
            Frames::Empty => Poll::Ready(None),
            Frames::Text(text) => {
                let text = std::mem::take(text);
                self.frames = Frames::Empty;
                Poll::Ready(Some(Ok(Frame::data(text))))
            }
            Frames::Through(incoming) => Pin::new(incoming).poll_frame(cx).map_err(BodyError::Sender),
            Frames::Http2(incoming) => match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                None if !incoming.is_end_stream() => Poll::Ready(Some(Err(BodyError::Truncated))),
                frame => Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Sender))),
            },
            Frames::Stream(stream) => poll_stream(stream, cx).map_err(BodyError::Stream),
        }
    }

    /// A broken body, never a clean end: what came so far must not look complete.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.finish(Some("cut"));
        self.frames = Frames::Empty;
        Poll::Ready(Some(Err(BodyError::Cut)))
    }

    fn has_ended(&self) -> bool {
        match &self.frames {
            Frames::Empty => true,
            Frames::Text(_) => false,
            Frames::Through(incoming) | Frames::Http2(incoming) => incoming.is_end_stream(),
            Frames::Stream(stream) => stream.is_end_stream(),
        }
    }
}

fn poll_stream(
    stream: &mut RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
    if let Some(data) = ready!(stream.poll_data(cx)) {
        let read = data.and_then(|data| stream.flow_control().release_capacity(data.len()).map(|()| data));
        return Poll::Ready(Some(read.map(Frame::data)));
    }
    let trailers = ready!(stream.poll_trailers(cx)).transpose();
    Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)))
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.over.as_ref().is_some_and(|over| over.cut.is_over()) {
            return self.cut();
        }
        let mut frame = self.poll_frames(cx);
        match &mut frame {
            Poll::Ready(None) => self.finish(None),
            Poll::Ready(Some(Err(_))) => self.finish(Some("body_aborted")),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    forward::trailers(trailers);
                    if let Some(call) = self.call.as_mut() {
                        call.note_trailers(trailers);
                    }
                    // Nothing follows trailers, and nobody asks whether something does.
                    self.finish(None);
                }
            }
            Poll::Pending => {
                if self.over.as_mut().is_some_and(|over| over.poll(cx).is_ready()) {
                    return self.cut();
                }
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.frames {
            Frames::Empty => SizeHint::with_exact(0),
            Frames::Text(text) => SizeHint::with_exact(text.len() as u64),
            Frames::Through(incoming) | Frames::Http2(incoming) => incoming.size_hint(),
            Frames::Stream(_) => SizeHint::default(),
        }
    }
}

impl Body {
    fn finish(&mut self, error: Option<&'static str>) {
        // The end of the call is the end of what watches it, too.
        self.over = None;
        if let Some(call) = self.call.take() {
            call.finish(error);
        }
    }
}

impl Drop for Body {
    /// A server that knows the body's end (a `HEAD`, a length of 0) never asks for the last frame.
    fn drop(&mut self) {
        let error = if self.has_ended() { None } else { Some("receiver_gone") };
        self.finish(error);
    }
}
