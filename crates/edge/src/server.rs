//! A served port: its threads, and the handle by which it is stopped.

mod worker;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::sync::watch;

use crate::{
    Direct, Edge, Forward, ListenConfig, connection::Http2, direct::BoundRoutes, forward::Onward,
    http::Routes, listener,
};
use worker::{Drain, Worker};

/// What one thread needs to serve its part of a port.
pub(crate) struct Port {
    pub(crate) edge: Edge,
    /// Each thread has its own copy: reference counts are shared memory too.
    pub(crate) onward: Onward,
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
    stop: watch::Sender<Ending>,
    threads: Vec<JoinHandle<()>>,
    /// The same sockets again, for whoever goes on.
    sockets: Mutex<Vec<TcpListener>>,
}

/// How a port ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not yet.
    None,
    /// Nobody goes on.
    Closed,
    /// Somebody else goes on with the same sockets.
    Succeeded,
}

/// Opens a port and serves it on threads of its own: `direct` is asked first, then `routes`, behind all
/// layers of [`crate::protect`].
///
/// # Errors
/// When the port cannot be opened, the TLS files cannot be used, or a thread cannot be started.
pub fn serve(config: &ListenConfig, edge: &Edge, routes: &Routes, direct: &Direct) -> io::Result<Handle> {
    serve_on(Vec::new(), config, edge, routes, direct)
}

/// The same, on sockets that already listen, such as those that a predecessor hands over; without any it opens the
/// port.
///
/// # Errors
/// As [`serve`].
pub fn serve_on(
    sockets: Vec<TcpListener>,
    config: &ListenConfig,
    edge: &Edge,
    routes: &Routes,
    direct: &Direct,
) -> io::Result<Handle> {
    start(sockets, config, edge, direct, || Onward::Routes(crate::protect(routes.clone(), edge)))
}

/// Opens a port like [`serve_on`], and passes on what `direct` does not answer.
///
/// # Errors
/// As [`serve`].
pub fn serve_forwarding(
    sockets: Vec<TcpListener>,
    config: &ListenConfig,
    edge: &Edge,
    forward: &Forward,
    direct: &Direct,
) -> io::Result<Handle> {
    start(sockets, config, edge, direct, || {
        Onward::Forward(forward.clone(), edge.clone(), edge.overload().map(overload::Overload::seat))
    })
}

fn start(
    sockets: Vec<TcpListener>,
    config: &ListenConfig,
    edge: &Edge,
    direct: &Direct,
    onward: impl Fn() -> Onward,
) -> io::Result<Handle> {
    let tls = config.tls.acceptor().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let direct = direct.bind(edge);
    let (address, listeners) = listener::open(config, sockets)?;
    let (stop, stopped) = watch::channel(Ending::None);
    let sockets = listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
    let mut handle = Handle { address, stop, threads: Vec::new(), sockets: Mutex::new(sockets) };
    for (seat, listener) in listeners.into_iter().enumerate() {
        let port = Port {
            edge: edge.clone(),
            onward: onward(),
            direct: direct.clone(),
            tls: tls.clone(),
            http2: Http2::new(edge.config()),
            proxied: config.proxy_protocol,
        };
        let (port, stopped, drain) = (Arc::new(port), stopped.clone(), Drain::of(config));
        // Each run has a socket of its own, so that the next one finds it open.
        let worker = move || Worker::new(port.clone(), listener.try_clone()?, stopped.clone(), drain);
        let first = worker()?;
        let thread = thread::Builder::new().name(format!("edge-{seat}"));
        handle.threads.push(thread.spawn(move || run_again(first, worker, |worker| worker.run(seat)))?);
    }
    tracing::info!(address = %address, threads = handle.threads.len(), "serving {address}");
    Ok(handle)
}

/// Runs a thread's work to its end. Work that panics is begun again, and what it had at hand is lost.
fn run_again<W>(first: W, make: impl Fn() -> io::Result<W>, run: impl Fn(W)) {
    let mut next = Ok(first);
    while let Ok(worker) = next {
        if catch_unwind(AssertUnwindSafe(|| run(worker))).is_ok() {
            return;
        }
        tracing::error!(
            code = "edge/thread-replaced",
            "a thread of the edge panicked, and another takes its place"
        );
        next = make();
    }
    tracing::error!(code = "edge/thread-lost", "a thread of the edge panicked and could not be replaced");
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
        self.end(Ending::Closed);
    }

    /// Begins to stop as [`Handle::close`] does, while somebody else goes on with the same sockets: callers between
    /// requests are told with the answer to their next one.
    pub fn succeeded(&self) {
        self.end(Ending::Succeeded);
    }

    fn end(&self, ending: Ending) {
        self.stop.send_if_modified(|ended| {
            let first = *ended == Ending::None;
            *ended = if first { ending } else { *ended };
            first
        });
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The sockets it listens on, for a successor.
    ///
    /// # Errors
    /// When the process can have no more descriptors.
    pub fn sockets(&self) -> io::Result<Vec<TcpListener>> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(TcpListener::try_clone).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_thread_that_panics_is_replaced_until_its_work_is_done() {
        let (runs, made) = (Cell::new(0), Cell::new(0));
        let run = |number: u32| {
            runs.set(runs.get() + 1);
            assert!(number == 3, "this one panics");
        };
        let make = || {
            made.set(made.get() + 1);
            Ok(made.get())
        };
        run_again(0, make, run);
        assert_eq!((runs.get(), made.get()), (4, 3));
    }

    #[test]
    fn a_thread_that_cannot_be_replaced_ends() {
        run_again((), || Err(io::ErrorKind::OutOfMemory.into()), |()| panic!("it ends"));
    }
}
