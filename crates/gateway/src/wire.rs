//! What is asked of a connection to an upstream.

use std::{
    io,
    pin::Pin,
    task::{Context, Waker},
};

use edge::Stream;
use tokio::io::{AsyncRead, ReadBuf};

/// Has nothing come that nobody asked for, not even the end?
pub(crate) fn is_silent(stream: &mut Stream) -> bool {
    match stream {
        Stream::Plain(stream) => {
            let read = stream.try_read(&mut [0]);
            read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
        }
        Stream::Tls(stream) => {
            // What TLS says to itself may have come: only bytes for us, or the end, count.
            let (mut byte, mut cx) = ([0], Context::from_waker(Waker::noop()));
            Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
        }
    }
}

/// The protocol that both sides agreed on in TLS.
pub(crate) fn agreed(stream: &Stream) -> Option<&[u8]> {
    match stream {
        Stream::Plain(_) => None,
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol(),
    }
}
