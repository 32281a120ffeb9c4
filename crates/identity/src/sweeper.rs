//! The loop behind the service: tells floods of refusals, and clears away what has expired.

use std::time::Duration;

use problem::Problem;
use tokio::sync::watch;

use crate::{
    Identity, sql,
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
            if let Err(problem) = self.sweep().await {
                tracing::warn!(code = problem.code(), "what has expired could not be cleared away");
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

    /// Clears one helping away.
    async fn sweep(&self) -> Result<(), Problem> {
        let now = self.clock().now();
        let read = self.ledger().readers().read(move |snapshot| {
            Ok((sql::expired_sessions(snapshot, now, SWEPT_MAX)?, sql::has_expired_marks(snapshot, now)?))
        });
        let (sessions, marks) = read.await?;
        if !sessions.is_empty() || marks {
            self.give(Sweep { sessions }).await?;
        }
        Ok(())
    }
}
