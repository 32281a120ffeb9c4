//! An answer that is kept as it streams past: read at the upstream's pace, so that nobody who wants the same waits for the
//! caller who happened to ask first and reads slowly, or not at all.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use edge::Content;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::{
    OwnedSemaphorePermit,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{
    kept::Kept,
    response_cache::{Lead, ResponseCache},
};

/// What becomes of the answer when it has come whole.
pub struct Plan {
    pub cache: Arc<ResponseCache>,
    pub lead: Lead,
    /// Without its body yet.
    pub kept: Kept,
}

/// Of what is read ahead, shared by all who have the same piece.
type Room = Arc<OwnedSemaphorePermit>;

/// What a piece takes beside its bytes.
const PIECE_BYTES: usize = 256;

/// What the caller who asked first is given.
enum Piece {
    /// Read ahead of the caller, in room that it has until the caller takes it and it is kept.
    Ahead(Frame<Bytes>, Room),
    Failed(<Content as Body>::Error),
    /// It is not kept after all: the caller has this, and reads the rest as they like.
    Rest(Frame<Bytes>, Content),
    End,
}

/// Reads an answer to its end, or until it is known that it will not be kept.
struct Filling {
    body: Content,
    plan: Option<Plan>,
    came: Vec<(Bytes, Room)>,
    bytes: usize,
    caller: UnboundedSender<Piece>,
}

/// The answer as the caller who asked first has it.
struct First {
    pieces: UnboundedReceiver<Piece>,
    rest: Option<Content>,
    ended: bool,
    /// What is still to come.
    left: SizeHint,
}

/// The same answer, and kept when it has come whole, whether its caller reads it or not.
pub fn filling(body: Content, plan: Plan) -> Content {
    let (caller, pieces) = unbounded_channel();
    let left = body.size_hint();
    let mut filling = Filling { body, plan: Some(plan), came: Vec::new(), bytes: 0, caller };
    // Most answers are there already, and need no task of their own.
    let now = Pin::new(&mut filling).poll(&mut Context::from_waker(Waker::noop()));
    if now.is_pending() {
        tokio::spawn(filling);
    }
    Content::new(First { pieces, rest: None, ended: false, left })
}

impl Filling {
    /// Takes a frame in; gives it back if it makes the answer larger than what is kept, or than what may be read ahead.
    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), Frame<Bytes>> {
        let Some(plan) = &self.plan else { return Err(frame) };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if self.bytes + bytes > plan.cache.answer_bytes_max {
            plan.cache.pass(&plan.lead);
            return Err(frame);
        }
        let Some(room) = plan.cache.room_ahead(bytes + PIECE_BYTES).map(Arc::new) else { return Err(frame) };
        self.bytes += bytes;
        self.came.extend(frame.data_ref().map(|data| (data.clone(), room.clone())));
        self.give(Piece::Ahead(frame, room));
        Ok(())
    }

    /// Has everybody gone who wanted it?
    fn is_unwanted(&self) -> bool {
        self.caller.is_closed() && self.plan.as_ref().is_none_or(|plan| plan.lead.is_alone())
    }

    /// A caller who has gone has no use for it: those who wait have.
    fn give(&self, piece: Piece) {
        let _gone = self.caller.send(piece);
    }

    fn is_whole(&mut self) {
        if let Some(Plan { cache, lead, mut kept }) = self.plan.take() {
            // Of its own size: the pieces may be parts of larger rooms.
            let mut whole = Vec::with_capacity(self.bytes);
            self.came.iter().for_each(|(piece, _room)| whole.extend_from_slice(piece));
            kept.body = whole.into();
            cache.keep(&lead, kept);
        }
    }
}

impl Future for Filling {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            // What somebody asks for and does not wait for is no reason to read it all.
            if this.is_unwanted() {
                return Poll::Ready(());
            }
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Err(frame) = this.take(frame) {
                        // Those who wait ask for themselves.
                        this.plan = None;
                        let rest = std::mem::take(&mut this.body);
                        this.give(Piece::Rest(frame, rest));
                        return Poll::Ready(());
                    }
                }
                Some(Err(error)) => {
                    if let Some(plan) = this.plan.take() {
                        plan.lead.failed();
                    }
                    this.give(Piece::Failed(error));
                    return Poll::Ready(());
                }
                None => {
                    this.is_whole();
                    this.give(Piece::End);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl First {
    /// So much of it is passed on.
    fn passed(&mut self, frame: &Frame<Bytes>) {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        if let Some(left) = self.left.exact() {
            self.left = SizeHint::with_exact(left.saturating_sub(u64::try_from(bytes).unwrap_or(u64::MAX)));
        }
    }
}

impl Body for First {
    type Data = Bytes;
    type Error = <Content as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        if let Some(rest) = &mut this.rest {
            return Pin::new(rest).poll_frame(cx);
        }
        if this.ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(this.pieces.poll_recv(cx)) {
            Some(Piece::Ahead(frame, _room)) => frame,
            Some(Piece::Rest(frame, rest)) => {
                this.rest = Some(rest);
                frame
            }
            Some(Piece::End) => {
                this.ended = true;
                return Poll::Ready(None);
            }
            Some(Piece::Failed(error)) => {
                this.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
            None => {
                this.ended = true;
                let gone = std::io::Error::other("whoever reads the answer has gone");
                return Poll::Ready(Some(Err(Self::Error::new(gone))));
            }
        };
        this.passed(&frame);
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().map_or(self.ended, Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(|| self.left, Body::size_hint)
    }
}
