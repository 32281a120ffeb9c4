//! The waiting rooms of the public port: opened with the deployment's key, and looked after.

mod http;

use std::time::Duration;

use anyhow::Context;
use clock::Clock;
use edge::Rooms;
pub(crate) use http::{description, operator_routes, routes};
use limiter::Shared;
use seal::Keys;
use telemetry::Metrics;
use tokio::sync::watch;

use crate::settings::Settings;

/// How often people are let in.
const TEND_EVERY: Duration = Duration::from_millis(200);

/// The rooms as the settings have them. All nodes of a fleet have the same keys, and so know each other's places.
pub(crate) fn open(
    settings: &Settings,
    keys: &Keys,
    metrics: &Metrics,
    shared: Option<Shared>,
) -> anyhow::Result<Rooms> {
    let key = keys.derive("edge waiting room", b"");
    Rooms::new(&settings.waiting_rooms, *key.as_bytes(), &Clock::System, metrics, shared)
        .context("cannot use the settings [waiting-rooms]")
}

/// Lets people in until told to stop.
pub(crate) async fn look_after(rooms: Rooms, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        rooms.tend().await;
        drop(tokio::time::timeout(TEND_EVERY, stop.wait_for(|stop| *stop)).await);
    }
}
