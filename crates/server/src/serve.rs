//! `holdfast serve`: opens the folder of data and serves until told to stop.

use anyhow::Context;
use cache::Cache;
use clap::Args;
use clock::Clock;
use edge::{Direct, Edge, Handle, Identify, Traffic};
use identity::Identity;
use seal::{Keys, PersonKeys};
use telemetry::Metrics;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    api,
    backup::Shipping,
    data_folder::DataFolder,
    descriptors, first_start, key_file,
    ledgers::Ledgers,
    settings::{Settings, SettingsOptions},
    status,
};

/// What to serve, and where.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    #[command(flatten)]
    settings: SettingsOptions,
}

/// Everything that runs.
struct Running {
    identity: Identity,
    person_keys: PersonKeys,
    public: Handle,
    admin: Handle,
    shipping: Option<Shipping>,
    keys: Keys,
    metrics: Metrics,
    _folder: DataFolder,
}

/// Serves until SIGTERM or SIGINT, then finishes what has begun and ends.
///
/// # Errors
/// When something does not open; nothing is served then.
pub fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    let settings = options.settings.read()?;
    telemetry::start_logs(&settings.log).context("cannot read the log's filter")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From the first moment on, so that a stop during the start is a stop in order too.
    let told_to_stop = runtime.block_on(async { Signals::listen() })?;
    let mut running = runtime.block_on(start(&settings))?;
    running.shipping = Shipping::start(&settings, &running.keys, &running.metrics)?;
    let (stop, stopped) = watch::channel(false);
    let sweeping = running.identity.clone().run(stopped);
    runtime.block_on(async {
        let sweeper = tokio::task::LocalSet::new();
        let sweeping = sweeper.run_until(async move {
            let sweeping = tokio::task::spawn_local(sweeping);
            told_to_stop.wait().await;
            stop.send_replace(true);
            sweeping.await.context("the sweeper panicked")
        });
        sweeping.await
    })?;
    tracing::info!(code = "server/stopping", "finishing what has begun");
    running.stop();
    Ok(())
}

/// SIGTERM and SIGINT, which ask a server to stop.
struct Signals {
    terminated: Signal,
    interrupted: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let terminated = signal(SignalKind::terminate())?;
        Ok(Self { terminated, interrupted: signal(SignalKind::interrupt())? })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
        }
    }
}

async fn start(settings: &Settings) -> anyhow::Result<Running> {
    let clock = Clock::System;
    let metrics = Metrics::new();
    let folder = DataFolder::take(settings)?;
    folder.make_rooms()?;
    settings.warn();
    let engines = folder.engines(settings)?;
    engines.services.register(&metrics);
    let keys = key_file::open(&folder, &engines, &clock)?;
    let person_keys = PersonKeys::open(&engines.keys, keys.clone(), clock.clone())
        .context("cannot open the store of persons' keys")?;
    let cache = Cache::open(clock.clone(), &metrics, &settings.redis).context("cannot open the cache")?;
    let identity = Identity::open(identity::Opening {
        folder: folder.services(),
        origin: settings.origin(identity::SERVICE),
        keys: keys.clone(),
        person_keys: person_keys.clone(),
        clock: clock.clone(),
        config: settings.identity.clone(),
        ledger: settings.ledger.clone(),
        databases: engines.services,
        metrics: metrics.clone(),
    });
    let identity = identity.map_err(anyhow::Error::from_boxed).context("cannot open the identity service")?;
    first_start::ensure_administrator(&identity, &clock, &folder.first_password()).await?;

    let ledgers = Ledgers::new([identity.ledger().clone()]);
    let (routes, description) = api::public(&identity, &ledgers);
    let traffic = Traffic::new(&metrics);
    let edge = Edge::new(
        descriptors::fit(&settings.edge),
        clock.clone(),
        traffic.clone(),
        identity::identify(identity.clone()),
    );
    let admin_edge = Edge::new(settings.edge.clone(), clock, traffic, Identify::nobody());
    let routes = routes.merge(status::public_routes(ledgers, person_keys.clone(), cache, &description));
    let public = edge::serve(&settings.public, &edge, &routes, &identity::direct(identity.clone()))
        .with_context(|| format!("cannot serve {}", settings.public.address))?;
    let admin_routes = status::admin_routes(metrics.clone(), identity.clone());
    let admin = edge::serve(&settings.admin, &admin_edge, &admin_routes, &Direct::none())
        .with_context(|| format!("cannot serve {}", settings.admin.address))?;
    crate::tell(&format!("holdfast serves {} (operators: {})", public.address(), admin.address()));
    Ok(Running { identity, person_keys, public, admin, shipping: None, keys, metrics, _folder: folder })
}

impl Running {
    /// Ends in the order in which nothing is lost: no new requests, then those in flight, then the ledger.
    fn stop(self) {
        self.public.close();
        self.admin.close();
        self.public.stop();
        self.identity.ledger().stop();
        self.person_keys.stop();
        if let Some(shipping) = self.shipping {
            shipping.stop();
        }
        self.admin.stop();
    }
}
