//! The front of the public port: looked after while it is served, and seen and changed by operators.

mod blocks;
mod http;
mod pressure;
mod rooms;

use std::time::Duration;

use anyhow::Context;
pub(crate) use blocks::share as share_blocks;
use cache::Cache;
use clock::Clock;
use edge::{Front, FrontConfig, Rooms, Traffic};
pub(crate) use http::{OperatorRoutes, operator_routes, reload_routes};
use limiter::{Ask, Shared, Told};
use pressure::Processors;
pub(crate) use rooms::{
    description as rooms_description, look_after as look_after_rooms, open as open_rooms,
    operator_routes as room_routes, routes as room_service_routes,
};
use seal::Keys;
use telemetry::Metrics;
use tokio::sync::watch;

use crate::settings::Settings;

/// How often limits are adapted to how busy the machine is.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// What the settings say of the front.
pub(crate) fn config(settings: &Settings) -> FrontConfig {
    FrontConfig {
        clients: settings.clients.clone(),
        networks: settings.networks.clone(),
        limits: settings.limits.clone(),
        attack: settings.attack.clone(),
        inspection: edge::InspectionConfig { private_on: private(), ..settings.inspection.clone() },
        headers: settings.headers.clone(),
        cors: settings.cors.clone(),
        signatures: settings.signatures.clone(),
    }
}

/// Where passwords have names that much else has elsewhere.
fn private() -> Vec<edge::PrivateConfig> {
    const PRIVATE: [(&str, &[&str]); 3] = [
        ("PUT /api/v1/persons/{id}/password", &["current", "new", "proof"]),
        ("DELETE /api/v1/persons/{id}", &["proof"]),
        ("POST /api/v1/persons/{id}/device-keys", &["proof"]),
    ];
    let private = PRIVATE.map(|(route, names)| edge::PrivateConfig {
        routes: vec![route.parse().expect("a test asks for each of them")],
        names: names.iter().map(|name| (*name).to_owned()).collect(),
    });
    private.into()
}

/// Where the nodes of a fleet count together.
pub(crate) fn shared(cache: &Cache) -> Shared {
    let cache = cache.clone();
    Shared::by(move |ask| {
        let cache = cache.clone();
        async move {
            let Ask { key, known, new, life } = ask;
            let done = cache.exchange(&key, known, new, life).await?;
            Some(Told { replaced: done.replaced, found: done.found, now_us: done.now_us })
        }
    })
}

/// The front of the public port, with people waiting in these rooms.
pub(crate) fn open(
    settings: &Settings,
    keys: &Keys,
    metrics: &Metrics,
    shared: Option<Shared>,
    rooms: &Rooms,
) -> anyhow::Result<Front> {
    let key = *keys.derive("front", b"").as_bytes();
    let front = Front::new(&config(settings), &Clock::System, metrics, shared, key)
        .context("cannot use the settings of the front")?;
    front.wait_in(rooms.clone());
    Ok(front)
}

/// Of the operators' port: whoever can reach it is never kept out.
pub(crate) fn wide_open() -> FrontConfig {
    FrontConfig {
        limits: edge::LimitsConfig { rules: Vec::new(), ..edge::LimitsConfig::default() },
        attack: edge::AttackConfig { mode: edge::AttackMode::Off, ..edge::AttackConfig::default() },
        inspection: edge::InspectionConfig {
            mode: edge::InspectionMode::Off,
            ..edge::InspectionConfig::default()
        },
        // Being there is all that is asked for, and a browser on an operator's desk is there too.
        cors: edge::Cors::refusing_all(),
        ..FrontConfig::default()
    }
}

/// Looks after the front until told to stop.
pub(crate) async fn tend(
    front: Front,
    jobs_waiting: impl Fn() -> u64,
    traffic: Traffic,
    mut stop: watch::Receiver<bool>,
) {
    let mut processors = Processors::look();
    while !*stop.borrow() {
        drop(tokio::time::timeout(TEND_EVERY, stop.wait_for(|stop| *stop)).await);
        front.tend(processors.busy(), jobs_waiting(), traffic.requests());
    }
}
