//! The loop behind the service: tells floods of refusals, finishes erasures, clears away what has expired,
//! and finds out whether a disk that failed works again.

use std::time::Duration;

use problem::Problem;
use tokio::sync::watch;

use crate::{
    Identity,
    erase::ERASURES_MAX,
    known_place::PLACE_LIFE,
    sql,
    sweep::{SWEPT_MAX, Sweep},
};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

impl Identity {
    /// Runs until told to stop, and tells then what is still to be told.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            let stopping = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => true,
                _ = ticks.tick() => false,
            };
            if let Err(problem) = self.tell_refusals(stopping).await {
                tracing::warn!(code = problem.code(), "refused sign-ins could not be recorded");
            }
            if stopping {
                return;
            }
            if let Err(problem) = self.finish_erasures().await {
                tracing::warn!(code = problem.code(), "an erasure that has begun could not be finished");
            }
            if let Err(problem) = self.sweep().await {
                tracing::warn!(code = problem.code(), "what has expired could not be cleared away");
            }
            if let Err(problem) = self.probe().await {
                tracing::debug!(code = problem.code(), "the disk fails still");
            }
        }
    }

    async fn tell_refusals(&self, all: bool) -> Result<(), Problem> {
        let told = self.refusals().tell(self.clock().now(), all);
        for command in told {
            self.give(command).await?;
        }
        Ok(())
    }

    async fn finish_erasures(&self) -> Result<(), Problem> {
        let read = self.ledger().readers().read(|snapshot| sql::erasures(snapshot, ERASURES_MAX));
        for erasure in read.await? {
            self.finish_erasure(erasure.person).await?;
        }
        Ok(())
    }

    /// Clears one helping away, by the ledger's time or the clock's, whichever is earlier: neither of them
    /// alone must forget what still matters.
    async fn sweep(&self) -> Result<(), Problem> {
        let until = self.clock().now();
        let read = self.ledger().readers().read(move |snapshot| {
            let places = sql::forgotten_places(snapshot, until.minus(PLACE_LIFE), SWEPT_MAX)?;
            let sessions = sql::expired_sessions(snapshot, until, SWEPT_MAX)?;
            Ok((sessions, places, sql::has_expired_marks(snapshot, until)?))
        });
        let (sessions, places, marks) = read.await?;
        if !sessions.is_empty() || !places.is_empty() || marks {
            self.give(Sweep { until, sessions, places }).await?;
        }
        Ok(())
    }

    /// Whoever sends requests elsewhere while a disk fails would never learn that it works again.
    async fn probe(&self) -> Result<(), Problem> {
        if self.ledger().is_failing() {
            let until = self.clock().now();
            self.give(Sweep { until, sessions: Vec::new(), places: Vec::new() }).await?;
        }
        if self.person_keys().is_failing() {
            self.person_keys().probe().await?;
        }
        Ok(())
    }
}
