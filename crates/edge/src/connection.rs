//! One connection, from its first byte to its last.

mod frames;
mod http2;
mod proxied;
mod stream;
mod untaken;
mod watch;

use std::{future::poll_fn, io, pin::pin, sync::Arc, task::Poll, time::Duration};

use tokio::net::TcpStream;

pub(crate) use http2::Http2;
use proxied::take_proxied;
pub use proxied::{Proxied, ProxiedError, read_proxied};
pub use stream::Stream;
pub(crate) use watch::{Busy, Entry, Order, Taking, Watch, Watches};

use crate::{
    config::millis,
    gate::{NotLetIn, OwnPlace},
    h1,
    http::{EdgeService, Peer},
    server::Port,
};

/// Begins every HTTP/2 connection that has prior knowledge (RFC 9113, section 3.4), and no HTTP/1 one.
const PREFACE: &[u8] = b"PRI";
/// How long the rest of a preface, or of another word that begins like it, is waited for at once.
const PEEK_PAUSE_MIN: Duration = Duration::from_millis(5);
const PEEK_PAUSE_MAX: Duration = Duration::from_millis(640);

/// Which version a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// Serves a connection until either side is done with it. Whatever goes wrong ends it and nothing else.
pub(crate) async fn serve(socket: TcpStream, port: Arc<Port>, entry: Entry) {
    let watch = entry.watch().clone();
    let _open = port.edge.traffic().connect();
    let time = millis(port.edge.config().handshake_ms_max);
    let mut opening = pin!(tokio::time::timeout(time, open(socket, &port)));
    let opened = poll_fn(|cx| match watch.listen(cx) {
        Order::Go => opening.as_mut().poll(cx).map(Some),
        // Whoever is about to ask their first is heard.
        Order::Last => opening.as_mut().poll(cx).map(Some),
        // Nothing was asked yet, so there is nothing to finish.
        Order::Finish | Order::Expire | Order::Cut => Poll::Ready(None),
    });
    let Some(Ok(Ok(Opened { peer, place: _place, stream, version }))) = opened.await else {
        tracing::debug!("a connection ended before its first request");
        return;
    };
    watch.speaks_http2(version == Version::Http2);
    match version {
        Version::Http1 => {
            let connection = h1::serve(stream, port.clone(), watch.clone(), peer);
            let _ended = unless_cut(&watch, connection).await;
        }
        Version::Http2 => {
            let service = EdgeService::new(port.clone(), watch.clone(), peer);
            let connection = port.http2.serve(stream, watch.clone(), service);
            let ended = unless_cut(&watch, connection).await;
            let flooded = watch.is_flooded() || ended.is_err_and(|error| http2::is_flooded(&error));
            if let (true, Some(peer)) = (flooded, peer.0) {
                port.edge.front().flooded(peer);
            }
        }
    }
}

/// Runs a connection until it ends, or its watch ends it.
async fn unless_cut<E: std::error::Error>(
    watch: &Watch,
    connection: impl Future<Output = Result<(), E>>,
) -> Result<(), E> {
    let mut connection = pin!(connection);
    let ended = poll_fn(|cx| match watch.listen(cx) {
        Order::Cut => Poll::Ready(Ok(())),
        Order::Go | Order::Last | Order::Finish | Order::Expire => connection.as_mut().poll(cx),
    });
    ended.await.inspect_err(|error| tracing::debug!(error = %error, "a connection ended early"))
}

/// A connection on which requests can come.
struct Opened {
    peer: Peer,
    place: Option<OwnPlace>,
    stream: Stream,
    version: Version,
}

/// Finds out who is at the other end, lets them in, and shakes hands.
async fn open(mut socket: TcpStream, port: &Port) -> io::Result<Opened> {
    let mut peer = socket.peer_addr().ok().map(|address| address.ip());
    if port.proxied {
        if !peer.is_some_and(|proxy| port.edge.front().trusts(proxy)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        peer = take_proxied(&mut socket).await?.or(peer);
    }
    // Closed without a word: there is no cheap one that every version understands.
    let place = port.edge.let_in(peer).map_err(|NotLetIn| io::ErrorKind::ConnectionRefused)?;
    let (stream, version) = shake_hands(socket, port).await?;
    Ok(Opened { peer: Peer(peer), place, stream, version })
}

/// Shakes hands if the port speaks TLS, and finds out which version of HTTP the caller speaks.
async fn shake_hands(socket: TcpStream, port: &Port) -> io::Result<(Stream, Version)> {
    if let Some(tls) = &port.tls {
        let stream = tls.accept(socket).await?;
        let agreed = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let version = if agreed { Version::Http2 } else { Version::Http1 };
        return Ok((Stream::Tls(Box::new(stream.into())), version));
    }
    let (mut first, mut pause) = ([0; PREFACE.len()], PEEK_PAUSE_MIN);
    loop {
        let seen = socket.peek(&mut first).await?;
        if seen == PREFACE.len() && first == PREFACE {
            return Ok((Stream::Plain(socket), Version::Http2));
        }
        if seen == 0 || first[..seen] != PREFACE[..seen] {
            return Ok((Stream::Plain(socket), Version::Http1));
        }
        // One or two letters of the preface: the rest is on its way, and peeking does not wait for it. Whoever says no
        // more is looked at ever more seldom.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PEEK_PAUSE_MAX);
    }
}
