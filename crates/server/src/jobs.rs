//! Working at jobs, inside `serve` and `work`.

use anyhow::{Context, ensure};
use clock::Clock;
use identity::Identity;
use queue::{Registry, TakeBack, Workers};

use crate::settings::Settings;

/// Begins to work at these jobs.
pub(crate) async fn start(
    identity: &Identity,
    settings: &Settings,
    jobs: Registry,
) -> anyhow::Result<Workers> {
    if settings.postgres.url.is_none() {
        // The folder is ours alone, so whoever was at a job is gone.
        for queue in jobs.queues() {
            identity.ledger().operate(TakeBack { queue: queue.to_owned() }).await?;
        }
    }
    let (ledger, bell) = (identity.ledger().clone(), identity.bell().clone());
    let workers = Workers::start(identity::SERVICE, ledger, jobs, bell, &settings.jobs, Clock::System);
    workers.context("cannot start the thread of the workers")
}

/// Says that nobody works at jobs here, where nobody else can.
pub(crate) fn say_who_must(settings: &Settings) {
    if settings.postgres.url.is_none() {
        tracing::warn!(
            code = "server/nobody-works",
            "nobody works at the jobs of these databases, because no other process can use their files: erasures that are \
             broken off stay so, and what has expired is not cleared away"
        );
    }
}

/// Are there such queues?
pub(crate) fn check_names<'q>(
    jobs: &Registry,
    named: impl IntoIterator<Item = &'q String>,
) -> anyhow::Result<()> {
    let known: Vec<_> = jobs.queues().collect();
    for queue in named {
        let all = known.join(", ");
        ensure!(known.contains(&queue.as_str()), "there is no queue `{queue}`; there are: {all}");
    }
    Ok(())
}
