//! `holdfast work`: a process that works at jobs and serves nobody, beside nodes that share a PostgreSQL.

use anyhow::{Context, ensure};
use cache::{Cache, RedisConfig};
use clap::Args;
use clock::Clock;
use edge::Traffic;
use queue::Workers;
use seal::Keys;
use telemetry::Metrics;

use crate::{
    data_folder::DataFolder,
    front::OperatorRoutes,
    jobs::{self, Crew},
    services::Services,
    settings::{Settings, SettingsOptions},
    signals::Signals,
};

/// What to work at.
#[derive(Debug, Clone, Args)]
pub struct WorkOptions {
    /// The queues to work at, with commas between them; without it, all.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    queues: Vec<String>,
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Works until SIGTERM or SIGINT, then ends what it is at, within its time, gives back the rest, and ends.
///
/// # Errors
/// When something does not open, or the databases are files, which one process uses alone.
pub fn work(options: &WorkOptions) -> anyhow::Result<()> {
    let settings = options.settings.read()?;
    ensure!(
        settings.postgres.url.is_some(),
        "the jobs of databases in files are done inside `holdfast serve`, because one process uses a file alone; to \
         work at jobs beside it, keep the databases on a PostgreSQL server and name it with --database or \
         HOLDFAST_DATABASE"
    );
    telemetry::start_logs(&settings.log).context("cannot read the log's filter")?;
    telemetry::start_traces(&settings.traces, "holdfast-work", env!("CARGO_PKG_VERSION"), &settings.region)
        .context("cannot use the settings [traces]")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told_to_stop = runtime.block_on(async { Signals::listen() })?;
    let services = open(&settings)?;
    let crews = wanted(services.crews(), &options.queues)?;
    let queues: Vec<_> = crews.iter().flat_map(|crew| crew.registry.queues()).collect();
    let workers = runtime.block_on(jobs::start(crews, &settings))?;
    let admin = services.serve_operators(
        Vec::new(),
        &settings,
        Traffic::new(&services.metrics),
        OperatorRoutes::default(),
    )?;
    crate::tell(&format!("holdfast works at {} (operators: {})", queues.join(", "), admin.address()));
    runtime.block_on(services.attend(told_to_stop.until_stop(), |_| async {}))?;
    tracing::info!(code = "server/stopping", "finishing what has begun");
    workers.into_iter().for_each(Workers::stop);
    services.stop();
    admin.close();
    admin.stop();
    Ok(())
}

fn wanted(mut crews: Vec<Crew>, queues: &[String]) -> anyhow::Result<Vec<Crew>> {
    if queues.is_empty() {
        return Ok(crews);
    }
    jobs::check_names(&crews, queues)?;
    for crew in &mut crews {
        crew.registry = crew.registry.clone().only(queues);
    }
    Ok(crews)
}

/// Opens what a node has made: whoever only works makes no keys, no databases and no administrator.
fn open(settings: &Settings) -> anyhow::Result<Services> {
    let folder = DataFolder::take(settings)?;
    folder.make_rooms()?;
    settings.warn();
    let engines = folder.engines(settings)?;
    let made = engines.services.exists(identity::SERVICE).context("cannot look for the database")?;
    ensure!(made, "there is nothing to work at yet: start `holdfast serve` on this database first");
    let keys = Keys::open_existing(&folder.keys(), &Clock::System)
        .context("cannot open the key file: it is the same as that of the nodes that serve")?;
    let metrics = Metrics::of_process(&settings.region, env!("CARGO_PKG_VERSION"));
    // Nobody is served from here, so nothing is shared with those who serve.
    let cache =
        Cache::open(Clock::System, &metrics, &RedisConfig::default()).context("cannot open the cache")?;
    Services::open(settings, folder, engines, keys, metrics, &cache)
}
