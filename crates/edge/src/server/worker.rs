//! One thread of a port: it accepts, looks its connections over now and then, and drains them at the end.

use std::{io, sync::Arc, time::Duration};

use clock::Clock;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{self, Runtime},
    sync::watch,
};

use super::{Ending, Port};
use crate::{
    ListenConfig,
    config::millis,
    connection::{self, Order, Watches},
    h1::{set_date, too_many_connections},
};

/// How long accepting rests when the process is out of something, such as file descriptors.
const REST: Duration = Duration::from_millis(50);
/// How long whoever is between requests may send one more, when somebody else goes on: what is on its way is answered.
const FAREWELL: Duration = Duration::from_secs(1);
/// Connections that are accepted before those that are open have their turn: a thousand who come at once wait at the door,
/// not everybody inside for them.
const ACCEPTED_A_TURN: u32 = 8;
/// How often a draining thread looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How long what is in flight may take when the port ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    stopped: Duration,
    handed_over: Duration,
}

impl Drain {
    pub(super) fn of(config: &ListenConfig) -> Self {
        let stopped = millis(config.drain_ms_max);
        Self { stopped, handed_over: config.handed_over_ms_max.map_or(stopped, millis) }
    }
}

/// A thread's own runtime, listener and connections.
pub(super) struct Worker {
    port: Arc<Port>,
    runtime: Runtime,
    listener: TcpListener,
    stop: watch::Receiver<Ending>,
    drain: Drain,
    watches: Watches,
    full: Vec<u8>,
}

impl Worker {
    pub(super) fn new(
        port: Arc<Port>,
        listener: std::net::TcpListener,
        stop: watch::Receiver<Ending>,
        drain: Drain,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _entered = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let full = too_many_connections(&port);
        Ok(Self { port, runtime, listener, stop, drain, watches: Watches::default(), full })
    }

    pub(super) fn run(self, seat: usize) {
        crate::traffic::take_seat(seat);
        let Self { port, runtime, listener, mut stop, drain, watches, full } = self;
        // Sockets live in real time, whatever the clock of the rest says.
        let running = Clock::System.stopwatch();
        runtime.block_on(async {
            let limits = port.edge.config();
            let mut sweeps = tokio::time::interval(limits.sweep_every());
            let mut accepted_in_turn = 0;
            loop {
                if accepted_in_turn == ACCEPTED_A_TURN {
                    accepted_in_turn = 0;
                    tokio::task::yield_now().await;
                }
                tokio::select! {
                    // The channel is never dropped unheard: dropping the handle says stop, too.
                    _ = stop.wait_for(|ending| *ending != Ending::None) => break,
                    accepted = listener.accept() => {
                        accepted_in_turn += 1;
                        match accepted {
                            Ok((socket, _)) => welcome(socket, &port, &watches, &full),
                            Err(error) => rest(&error).await,
                        }
                    }
                    _ = sweeps.tick() => {
                        watches.sweep(running.elapsed(), limits);
                        set_date(port.edge.clock().now());
                    }
                }
            }
            drop(listener);
            let mut farewell = *stop.borrow() == Ending::Succeeded;
            watches.order(if farewell { Order::Last } else { Order::Finish });
            let draining = Clock::System.stopwatch();
            let drained = async {
                let mut looks = tokio::time::interval(DRAIN_LOOK.min(limits.sweep_every()));
                while !watches.is_empty() {
                    looks.tick().await;
                    if farewell && draining.elapsed() >= FAREWELL {
                        farewell = false;
                        watches.order(Order::Finish);
                    }
                    // The limits hold to the end: who stalls must not use up the time of the others.
                    watches.sweep(running.elapsed(), limits);
                }
            };
            let longest = if *stop.borrow() == Ending::Succeeded { drain.handed_over } else { drain.stopped };
            if tokio::time::timeout(longest, drained).await.is_err() {
                tracing::warn!("requests were still in flight when the time to stop was over");
            }
        });
        // What is left ends here: a runtime that is dropped drops its connections.
        drop(runtime);
    }
}

fn welcome(socket: TcpStream, port: &Arc<Port>, watches: &Watches, full: &[u8]) {
    let Some(place) = port.edge.gate().enter() else {
        // The send buffer of a new socket is empty, so this never waits. Over TLS there is no cheap way
        // to say anything.
        if port.tls.is_none() {
            let _sent = socket.try_write(full);
        }
        port.edge.traffic().count_refused(None, http::StatusCode::SERVICE_UNAVAILABLE);
        return;
    };
    tokio::spawn(connection::serve(socket, port.clone(), watches.enter(place)));
}

/// One caller's failure costs nothing; a shortage of ours is waited out instead of asked about in a loop.
async fn rest(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::warn!(error = %error, "cannot accept connections for now");
        tokio::time::sleep(REST).await;
    }
}
