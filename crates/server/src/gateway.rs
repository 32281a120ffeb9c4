//! `holdfast gateway`: passes requests on to other servers, and changes where to without closing a connection.

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use cache::{Cache, RedisConfig};
use clap::Args;
use clock::Clock;
use edge::{
    AttackConfig, ClientsConfig, Cors, Direct, Edge, EdgeConfig, Front, FrontConfig, Handle, Headers,
    Identify, InspectionConfig, LimitsConfig, ListenConfig, NetworksConfig, Rooms, RoomsConfig, TlsConfig,
    Traffic,
};
use gateway::{CacheConfig, Gateway, PoolConfig, RouteConfig, TableConfig, Terms, operator_routes};
use overload::Overload;
use seal::Keys;
use serde::Deserialize;
use telemetry::{LogConfig, Metrics, TracesConfig};
use tokio::sync::watch;
use webhook::{Webhook, WebhookConfig};

use crate::{
    checks, descriptors, front,
    hand_over::{self, ADMIN, HandOver, Inherited, PUBLIC, Passed},
    incidents,
    known::Known,
    load,
    reload::Hangups,
    signals::Signals,
    status,
};

/// The settings file of a gateway: TOML. Ports, `edge`, `log`, `traces`, `redis`, `keys`, `body-bytes-max` and `cache` are read at the start; all else can be
/// changed while it runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GatewaySettings {
    pub public: ListenConfig,
    pub admin: ListenConfig,
    /// Names by which the operators' port is asked, beside its addresses and `localhost`.
    pub admin_names: Vec<String>,
    pub edge: EdgeConfig,
    pub log: LogConfig,
    pub traces: TracesConfig,
    pub clients: ClientsConfig,
    pub networks: NetworksConfig,
    /// None by default: what a service allows its callers, the service knows.
    pub limits: LimitsConfig,
    /// Off by default, for the same reason. Its passes hold at this process alone, unless it has keys.
    pub attack: AttackConfig,
    /// Off by default too: what is an attack on a service, the service knows.
    pub inspection: InspectionConfig,
    /// Of the gateway's own answers, and of routes that are to be completed.
    pub headers: Headers,
    /// By default whoever is behind decides about other sites' pages.
    pub cors: Cors,
    /// People wait here for what is behind.
    pub waiting_rooms: RoomsConfig,
    /// What gateways share: limits, blocks and waiting rooms.
    pub redis: RedisConfig,
    /// Whom to tell of floods and attacks; of this gateway they hear under the name `gateway`, and its region if it has one.
    pub webhook: WebhookConfig,
    /// A file of keys, made if there is none: with it passes and places hold over restarts, and at all gateways that have
    /// the same.
    pub keys: Option<PathBuf>,
    /// Bytes of a request's body that are passed on. They stream through, so that this bounds no memory.
    pub body_bytes_max: NonZeroU64,
    pub cache: CacheConfig,
    pub region: String,
    pub trusts_forwarded: bool,
    pub pools: std::collections::BTreeMap<String, PoolConfig>,
    pub routes: Vec<RouteConfig>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        let admin = ListenConfig {
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            threads: std::num::NonZeroUsize::new(1),
            ..ListenConfig::default()
        };
        // A tunnel may last for hours, and who goes on with the port does not need this process to end.
        let public = ListenConfig {
            handed_over_ms_max: std::num::NonZeroU32::new(60 * 60 * 1000),
            ..ListenConfig::default()
        };
        Self {
            public,
            admin,
            admin_names: Vec::new(),
            edge: EdgeConfig::default(),
            log: LogConfig::default(),
            traces: TracesConfig::default(),
            clients: ClientsConfig::default(),
            networks: NetworksConfig::default(),
            limits: front::wide_open().limits,
            attack: front::wide_open().attack,
            inspection: front::wide_open().inspection,
            headers: Headers::default(),
            cors: Cors::allowing_all(),
            waiting_rooms: RoomsConfig::default(),
            redis: RedisConfig::default(),
            webhook: WebhookConfig::default(),
            keys: None,
            body_bytes_max: NonZeroU64::new(1 << 30).expect("a positive constant"),
            cache: CacheConfig::default(),
            region: String::new(),
            trusts_forwarded: false,
            pools: std::collections::BTreeMap::new(),
            routes: Vec::new(),
        }
    }
}

impl GatewaySettings {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("cannot read the settings {}", path.display()))?;
        let refused = |error| anyhow::anyhow!(console::refused(&text, &error));
        toml::from_str(&text)
            .map_err(refused)
            .with_context(|| format!("cannot use the settings {}", path.display()))
    }

    pub(crate) fn front(&self) -> FrontConfig {
        FrontConfig {
            clients: self.clients.clone(),
            networks: self.networks.clone(),
            limits: self.limits.clone(),
            attack: self.attack.clone(),
            inspection: self.inspection.clone(),
            headers: self.headers.clone(),
            cors: self.cors.clone(),
            // Whoever is behind knows who may ask.
            signatures: edge::SignaturesConfig::default(),
        }
    }

    pub(crate) fn check_rooms(&self) -> anyhow::Result<()> {
        self.waiting_rooms.check().context("cannot use the settings [waiting-rooms]")?;
        let kept = self.keys.is_some() || self.waiting_rooms.rooms.is_empty();
        ensure!(kept, "waiting rooms need `keys`: without them a restart would take everybody's place");
        Ok(())
    }

    /// What does not change while it runs.
    pub(crate) fn terms(&self) -> Terms {
        Terms {
            is_encrypted: !matches!(self.public.tls, TlsConfig::Off),
            body_bytes_max: self.body_bytes_max,
            cache: self.cache,
        }
    }

    pub(crate) fn table(&self) -> TableConfig {
        TableConfig {
            region: self.region.clone(),
            trusts_forwarded: self.trusts_forwarded,
            pools: self.pools.clone(),
            routes: self.routes.clone(),
        }
    }
}

/// Where the settings are.
#[derive(Debug, Clone, Args)]
pub struct GatewayOptions {
    /// A file of settings (TOML), with pools and routes.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The public address, such as 0.0.0.0:8080; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// The operators' address.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    /// Only say whether the settings can be used.
    #[arg(long)]
    check: bool,
}

/// Passes requests on until SIGTERM or SIGINT; SIGHUP reads the settings anew.
///
/// # Errors
/// When the settings cannot be used, or a port does not open.
pub fn gateway(options: &GatewayOptions) -> anyhow::Result<()> {
    let mut inherited = Inherited::take()?;
    let program = hand_over::own_program()?;
    let mut settings = GatewaySettings::read(&options.config)?;
    settings.public.address = options.listen.unwrap_or(settings.public.address);
    settings.admin.address = options.admin_listen.unwrap_or(settings.admin.address);
    let unused = checks::gateway(&settings)?;
    if options.check {
        unused.iter().for_each(|unused| crate::tell(&format!("holdfast: {unused}")));
        return Ok(());
    }
    let gateway =
        Gateway::new(settings.table(), settings.terms(), Clock::System).context("cannot use the settings")?;
    telemetry::start_logs(&settings.log).context("cannot read the log's filter")?;
    telemetry::start_traces(
        &settings.traces,
        "holdfast-gateway",
        env!("CARGO_PKG_VERSION"),
        &settings.region,
    )
    .context("cannot use the settings [traces]")?;
    checks::warn(&unused);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From the first moment on: a process that nobody has told of SIGHUP is ended by it.
    let (mut told_to_stop, told_to_reload) =
        runtime.block_on(async { anyhow::Ok((Signals::listen()?, Hangups::listen()?)) })?;
    let metrics = Metrics::of_process(&settings.region, env!("CARGO_PKG_VERSION"));
    let source = open(gateway.clone(), &settings, options.config.clone(), &metrics)?;
    let front = source.front.clone();
    Known::heard(&mut inherited)?.go_on(&front, Some(&gateway), source.shared.is_some());
    let traffic = Traffic::new(&metrics);
    let hand_over = HandOver::default();
    let (public, admin) =
        serve(&settings, &source, metrics.clone(), &traffic, &mut inherited, hand_over.clone())?;
    crate::tell(&format!("holdfast passes on from {} (operators: {})", public.address(), admin.address()));
    inherited.join_predecessor()?;
    hand_over::announce_ready();
    let passed_on = || {
        let sockets = vec![(PUBLIC, public.sockets()?), (ADMIN, admin.sockets()?)];
        Ok(Passed { sockets, known: Known::of(&front, Some(&gateway)).told()? })
    };
    let over = hand_over::until_over(&mut told_to_stop, &hand_over, &program, passed_on);
    let successor = runtime.block_on(attend(source, traffic, metrics, over, told_to_reload))?;
    tracing::info!(code = "server/stopping", "finishing what has begun");
    if let Some(successor) = &successor {
        successor.announce();
        public.succeeded();
        admin.succeeded();
    }
    public.close();
    admin.close();
    let ending = async {
        tokio::select! {
            ended = tokio::task::spawn_blocking(|| (public.stop(), admin.stop())) => ended.map(drop),
            // Whoever handed over may have connections open for long: a second word ends them.
            () = told_to_stop.until_stop() => Ok(()),
        }
    };
    let ended = runtime.block_on(ending);
    runtime.shutdown_background();
    ended.context("whoever ends the ports panicked")
}

/// What is read anew, and from where.
#[derive(Debug, Clone)]
struct Source {
    gateway: Gateway,
    front: Front,
    overload: Overload,
    rooms: Rooms,
    /// Where gateways share what they know, if they do.
    shared: Option<Cache>,
    webhook: Webhook,
    path: PathBuf,
}

/// The front and its waiting rooms, beside what passes requests on.
fn open(
    gateway: Gateway,
    settings: &GatewaySettings,
    path: PathBuf,
    metrics: &Metrics,
) -> anyhow::Result<Source> {
    let clock = Clock::System;
    let keys = settings.keys.as_ref().map(|keys| Keys::open(keys, &clock));
    let keys = keys.transpose().context("cannot open the key file")?;
    let key = |purpose| match &keys {
        Some(keys) => *keys.derive(purpose, b"").as_bytes(),
        None => clock.random(),
    };
    let cache = (!settings.redis.urls.is_empty()).then(|| {
        Cache::open(clock.clone(), metrics, &settings.redis).context("cannot use the settings [redis]")
    });
    let cache = cache.transpose()?;
    let shared = cache.as_ref().map(front::shared);
    let front = Front::new(&settings.front(), &clock, metrics, shared.clone(), key("front"))
        .context("cannot use the settings")?;
    settings.check_rooms()?;
    let rooms = Rooms::new(&settings.waiting_rooms, key("edge waiting room"), &clock, metrics, shared)
        .context("cannot use the settings [waiting-rooms]")?;
    front.wait_in(rooms.clone());
    let overload = Overload::new(settings.edge.overload.clone());
    let source = format!("gateway/{}", settings.region);
    let webhook = Webhook::open(&settings.webhook, source.trim_end_matches('/'), keys.as_ref(), metrics)?;
    Ok(Source { gateway, front, overload, rooms, shared: cache, webhook, path })
}

impl Source {
    fn read_again(&self) -> anyhow::Result<()> {
        let settings = GatewaySettings::read(&self.path)?;
        // Tried first: of two halves of which one is refused, the other must not be in force.
        checks::warn(&checks::gateway(&settings).context("cannot use the new settings")?);
        self.gateway.change(settings.table()).context("cannot use the new settings")?;
        self.front.set(&settings.front()).context("cannot use the new settings")?;
        self.rooms.set(&settings.waiting_rooms).context("cannot use the settings [waiting-rooms]")?;
        self.overload.set(settings.edge.overload);
        tracing::info!(code = "gateway/reloaded", "the settings were read anew");
        Ok(())
    }
}

fn serve(
    settings: &GatewaySettings,
    source: &Source,
    metrics: Metrics,
    traffic: &Traffic,
    inherited: &mut Inherited,
    hand_over: HandOver,
) -> anyhow::Result<(Handle, Handle)> {
    let Source { gateway, front, overload, rooms, webhook, .. } = source;
    gateway.register(&metrics);
    overload.register(&metrics);
    let limits = descriptors::fit(&settings.edge);
    let edge = Edge::with_overload(
        limits.clone(),
        Clock::System,
        traffic.clone(),
        Identify::nobody(),
        front.clone(),
        overload.clone(),
    );
    let sockets = inherited.of(PUBLIC);
    let public =
        edge::serve_forwarding(sockets, &settings.public, &edge, &gateway.forward(), &Direct::none())
            .with_context(|| format!("cannot serve {}", settings.public.address))?;
    // Nothing of this front is worth counting: it lets everybody through.
    let open = Front::new(&front::wide_open(), &Clock::System, &Metrics::new(), None, [0; 32])?;
    let edge = Edge::new(limits, Clock::System, traffic.clone(), Identify::nobody(), open);
    let held = source.clone();
    let reload = Arc::new(move || held.read_again().map_err(|error| format!("{error:#}")));
    let routes = operator_routes(gateway.clone(), reload).merge(status::plain_admin_routes(metrics));
    let routes = routes
        .merge(front::operator_routes(front.clone(), hand_over))
        .merge(load::operator_routes(overload.clone()));
    let routes =
        routes.merge(front::room_routes(rooms.clone())).merge(webhook::operator_routes(webhook.clone()));
    let routes = console::under(&settings.admin_names, routes);
    let admin = edge::serve_on(inherited.of(ADMIN), &settings.admin, &edge, &routes, &Direct::none())
        .with_context(|| format!("cannot serve {}", settings.admin.address))?;
    Ok((public, admin))
}

/// Attends to the upstreams, and reads the settings anew when told to, until told to stop.
async fn attend<T>(
    source: Source,
    traffic: Traffic,
    metrics: Metrics,
    over: impl Future<Output = T>,
    mut hangups: Hangups,
) -> anyhow::Result<T> {
    let (stop, stopped) = watch::channel(false);
    let attending = tokio::spawn(source.gateway.clone().attend(stopped.clone()));
    let tending = tokio::spawn(front::tend(source.front.clone(), || 0, traffic, stopped.clone()));
    let letting_in = tokio::spawn(front::look_after_rooms(source.rooms.clone(), stopped.clone()));
    let telling =
        tokio::spawn(incidents::tell(source.front.clone(), source.webhook.clone(), stopped.clone()));
    let sending = tokio::spawn(source.webhook.clone().run(stopped.clone()));
    let sharing = source
        .shared
        .clone()
        .map(|cache| tokio::spawn(front::share_blocks(source.front.clone(), cache, metrics, stopped)));
    let mut over = std::pin::pin!(over);
    let said = loop {
        tokio::select! {
            said = &mut over => break said,
            () = hangups.heard() => if let Err(error) = source.read_again() {
                let error = format!("{error:#}");
                tracing::error!(code = "gateway/bad-settings", error, "the new settings cannot be used; the old ones stay");
            },
        }
    };
    stop.send_replace(true);
    tending.await.context("whoever tends the front panicked")?;
    letting_in.await.context("whoever looks after the waiting rooms panicked")?;
    if let Some(sharing) = sharing {
        sharing.await.context("whoever shares blocks panicked")?;
    }
    telling.await.context("whoever passes on what happens panicked")?;
    sending.await.context("whoever sends to the webhook panicked")?;
    attending.await.context("whoever attends to the upstreams panicked")?;
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_and_routes_stand_beside_ports_and_limits() {
        let text = "region = \"north\"\nbody-bytes-max = 5\n[public]\naddress = \"0.0.0.0:8443\"\n\
                    [edge]\nidle-ms-max = 5000\n[pools.a]\nupstreams = [{ address = \"a:1\" }]\n\
                    [[routes]]\nname = \"all\"\npools = { a = 1 }";
        let settings: GatewaySettings = toml::from_str(text).expect("these are its words");
        assert_eq!(settings.table().region, "north");
        assert_eq!((settings.table().pools.len(), settings.table().routes.len()), (1, 1));
        assert!(toml::from_str::<GatewaySettings>("[pool]").is_err());
    }
}
