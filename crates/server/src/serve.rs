//! `holdfast serve`: opens the folder of data and serves until told to stop.

use std::pin::Pin;

use anyhow::Context;
use cache::Cache;
use clap::Args;
use clock::Clock;
use console::Console;
use edge::{Edge, Front, Handle, Rooms, Traffic};
use http::request::Parts;
use overload::Overload;
use queue::Workers;
use telemetry::Metrics;
use tokio::sync::watch;
use webhook::Webhook;

use crate::{
    api,
    backup::Shipping,
    checks,
    data_folder::DataFolder,
    descriptors, first_start, front,
    gateways::{self, Gateways},
    hand_over::{self, ADMIN, HandOver, Inherited, PUBLIC, Passed, Successor},
    incidents, jobs, key_file,
    known::Known,
    ledgers::Ledgers,
    load,
    memory::{self, MemoryConfig, Relief},
    operations::Names,
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
    traffic: Traffic,
    rooms: Rooms,
    reload: Reload,
    hand_over: HandOver,
    cache: Cache,
    /// Are there other nodes to share blocks with?
    shares: bool,
    overload: Overload,
    webhook: Webhook,
    public: Handle,
    admin: Handle,
    workers: Vec<Workers>,
    shipping: Option<Shipping>,
}

/// Serves until SIGTERM or SIGINT, then finishes what has begun and ends.
///
/// # Errors
/// When something does not open; nothing is served then.
pub fn serve(options: &ServeOptions) -> anyhow::Result<()> {
    let mut inherited = Inherited::take()?;
    let program = hand_over::own_program()?;
    let mut settings = options.settings.read()?;
    settings.jobs.in_serve &= !options.no_work;
    let unused = checks::server(&settings)?;
    telemetry::start_logs(&settings.log).context("cannot read the log's filter")?;
    telemetry::start_traces(&settings.traces, "holdfast-serve", env!("CARGO_PKG_VERSION"), &settings.region)
        .context("cannot use the settings [traces]")?;
    checks::warn(&unused);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From the first moment on, so that a stop during the start is a stop in order too.
    let (mut told_to_stop, hangups) =
        runtime.block_on(async { anyhow::Ok((Signals::listen()?, Hangups::listen()?)) })?;
    let target = Shipping::target(&settings)?;
    inherited.replace_predecessor()?;
    let mut running = runtime.block_on(start(&settings, &options.settings, inherited))?;
    let Services { keys, metrics, .. } = &running.services;
    let shipping = target.map(|target| Shipping::start(&settings, target, keys, metrics));
    running.shipping = shipping.transpose()?;
    let also = running.beside(settings.memory, hangups);
    hand_over::announce_ready();
    let successor = {
        let passed_on = || running.passed_on();
        let over = hand_over::until_over(&mut told_to_stop, &running.hand_over, &program, passed_on);
        runtime.block_on(running.services.attend(over, also))?
    };
    tracing::info!(code = "server/stopping", "finishing what has begun");
    running.stop(successor.as_ref());
    Ok(())
}

async fn start(
    settings: &Settings,
    options: &SettingsOptions,
    mut inherited: Inherited,
) -> anyhow::Result<Running> {
    let clock = Clock::System;
    let metrics = Metrics::of_process(&settings.region, env!("CARGO_PKG_VERSION"));
    let folder = DataFolder::take(settings)?;
    folder.make_rooms()?;
    settings.warn();
    let engines = folder.engines(settings)?;
    let keys = key_file::open(&folder, &engines, &clock)?;
    let cache = Cache::open(clock.clone(), &metrics, &settings.redis).context("cannot open the cache")?;
    let services = Services::open(settings, folder, engines, keys, metrics, &cache)?;
    let identity = &services.identity;
    first_start::ensure_administrator(identity, &clock, &services.folder.first_password()).await?;
    let workers = if settings.jobs.in_serve {
        jobs::start(services.crews(), settings).await?
    } else {
        jobs::say_who_must(settings);
        Vec::new()
    };

    let ledgers = Ledgers::new([identity.ledger().clone(), services.elections.ledger().clone()], &cache);
    let overload = Overload::new(settings.edge.overload.clone());
    overload.register(&services.metrics);
    let traffic = Traffic::new(&services.metrics);
    let shared = (!settings.redis.urls.is_empty()).then(|| front::shared(&cache));
    let rooms = front::open_rooms(settings, &services.keys, &services.metrics, shared.clone())?;
    let (api, description) = api::public(&services, &ledgers, &overload, &rooms);
    let front = front::open(settings, &services.keys, &services.metrics, shared, &rooms)?;
    Known::heard(&mut inherited)?.go_on(&front, None, !settings.redis.urls.is_empty());
    let reload =
        Reload::new(options.clone(), settings.clone(), front.clone(), rooms.clone(), overload.clone())?;
    let edge = Edge::with_overload(
        descriptors::fit(&settings.edge),
        clock,
        traffic.clone(),
        identity::identify(identity.clone()),
        front.clone(),
        overload.clone(),
    );
    let api = edge::check_bodies(api, &serde_json::to_value(&description)?)?;
    let person_keys = services.person_keys.clone();
    let routes = api.clone().merge(status::public_routes(ledgers, person_keys, cache.clone(), &description));
    let routes = routes.merge(pages::routes(api.clone()));
    let direct = identity::direct(identity.clone());
    let public = edge::serve_on(inherited.of(PUBLIC), &settings.public, &edge, &routes, &direct)
        .with_context(|| format!("cannot serve {}", settings.public.address))?;
    let webhook = Webhook::open(&settings.webhook, &settings.name, Some(&services.keys), &services.metrics)?;
    let hand_over = HandOver::default();
    let parts = (front.clone(), hand_over.clone(), reload.clone(), overload.clone());
    let gateways = Gateways::open(&settings.console)?;
    let operators = operators(parts, rooms.clone(), webhook.clone(), gateways.clone());
    let names = Names { rooms: rooms.clone(), gateways };
    let operators = with_console(&services, reload.clone(), names, operators, api);
    let admin = services.serve_operators(inherited.of(ADMIN), settings, traffic.clone(), operators)?;
    crate::tell(&format!("holdfast serves {} (operators: {})", public.address(), admin.address()));
    Ok(Running {
        services,
        front,
        traffic,
        rooms,
        reload,
        hand_over,
        cache,
        shares: !settings.redis.urls.is_empty(),
        overload,
        webhook,
        public,
        admin,
        workers,
        shipping: None,
    })
}

/// What operators may ask of the parts of this process.
fn operators(
    (front, hand_over, reload, overload): (Front, HandOver, Reload, Overload),
    rooms: Rooms,
    webhook: Webhook,
    gateways: Gateways,
) -> front::OperatorRoutes {
    front::operator_routes(front, hand_over)
        .merge(front::reload_routes(reload))
        .merge(load::operator_routes(overload))
        .merge(front::room_routes(rooms))
        .merge(webhook::operator_routes(webhook))
        .merge(gateways::operator_routes(gateways))
}

/// The operators' routes, for programs as they are, and for people by the console.
fn with_console(
    services: &Services,
    reload: Reload,
    names: Names,
    operators: front::OperatorRoutes,
    api: front::OperatorRoutes,
) -> front::OperatorRoutes {
    let settings = Box::new(move || reload.shown());
    let said = Box::new(move |route: &str, parts: &Parts, body: &[u8]| names.said(route, parts, body));
    let console = Console::new(services.identity.clone(), services.metrics.clone(), settings, said);
    console::routes(&console, operators, api)
}

/// Keeps blocks alike at all nodes, if there are others.
async fn share_blocks(shares: Option<(Front, Cache, Metrics)>, stopped: watch::Receiver<bool>) {
    if let Some((front, cache, metrics)) = shares {
        front::share_blocks(front, cache, metrics, stopped).await;
    }
}

impl Running {
    /// What is looked after beside serving, until told to stop.
    fn beside(
        &self,
        memory: MemoryConfig,
        hangups: Hangups,
    ) -> impl FnOnce(watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = ()>>> + use<> {
        let Self { front, traffic, rooms, reload, cache, webhook, hand_over, .. } = self;
        let Services { identity, metrics, queues, .. } = &self.services;
        let (front, traffic, rooms, reload) = (front.clone(), traffic.clone(), rooms.clone(), reload.clone());
        let (cache, webhook, hand_over) = (cache.clone(), webhook.clone(), hand_over.clone());
        let (identity, metrics, queues) = (identity.clone(), metrics.clone(), queues.clone());
        let shares = self.shares.then(|| (front.clone(), cache.clone(), metrics.clone()));
        let relief = Relief { cache, overload: self.overload.clone(), incidents: front.incidents().clone() };
        move |stopped| {
            Box::pin(async move {
                tokio::join!(
                    front::tend(front.clone(), move || queues.waiting(), traffic, stopped.clone()),
                    front::look_after_rooms(rooms, stopped.clone()),
                    memory::watch(memory, relief, hand_over, stopped.clone()),
                    incidents::pass_on(front, identity, webhook.clone(), metrics, stopped.clone()),
                    webhook.run(stopped.clone()),
                    share_blocks(shares, stopped.clone()),
                    reload.on_signal(hangups, stopped),
                );
            })
        }
    }

    /// What a successor goes on with.
    fn passed_on(&self) -> std::io::Result<Passed> {
        let sockets = vec![(PUBLIC, self.public.sockets()?), (ADMIN, self.admin.sockets()?)];
        Ok(Passed { sockets, known: Known::of(&self.front, None).told()? })
    }

    /// Ends in the order in which nothing is lost: no new requests and jobs, then those in flight, then the
    /// ledger.
    fn stop(self, successor: Option<&Successor>) {
        if let Some(successor) = successor {
            successor.announce();
            self.public.succeeded();
            self.admin.succeeded();
        }
        self.public.close();
        self.admin.close();
        self.workers.iter().for_each(Workers::close);
        self.public.stop();
        self.workers.into_iter().for_each(Workers::stop);
        self.services.stop();
        if let Some(shipping) = self.shipping {
            shipping.stop();
        }
        self.admin.stop();
    }
}
