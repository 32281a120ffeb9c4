//! Working at jobs, inside `serve` and `work`.

use anyhow::{Context, ensure};
use clock::Clock;
use elections::Elections;
use identity::Identity;
use ledger::Ledger;
use queue::{Bell, Registry, TakeBack, Workers};

use crate::settings::Settings;

/// The jobs of one service, and who tells of them.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) service: &'static str,
    pub(crate) ledger: Ledger,
    pub(crate) registry: Registry,
    pub(crate) bell: Bell,
}

/// Those of all services.
pub(crate) fn crews(identity: &Identity, elections: &Elections) -> Vec<Crew> {
    vec![
        Crew {
            service: identity::SERVICE,
            ledger: identity.ledger().clone(),
            registry: identity.jobs(),
            bell: identity.bell().clone(),
        },
        Crew {
            service: elections::SERVICE,
            ledger: elections.ledger().clone(),
            registry: elections.jobs(),
            bell: elections.bell().clone(),
        },
    ]
}

/// Begins to work at these jobs.
pub(crate) async fn start(crews: Vec<Crew>, settings: &Settings) -> anyhow::Result<Vec<Workers>> {
    let mut working = Vec::new();
    for Crew { service, ledger, registry, bell } in crews {
        if registry.queues().next().is_none() {
            continue;
        }
        if settings.postgres.url.is_none() {
            // The folder is ours alone, so whoever was at a job is gone.
            for queue in registry.queues() {
                ledger.operate(TakeBack { queue: queue.to_owned() }).await?;
            }
        }
        let workers = Workers::start(service, ledger, registry, bell, &settings.jobs, Clock::System);
        working.push(workers.context("cannot start the thread of the workers")?);
    }
    Ok(working)
}

/// Says that nobody works at jobs here, where nobody else can.
pub(crate) fn say_who_must(settings: &Settings) {
    if settings.postgres.url.is_none() {
        tracing::warn!(
            code = "server/nobody-works",
            "nobody works at the jobs of these databases, because no other process can use their files: erasures that are \
             broken off stay so, what has expired is not cleared away, and votes are neither checked nor counted"
        );
    }
}

/// Are there such queues?
pub(crate) fn check_names<'q>(
    crews: &[Crew],
    named: impl IntoIterator<Item = &'q String>,
) -> anyhow::Result<()> {
    let known: Vec<_> = crews.iter().flat_map(|crew| crew.registry.queues()).collect();
    for queue in named {
        let all = known.join(", ");
        ensure!(known.contains(&queue.as_str()), "there is no queue `{queue}`; there are: {all}");
    }
    Ok(())
}
