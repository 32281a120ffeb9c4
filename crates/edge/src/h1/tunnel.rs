//! A connection that left HTTP behind (RFC 9110, section 7.8): bytes go both ways until either side is done.

use std::{
    cell::RefCell,
    fmt, io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::poll_fn;
use http::{HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;

/// What is taken from the far end at once.
const PIECE_BYTES: usize = 16 << 10;

thread_local! {
    /// Lent to whichever tunnel moves something: one that is silent holds no memory for bytes.
    static PIECE: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECE_BYTES]);
}

/// Something that can be read and written.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// The far end of a connection that is to leave HTTP behind, and the rule for how long it may be silent.
pub struct Tunnel {
    far: Box<dyn Duplex>,
    protocol: HeaderValue,
    idle_max: Duration,
}

/// A tunnel among the extensions of the answer that opens it, which must be able to be cloned.
#[derive(Clone)]
struct Kept(Arc<Mutex<Option<Tunnel>>>);

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// To `far`, which speaks `protocol`; it ends when nothing has moved for `idle_max`.
    pub fn new(
        far: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        protocol: HeaderValue,
        idle_max: Duration,
    ) -> Self {
        Self { far: Box::new(far), protocol, idle_max }
    }

    /// Makes `response`, a 101, the answer that opens the tunnel. On HTTP/2 there is no such answer.
    pub fn open_with<B>(self, response: &mut Response<B>) {
        response.extensions_mut().insert(Kept(Arc::new(Mutex::new(Some(self)))));
    }

    pub(super) fn of<B>(response: &mut Response<B>) -> Option<Self> {
        let Kept(kept) = response.extensions_mut().remove::<Kept>()?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) const fn protocol(&self) -> &HeaderValue {
        &self.protocol
    }

    /// Moves bytes both ways until both sides have ended, either is lost, or both are silent for too long.
    pub(super) async fn run(self, wire: &mut Wire) -> io::Result<()> {
        let Self { far, idle_max, .. } = self;
        let mut ends = Ends {
            wire,
            far,
            near_ended: false,
            far_told: false,
            far_flushing: false,
            far_ended: false,
            near_told: false,
        };
        let mut alarm = pin!(tokio::time::sleep(idle_max));
        let mut moved = false;
        poll_fn(|cx| {
            moved |= ends.poll_move(cx)?;
            if ends.are_done() {
                return Poll::Ready(Ok(()));
            }
            ends.wire.rest();
            // Set anew once a time at most: a timer for each message would cost more than the message.
            while alarm.as_mut().poll(cx).is_ready() {
                if !std::mem::take(&mut moved) {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                alarm.set(tokio::time::sleep(idle_max));
            }
            Poll::Pending
        })
        .await
    }
}

/// Both ends, and how far each has come.
struct Ends<'w> {
    wire: &'w mut Wire,
    far: Box<dyn Duplex>,
    /// The caller will say nothing more, and the far end was told so.
    near_ended: bool,
    far_told: bool,
    /// What the far end was given still lies where it was encrypted.
    far_flushing: bool,
    far_ended: bool,
    near_told: bool,
}

impl Ends<'_> {
    const fn are_done(&self) -> bool {
        self.far_told && self.near_told
    }

    /// Moves what can be moved without waiting: was there anything?
    fn poll_move(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        while self.poll_outward(cx)? | self.poll_inward(cx)? {
            moved = true;
        }
        Ok(moved)
    }

    /// From the caller to the far end.
    fn poll_outward(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        if self.wire.inbox.is_empty() && !self.near_ended {
            match self.wire.poll_fill(cx)? {
                Poll::Ready(0) => self.near_ended = true,
                Poll::Ready(_) => moved = true,
                Poll::Pending => {}
            }
        }
        while !self.wire.inbox.is_empty() {
            let Poll::Ready(count) = Pin::new(&mut self.far).poll_write(cx, self.wire.inbox.bytes())? else {
                return Ok(moved);
            };
            self.far_flushing = true;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.wire.inbox.consume(count);
            moved = true;
        }
        if self.near_ended && !self.far_told {
            self.far_told = Pin::new(&mut self.far).poll_shutdown(cx)?.is_ready();
        } else if self.far_flushing {
            self.far_flushing = Pin::new(&mut self.far).poll_flush(cx)?.is_pending();
        }
        Ok(moved)
    }

    /// From the far end to the caller.
    fn poll_inward(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut moved = false;
        // First, so that whoever has taken it all is brought more: what is not read wakes nobody.
        if self.wire.has_unsent() {
            let _sent = self.wire.poll_send(cx)?;
        }
        if !self.wire.has_unsent() && !self.far_ended {
            moved = PIECE.with_borrow_mut(|piece| {
                let mut piece = ReadBuf::new(piece);
                if Pin::new(&mut self.far).poll_read(cx, &mut piece)?.is_pending() {
                    return io::Result::Ok(false);
                }
                self.far_ended = piece.filled().is_empty();
                self.wire.outbox().extend_from_slice(piece.filled());
                Ok(!self.far_ended)
            })?;
        }
        if self.wire.has_unsent() {
            let _sent = self.wire.poll_send(cx)?;
        }
        if self.far_ended && !self.wire.has_unsent() && !self.near_told {
            self.near_told = self.wire.poll_shutdown(cx)?.is_ready();
        }
        Ok(moved)
    }
}
