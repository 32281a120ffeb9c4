//! Whether settings can be used, and which of them do nothing: asked before anything is opened, by whoever starts and by
//! whoever only wants to know.
//!
//! **Nothing is connected to and nothing is written**: whether a database, a Redis or a bucket answers, and whether a port is
//! free, only a start can tell.

mod gateway;
mod unused;

use std::path::Path;

use ::gateway::connector;
use anyhow::{Context, ensure};
use clock::Clock;
use edge::{ClientsConfig, Front, FrontConfig, ListenConfig};
pub(crate) use gateway::check as gateway;
use telemetry::{LogConfig, Metrics, TracesConfig};

use crate::{front, gateways::Gateways, settings::Settings};

/// What only a start can tell, for people.
pub(crate) const ONLY_AT_START: &str = "only a start can tell whether ports are free, the key file opens, the queues \
    that [jobs.queues] names exist, and a database, a Redis or a bucket answers";

/// Checks the settings of a server, and tells in sentences which of them have no effect.
///
/// # Errors
/// When they cannot be used; it says which.
pub(crate) fn server(settings: &Settings) -> anyhow::Result<Vec<String>> {
    shared(&settings.log, &settings.traces)?;
    ports([("public", &settings.public), ("admin", &settings.admin)], &settings.clients)?;
    front_of(&front::config(settings))?;
    settings.waiting_rooms.check().context("cannot use the settings [waiting-rooms]")?;
    webhook::check(&settings.webhook, true).context("cannot use the settings [webhook]")?;
    Gateways::open(&settings.console)?;
    authority("redis", settings.redis.ca_file.as_deref())?;
    authority("postgres", settings.postgres.ca_file.as_deref())?;
    Ok(unused::of_a_server(settings))
}

/// Tells them that some settings have no effect.
pub(crate) fn warn(unused: &[String]) {
    for unused in unused {
        tracing::warn!(code = "server/settings-without-effect", "{unused}");
    }
}

fn shared(log: &LogConfig, traces: &TracesConfig) -> anyhow::Result<()> {
    log.check().context("cannot read the log's filter")?;
    traces.check().context("cannot use the settings [traces]")
}

fn ports<const PORTS: usize>(
    ports: [(&str, &ListenConfig); PORTS],
    clients: &ClientsConfig,
) -> anyhow::Result<()> {
    for (name, port) in ports {
        port.check().with_context(|| format!("cannot use the settings [{name}.tls]"))?;
        // Every connection would be closed unread.
        let heard = !port.proxy_protocol || name == "admin" || !clients.trusted_proxies.is_empty();
        ensure!(
            heard,
            "{name}.proxy-protocol is set and no proxy is trusted: name yours in clients.trusted-proxies"
        );
    }
    Ok(())
}

fn front_of(config: &FrontConfig) -> anyhow::Result<()> {
    Front::new(config, &Clock::System, &Metrics::new(), None, [0; 32])
        .map(drop)
        .context("cannot use the settings of the front")
}

fn authority(table: &str, ca_file: Option<&Path>) -> anyhow::Result<()> {
    let Some(ca_file) = ca_file else { return Ok(()) };
    connector(Some(ca_file)).map(drop).with_context(|| format!("cannot use {table}.ca-file"))
}
