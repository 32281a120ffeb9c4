//! SIGTERM and SIGINT, which ask a server to stop, and SIGUSR2, which asks it to hand over.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears of them from the moment it is made.
pub(crate) struct Signals {
    terminated: Signal,
    interrupted: Signal,
    hand_over: Signal,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Stop,
    HandOver,
}

impl Signals {
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminated: signal(SignalKind::terminate())?,
            interrupted: signal(SignalKind::interrupt())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminated.recv() => Told::Stop,
            _ = self.interrupted.recv() => Told::Stop,
            _ = self.hand_over.recv() => Told::HandOver,
        }
    }

    /// Waits until it is to stop, whatever else is asked for.
    pub(crate) async fn until_stop(mut self) {
        while self.next().await != Told::Stop {}
    }
}
