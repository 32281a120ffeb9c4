//! HTTP/1.1 as a server speaks it (RFC 9112), written for this edge: decision 7 (`docs/decisions`) says why.
//!
//! What a request is, and where it ends, the crate `http1` tells from bytes alone. The connection around it reads,
//! answers and sends.
//!
//! **Nothing ambiguous is accepted**, and whatever is refused ends its connection: where the next request
//! begins can then no longer be known.

mod answer;
mod body;
mod connection;
mod date;
mod intake;
mod pace;
mod refusal;
mod request;
mod sending;
mod tunnel;
mod wire;

use std::{io, sync::Arc};

use date::date;
pub(crate) use date::set_date;
use http1::{Chunks, Fault, Head, HeadLimits, Length, Target, Version, read_head};
pub(crate) use refusal::too_many_connections;
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
