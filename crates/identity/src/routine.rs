//! What a node does by itself, beside the jobs that nodes share: it tells floods of refusals that it counted, and
//! finds out whether a disk that failed works again.

use std::time::Duration;

use problem::Problem;
use tokio::sync::watch;

use crate::{Identity, sweep::Sweep};

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
