//! `holdfast serve`: opens the folder of data and serves until told to stop.

use anyhow::Context;
use cache::Cache;
use clap::Args;
use clock::Clock;
use edge::{Edge, Front, Handle, Traffic};
use queue::Workers;
use telemetry::Metrics;
use tokio::sync::watch;

use crate::{
    api,
    backup::Shipping,
    data_folder::DataFolder,
    descriptors, first_start, front, jobs, key_file,
    ledgers::Ledgers,
    reload::{Hangups, Reload},
    services::Services,
    settings::{Settings, SettingsOptions},
    signals::Signals,
    status,
};

/// What to serve, and where.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Leave the jobs to `holdfast work` and to other nodes.
    #[arg(long)]
    no_work: bool,
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Everything that runs.
struct Running {
    services: Services,
    front: Front,
    reload: Reload,
    public: Handle,
    admin: Handle,
    workers: Option<Workers>,
    shipping: Option<Shipping>,
}

/// Serves until SIGTERM or SIGINT, then finishes what has begun and ends.
///
/// # Errors
/// When something does not open; nothing is served then.
pub fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    let mut settings = options.settings.read()?;
    settings.jobs.in_serve &= !options.no_work;
    telemetry::start_logs(&settings.log).context("cannot read the log's filter")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From the first moment on, so that a stop during the start is a stop in order too.
    let (told_to_stop, hangups) =
        runtime.block_on(async { anyhow::Ok((Signals::listen()?, Hangups::listen()?)) })?;
    let target = Shipping::target(&settings)?;
    let mut running = runtime.block_on(start(&settings, &options.settings))?;
    let Services { keys, metrics, .. } = &running.services;
    let shipping = target.map(|target| Shipping::start(&settings, target, keys, metrics));
    running.shipping = shipping.transpose()?;
    let (front, reload, queues) =
        (running.front.clone(), running.reload.clone(), running.services.queues.clone());
    let also = |stopped: watch::Receiver<bool>| async {
        tokio::join!(front::tend(front, queues, stopped.clone()), reload.on_signal(hangups, stopped));
    };
    runtime.block_on(running.services.attend(told_to_stop, also))?;
    tracing::info!(code = "server/stopping", "finishing what has begun");
    running.stop();
    Ok(())
}

async fn start(settings: &Settings, options: &SettingsOptions) -> anyhow::Result<Running> {
    let (clock, metrics) = (Clock::System, Metrics::new());
    let folder = DataFolder::take(settings)?;
    folder.make_rooms()?;
    settings.warn();
    let engines = folder.engines(settings)?;
    let keys = key_file::open(&folder, &engines, &clock)?;
    let cache = Cache::open(clock.clone(), &metrics, &settings.redis).context("cannot open the cache")?;
    let services = Services::open(settings, folder, engines, keys, metrics, &cache)?;
    let identity = &services.identity;
    first_start::ensure_administrator(identity, &clock, &services.folder.first_password()).await?;
    let workers = match settings.jobs.in_serve {
        true => Some(jobs::start(identity, settings, identity.jobs()).await?),
        false => {
            jobs::say_who_must(settings);
            None
        }
    };

    let ledgers = Ledgers::new([identity.ledger().clone()], &cache);
    let (routes, description) = api::public(identity, &ledgers, &services.queues);
    let traffic = Traffic::new(&services.metrics);
    let shared = (!settings.redis.urls.is_empty()).then(|| front::shared(&cache));
    let front = Front::new(&front::config(settings), &clock, &services.metrics, shared)
        .context("cannot use the settings of the front")?;
    let reload = Reload::new(options.clone(), settings.clone(), front.clone());
    let edge = Edge::new(
        descriptors::fit(&settings.edge),
        clock,
        traffic.clone(),
        identity::identify(identity.clone()),
        front.clone(),
    );
    let person_keys = services.person_keys.clone();
    let routes = edge::check_bodies(routes, &serde_json::to_value(&description)?)?;
    let routes = routes.merge(status::public_routes(ledgers, person_keys, cache, &description));
    let public = edge::serve(&settings.public, &edge, &routes, &identity::direct(identity.clone()))
        .with_context(|| format!("cannot serve {}", settings.public.address))?;
    let operators = front::operator_routes(front.clone(), reload.clone());
    let admin = services.serve_operators(settings, traffic, operators)?;
    crate::tell(&format!("holdfast serves {} (operators: {})", public.address(), admin.address()));
    Ok(Running { services, front, reload, public, admin, workers, shipping: None })
}

impl Running {
    /// Ends in the order in which nothing is lost: no new requests and jobs, then those in flight, then the
    /// ledger.
    fn stop(self) {
        self.public.close();
        self.admin.close();
        if let Some(workers) = &self.workers {
            workers.close();
        }
        self.public.stop();
        if let Some(workers) = self.workers {
            workers.stop();
        }
        self.services.stop();
        if let Some(shipping) = self.shipping {
            shipping.stop();
        }
        self.admin.stop();
    }
}
