//! HTTP/1.1 as a server speaks it (RFC 9112), written for this edge: decision 7 (`docs/decisions`) says why.
//!
//! [`read_head`] finds a request in the bytes that came, [`Framing`] decides where it ends, [`Chunks`] tells
//! a chunked body apart; these are arithmetic on bytes and never wait. The connection around them reads,
//! answers and sends.
//!
//! **Nothing ambiguous is accepted**, and whatever is refused ends its connection: where the next request
//! begins can then no longer be known.

mod answer;
mod body;
mod buffers;
mod chunked;
mod connection;
mod date;
mod fault;
mod framing;
mod head;
mod intake;
mod refusal;
mod request;
mod sending;
mod target;
mod tunnel;
mod wire;

use std::{io, sync::Arc};

pub use chunked::Chunks;
use date::date;
pub(crate) use date::set_date;
pub use fault::Fault;
pub use framing::{Framing, Length, Version};
pub use head::{Head, HeadLimits, read_head};
pub(crate) use refusal::too_many_connections;
pub use target::Target;
pub use tunnel::Tunnel;

use crate::{
    connection::{Stream, Watch},
    http::Peer,
    server::Port,
};

/// Serves a connection that speaks HTTP/1 until either side is done with it.
pub(crate) async fn serve(stream: Stream, port: Arc<Port>, watch: Arc<Watch>, peer: Peer) -> io::Result<()> {
    connection::Connection::new(stream, port, watch, peer).run().await
}
