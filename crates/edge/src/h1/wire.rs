//! The two directions of a connection: bytes that came and wait to be used, answers that wait to be sent.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::pace::Pace;
use crate::connection::{Stream, Watch};
use http1::Inbox;

/// Bytes of answers that are gathered before they are sent in any case.
const GATHERED_BYTES_MAX: usize = 64 << 10;
/// A piece of a body that is larger than this is sent from where it is, not copied.
const COPIED_BYTES_MAX: usize = 8 << 10;

/// A stream with what is on its way in both directions.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    watch: Arc<Watch>,
    pub(super) inbox: Inbox,
    inbox_bytes_max: usize,
    pace: Pace,
    outbox: Vec<u8>,
    /// Bytes of the outbox that were sent.
    sent: usize,
    /// What follows the outbox, too large to be copied.
    tail: Bytes,
    /// All was given away, and some of it still lies where it was encrypted.
    is_flushing: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream, watch: Arc<Watch>, inbox_bytes_max: usize) -> Self {
        let (inbox, outbox, tail) = (Inbox::default(), Vec::new(), Bytes::new());
        let pace = Pace::default();
        Self { stream, watch, inbox, inbox_bytes_max, pace, outbox, sent: 0, tail, is_flushing: false }
    }

    /// Where answers are written. Nothing may be, while the wire [is full](Self::is_full).
    pub(super) fn outbox(&mut self) -> &mut Vec<u8> {
        if self.outbox.capacity() == 0 {
            self.outbox = http1::outbox();
        }
        &mut self.outbox
    }

    /// The bytes that came, and where to answer them.
    pub(super) fn both(&mut self) -> (&mut Inbox, &mut Vec<u8>) {
        self.outbox();
        (&mut self.inbox, &mut self.outbox)
    }

    /// Must what is gathered be sent before more is?
    pub(super) fn is_full(&self) -> bool {
        self.outbox.len() >= GATHERED_BYTES_MAX || !self.tail.is_empty()
    }

    pub(super) fn has_unsent(&self) -> bool {
        self.has_unwritten() || self.is_flushing
    }

    fn has_unwritten(&self) -> bool {
        self.sent < self.outbox.len() || !self.tail.is_empty()
    }

    /// Puts a piece of a body behind what is gathered.
    pub(super) fn put(&mut self, piece: Bytes) {
        if piece.len() <= COPIED_BYTES_MAX {
            self.outbox().extend_from_slice(&piece);
        } else {
            self.tail = piece;
        }
    }

    /// Gives back the memory that is not needed while the caller is silent.
    pub(super) fn rest(&mut self) {
        self.inbox.give_back();
        if !self.has_unwritten() {
            http1::keep_outbox(std::mem::take(&mut self.outbox));
            self.sent = 0;
        }
    }

    /// Reads what has come: the number of bytes, nought at the end of the stream.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inbox.borrow(self.inbox_bytes_max);
        let mut buffer = ReadBuf::new(self.inbox.room());
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        let count = buffer.filled().len();
        self.inbox.filled(count);
        Poll::Ready(Ok(count))
    }

    /// Has the caller gone? That shows behind all they sent before, which waits for its turn: their next requests, or the
    /// beginning of one. Behind more than is kept nobody looks.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.inbox.bytes().len() < self.inbox_bytes_max {
            match self.poll_fill_part(cx)? {
                Poll::Ready(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Poll::Ready(_) => {}
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// The next head or body begins.
    pub(super) fn begin_part(&mut self) {
        self.pace.restart();
    }

    /// Reads what has come of a head or a body: of one that comes in many small pieces only now and then.
    pub(super) fn poll_fill_part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.poll_part(cx, Self::poll_fill)
    }

    /// Reads data of a body as [`Self::poll_read_into`] does, and as seldom as [`Self::poll_fill_part`].
    pub(super) fn poll_land_part(
        &mut self,
        cx: &mut Context<'_>,
        landing: &mut BytesMut,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        self.poll_part(cx, |wire, cx| wire.poll_read_into(cx, landing, bytes_max))
    }

    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        while self.pace.is_slow() {
            ready!(self.pace.poll_pause(cx));
            // Nobody waits for the socket, so that what comes until the next look wakes nobody.
            if let Poll::Ready(count) = read(self, &mut Context::from_waker(Waker::noop()))? {
                self.pace.read(count);
                return Poll::Ready(Ok(count));
            }
        }
        let count = ready!(read(self, cx))?;
        self.pace.read(count);
        Poll::Ready(Ok(count))
    }

    /// Reads at most `bytes_max` bytes past the inbox, which must be empty.
    fn poll_read_into(
        &mut self,
        cx: &mut Context<'_>,
        landing: &mut BytesMut,
        bytes_max: usize,
    ) -> Poll<io::Result<usize>> {
        let mut landing = landing.limit(bytes_max);
        let read = std::pin::pin!(self.stream.read_buf(&mut landing));
        read.poll(cx)
    }

    /// Sends all that is gathered, down to the network.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_unsent() {
            return Poll::Ready(Ok(()));
        }
        while self.has_unwritten() {
            let written = self.poll_write(cx);
            if written.is_pending() {
                self.watch.stalled(true);
            }
            let count = ready!(written)?;
            self.watch.wrote(count);
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_outbox = count.min(self.outbox.len() - self.sent);
            self.sent += of_outbox;
            self.tail.advance(count - of_outbox);
        }
        self.outbox.clear();
        self.sent = 0;
        self.tail = Bytes::new();
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.is_flushing = flushed.is_pending();
        self.watch.stalled(self.is_flushing);
        flushed
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let gathered = &self.outbox[self.sent..];
        match (gathered.is_empty(), self.tail.is_empty()) {
            (false, true) => stream.poll_write(cx, gathered),
            (true, _) => stream.poll_write(cx, &self.tail),
            (false, false) => {
                stream.poll_write_vectored(cx, &[IoSlice::new(gathered), IoSlice::new(&self.tail)])
            }
        }
    }

    /// Says that nothing more will come.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads on after the last word, because closing a socket with bytes unread throws the answer away
    /// on its way to the caller (RFC 9112, section 9.6). The sweep ends it.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.inbox.consume(self.inbox.bytes().len());
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Sends what it can without waiting.
    pub(super) fn send_now(&mut self) {
        let _sent = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }
}

impl Drop for Wire {
    /// Whatever ends a connection, the answers before it still belong to the caller.
    fn drop(&mut self) {
        self.send_now();
        self.outbox.clear();
        self.tail = Bytes::new();
        self.rest();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        io::Write,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
        task::Wake,
    };

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{connection::Watches, gate::Gate};

    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A wire, and who speaks at its other end.
    async fn connected() -> (Wire, std::net::TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let caller = std::net::TcpStream::connect(address).expect("it listens");
        caller.set_nodelay(true).expect("a socket has options");
        let (socket, _): (TcpStream, _) = listener.accept().await.expect("somebody came");
        let place = Gate::new(1, 1).enter().expect("there is room");
        let watch = Watches::default().enter(place).watch().clone();
        (Wire::new(Stream::Plain(socket), watch, 1 << 10), caller)
    }

    #[tokio::test]
    async fn many_small_pieces_of_a_head_wake_nobody_and_are_read_together() {
        let (mut wire, mut caller) = connected().await;
        while !wire.pace.is_slow() {
            caller.write_all(b"x").expect("it is connected");
            let came = poll_fn(|cx| wire.poll_fill_part(cx)).await.expect("it is connected");
            assert_eq!(came, 1, "the first pieces are read as they come");
        }
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let mut read = wire.inbox.bytes().len();
        for round in 1..=5 {
            assert!(wire.poll_fill_part(&mut Context::from_waker(&waker)).is_pending());
            caller.write_all(b"xxx").expect("it is connected");
            caller.write_all(b"xxx").expect("it is connected");
            while woken.0.load(Relaxed) < round {
                tokio::task::yield_now().await;
            }
            assert!(wire.pace.is_over(), "it is the end of the pause that wakes");
            let came = poll_fn(|cx| wire.poll_fill_part(cx)).await.expect("it is connected");
            assert_eq!((came, wire.inbox.bytes().len()), (6, read + 6));
            read += 6;
        }
    }

    #[tokio::test]
    async fn a_large_piece_ends_the_pauses() {
        let (mut wire, mut caller) = connected().await;
        while !wire.pace.is_slow() {
            caller.write_all(b"x").expect("it is connected");
            poll_fn(|cx| wire.poll_fill_part(cx)).await.expect("it is connected");
        }
        caller.write_all(&[b'x'; 800]).expect("it is connected");
        let came = poll_fn(|cx| wire.poll_fill_part(cx)).await.expect("it is connected");
        assert_eq!((came, wire.pace.is_slow()), (800, false));
    }
}
