//! A request's body between the connection, which reads it, and the handler, which asks for it piece by
//! piece: no more than one piece waits, so a handler that does not read makes nobody keep more.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The body will not come whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the rest of the body did not arrive, or was malformed")]
pub(super) struct Lost;

/// What both sides see.
#[derive(Debug, Default)]
struct Passage {
    piece: Option<Bytes>,
    end: Option<Result<(), Lost>>,
    /// The handler waits for a piece.
    wanted: bool,
    /// The handler has no more use for the body.
    left: bool,
    handler: Option<Waker>,
    connection: Option<Waker>,
}

/// The connection's side.
#[derive(Debug)]
pub(super) struct Giver(Arc<Mutex<Passage>>);

/// The handler's side.
#[derive(Debug)]
pub(super) struct Arriving {
    passage: Arc<Mutex<Passage>>,
    length: Option<u64>,
}

/// Both sides of a body of `length` bytes, or of unknown length.
pub(super) fn passage(length: Option<u64>) -> (Giver, Arriving) {
    let passage = Arc::<Mutex<Passage>>::default();
    (Giver(passage.clone()), Arriving { passage, length })
}

impl Giver {
    /// Does the handler wait for a piece? If not, the connection is woken when it does.
    pub(super) fn is_asked(&self, cx: &Context<'_>) -> bool {
        let mut passage = lock(&self.0);
        let asked = passage.wanted && passage.piece.is_none();
        if !asked && !passage.left {
            keep(&mut passage.connection, cx.waker());
        }
        asked
    }

    /// Has the handler no more use for the body?
    pub(super) fn is_left(&self) -> bool {
        lock(&self.0).left
    }

    /// Gives what came, and says whether that was all.
    pub(super) fn give(&self, piece: Bytes, is_last: bool, cx: &Context<'_>) {
        let mut passage = lock(&self.0);
        passage.piece = (!piece.is_empty()).then_some(piece);
        passage.end = is_last.then_some(Ok(()));
        passage.wanted = false;
        wake(passage.handler.take(), cx);
    }

    /// Says that the rest will not come.
    pub(super) fn lose(&self, cx: &Context<'_>) {
        let mut passage = lock(&self.0);
        passage.end.get_or_insert(Err(Lost));
        wake(passage.handler.take(), cx);
    }
}

impl Drop for Giver {
    /// A handler must not wait for a connection that is no more.
    fn drop(&mut self) {
        self.lose(&Context::from_waker(Waker::noop()));
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        let this = self.get_mut();
        let mut passage = lock(&this.passage);
        if let Some(piece) = passage.piece.take() {
            let count = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            this.length = this.length.map(|length| length.saturating_sub(count));
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        if let Some(end) = passage.end {
            return Poll::Ready(end.err().map(Err));
        }
        passage.wanted = true;
        keep(&mut passage.handler, cx.waker());
        wake(passage.connection.take(), cx);
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        let passage = lock(&self.passage);
        passage.piece.is_none() && passage.end == Some(Ok(()))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut passage = lock(&self.passage);
        passage.left = true;
        passage.piece = None;
    }
}

fn lock(passage: &Mutex<Passage>) -> MutexGuard<'_, Passage> {
    // It is whole between any two statements, whatever happened to the handler.
    passage.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) => kept.clone_from(waker),
        None => *place = Some(waker.clone()),
    }
}

/// Wakes the other side, unless it is the very task that is running: that one goes on by itself.
fn wake(waker: Option<Waker>, cx: &Context<'_>) {
    if let Some(waker) = waker.filter(|waker| !waker.will_wake(cx.waker())) {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(body: &mut Arriving) -> Poll<Option<Result<Bytes, Lost>>> {
        let polled = Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()));
        polled.map(|frame| frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }

    #[test]
    fn a_piece_is_asked_for_before_it_is_read() {
        let cx = Context::from_waker(Waker::noop());
        let (giver, mut body) = passage(Some(3));
        assert!(!giver.is_asked(&cx), "nobody has asked yet");
        assert!(poll(&mut body).is_pending());
        assert!(giver.is_asked(&cx));
        giver.give(Bytes::from_static(b"abc"), true, &cx);
        assert!(!giver.is_asked(&cx), "one piece at a time");
        assert_eq!(poll(&mut body), Poll::Ready(Some(Ok(Bytes::from_static(b"abc")))));
        assert_eq!(body.size_hint().exact(), Some(0));
        assert_eq!(poll(&mut body), Poll::Ready(None));
        assert!(body.is_end_stream());
    }

    #[test]
    fn a_connection_that_ends_ends_the_body_with_an_error() {
        let (giver, mut body) = passage(None);
        assert!(poll(&mut body).is_pending());
        drop(giver);
        assert_eq!(poll(&mut body), Poll::Ready(Some(Err(Lost))));
    }

    #[test]
    fn a_connection_learns_that_nobody_wants_the_rest() {
        let (giver, body) = passage(None);
        assert!(!giver.is_left());
        drop(body);
        assert!(giver.is_left());
    }
}
