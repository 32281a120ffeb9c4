//! A served port: its threads, and the handle by which it is stopped.

mod worker;

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::watch;

use crate::{Direct, Edge, ListenConfig, connection::Http2, direct::BoundRoutes, http::Routes, listener};
use worker::Worker;

/// What one thread needs to serve its part of a port.
pub(crate) struct Port {
    pub(crate) edge: Edge,
    /// Each thread has its own copy: reference counts are shared memory too.
    pub(crate) routes: Routes,
    pub(crate) direct: BoundRoutes,
    pub(crate) tls: Option<tokio_rustls::TlsAcceptor>,
    pub(crate) http2: Http2,
    /// Connections begin by saying for whom they are.
    pub(crate) proxied: bool,
}

/// A port that is being served. Dropping it stops the port without waiting.
#[derive(Debug)]
pub struct Handle {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Opens a port and serves it on threads of its own: `direct` is asked first, then `routes`, behind all
/// layers of [`crate::protect`].
///
/// # Errors
/// When the port cannot be opened, the TLS files cannot be used, or a thread cannot be started.
pub fn serve(config: &ListenConfig, edge: &Edge, routes: &Routes, direct: &Direct) -> io::Result<Handle> {
    let tls = config.tls.acceptor().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let direct = direct.bind(edge);
    let (address, listeners) = listener::open(config)?;
    let (stop, stopped) = watch::channel(false);
    let mut handle = Handle { address, stop, threads: Vec::new() };
    for (seat, listener) in listeners.into_iter().enumerate() {
        let port = Port {
            edge: edge.clone(),
            routes: crate::protect(routes.clone(), edge),
            direct: direct.clone(),
            tls: tls.clone(),
            http2: Http2::new(edge.config()),
            proxied: config.proxy_protocol,
        };
        let worker = Worker::new(Arc::new(port), listener, stopped.clone(), config.drain_ms_max)?;
        let thread = thread::Builder::new().name(format!("edge-{seat}"));
        handle.threads.push(thread.spawn(move || worker.run(seat))?);
    }
    tracing::info!(address = %address, threads = handle.threads.len(), "serving {address}");
    Ok(handle)
}

impl Handle {
    /// Where it listens, with the port the system chose if none was configured.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to stop, and returns at once: nothing new is accepted, requests in flight are finished, and
    /// what is still open after [`ListenConfig::drain_ms_max`] is cut.
    pub fn close(&self) {
        self.stop.send_replace(true);
    }

    /// Stops, and waits until all threads have ended. It blocks, so call it outside of the runtime.
    pub fn stop(mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the edge had panicked");
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}
