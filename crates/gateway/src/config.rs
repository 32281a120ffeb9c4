//! Pools, their upstreams, and the routes that lead to them: all that can be changed while requests pass.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize};
use store::BreakerConfig;

use crate::{Balance, CanaryConfig, EjectionConfig, HealthConfig, RetryConfig, UpstreamTlsConfig};

/// Where requests go.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TableConfig {
    /// Where this gateway stands: upstreams of the same region come first.
    pub region: String,
    /// Another proxy stands before this one, and what it says in `X-Forwarded-Proto`, `-Host`, `-Port` and `-Prefix` is true; of
    /// the first two the last, if there are several.
    pub trusts_forwarded: bool,
    pub pools: BTreeMap<String, PoolConfig>,
    pub routes: Vec<RouteConfig>,
}

/// Servers that can take each other's requests.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PoolConfig {
    pub upstreams: Vec<UpstreamConfig>,
    pub protocol: Protocol,
    /// They are spoken to in TLS.
    pub tls: Option<UpstreamTlsConfig>,
    pub balance: Balance,
    /// What stays together, when requests are balanced by hash.
    pub hash_by: HashBy,
    pub health: HealthConfig,
    pub ejection: EjectionConfig,
    pub breaker: BreakerConfig,
    pub times: TimesConfig,
    pub retries: RetryConfig,
    pub connections: ConnectionsConfig,
}

/// What the servers of a pool are spoken to in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Protocol {
    #[default]
    #[serde(rename = "1.1")]
    Http11,
    /// With prior knowledge where there is no TLS; needed by gRPC.
    #[serde(rename = "2")]
    Http2,
}

impl Protocol {
    /// What it is called in TLS (RFC 7301).
    pub(crate) const fn alpn(self) -> &'static [u8] {
        match self {
            Self::Http11 => b"http/1.1",
            Self::Http2 => b"h2",
        }
    }
}

/// One server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpstreamConfig {
    /// A host or an address, and a port.
    pub address: String,
    #[serde(default = "one")]
    pub weight: u32,
    #[serde(default)]
    pub region: String,
}

const fn one() -> u32 {
    1
}

/// What requests have in common that go to the same upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashBy {
    /// The address that they come from.
    #[default]
    Address,
    /// A header field, by its name; the address where it is absent.
    Header(String),
    /// A cookie, by its name; the address where it is absent.
    Cookie(String),
}

/// How long is waited for an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TimesConfig {
    pub connect_ms_max: NonZeroU32,
    /// From the last byte of the request that could be sent to the first of the answer.
    pub first_byte_ms_max: NonZeroU32,
    /// Between two bytes of an answer's body.
    pub body_idle_ms_max: NonZeroU32,
    /// While nothing moves in either direction after a change of protocol.
    pub tunnel_idle_ms_max: NonZeroU32,
}

impl Default for TimesConfig {
    fn default() -> Self {
        Self {
            connect_ms_max: positive(5_000),
            first_byte_ms_max: positive(30_000),
            body_idle_ms_max: positive(60_000),
            tunnel_idle_ms_max: positive(3_600_000),
        }
    }
}

/// Connections that are kept for the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectionsConfig {
    /// Idle ones that each thread keeps to each upstream; nought closes every connection after its answer. In HTTP/2, where
    /// requests share them, those that it opens at all, and one at least.
    pub idle_max: u32,
    /// Keep it shorter than the upstream does, so that nobody is sent over one that is just being closed.
    pub idle_ms_max: NonZeroU32,
}

impl Default for ConnectionsConfig {
    fn default() -> Self {
        Self { idle_max: 128, idle_ms_max: positive(30_000) }
    }
}

/// Requests of some hosts and paths, and where they go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouteConfig {
    /// Names it in metrics and for operators.
    pub name: String,
    /// `example.gov`, `*.example.gov`, or `*` for any.
    #[serde(default = "any_host")]
    pub hosts: Vec<String>,
    /// The path and all below it.
    #[serde(default = "any_path")]
    pub path: String,
    /// Pools and their shares of the requests.
    pub pools: BTreeMap<String, u32>,
    #[serde(default)]
    pub canary: Option<CanaryConfig>,
    /// Keep answers that say they may be kept (RFC 9111).
    #[serde(default)]
    pub cache: bool,
    /// Keep what is in flight at what the pools can do, and serve the best first when more comes (`[edge.overload]`).
    /// Not for routes whose answers wait for something to happen.
    #[serde(default)]
    pub overload: bool,
    /// Compress what is worth it for callers who take it.
    #[serde(default)]
    pub compress: bool,
    /// Answers get the fields of the gateway's `[headers]` that they lack, and do not say what serves them.
    #[serde(default)]
    pub complete: bool,
    /// Cookies go over TLS only where callers do, and to scripts and other sites only where they say so.
    #[serde(default)]
    pub strict_cookies: bool,
}

fn any_host() -> Vec<String> {
    vec!["*".to_owned()]
}

fn any_path() -> String {
    "/".to_owned()
}

impl PartialEq for PoolConfig {
    fn eq(&self, other: &Self) -> bool {
        let breaker = |config: &Self| {
            let BreakerConfig { failed_percent, calls_min, reset_ms } = config.breaker;
            (failed_percent, calls_min, reset_ms)
        };
        let rest = |config: &Self| {
            (
                config.protocol,
                config.balance,
                config.ejection,
                config.times,
                config.retries,
                config.connections,
            )
        };
        breaker(self) == breaker(other)
            && rest(self) == rest(other)
            && (&self.upstreams, &self.tls, &self.hash_by, &self.health)
                == (&other.upstreams, &other.tls, &other.hash_by, &other.health)
    }
}

/// A time in milliseconds as a duration.
pub(crate) fn millis(time: NonZeroU32) -> Duration {
    Duration::from_millis(time.get().into())
}

const fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a positive constant")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_written_in_words() {
        let text = r#"
            region = "north"
            [pools.api]
            upstreams = [{ address = "10.0.1.1:3000" }, { address = "10.0.1.2:3000", weight = 3, region = "south" }]
            balance = "peak-ewma"
            hash-by = { cookie = "seat" }
            health = { path = "/health", interval-ms = 500 }
            retries = { attempts-max = 3, hedge-after-ms = 50 }
            [[routes]]
            name = "api"
            hosts = ["api.example.gov"]
            pools = { api = 1 }
            canary = { pool = "api", percent = 5 }
        "#;
        let table: TableConfig = toml::from_str(text).expect("these are its words");
        let pool = &table.pools["api"];
        assert_eq!((pool.upstreams[0].weight, pool.upstreams[1].weight), (1, 3));
        assert_eq!(pool.hash_by, HashBy::Cookie("seat".to_owned()));
        assert_eq!(pool.retries.budget_percent, 20, "what is left out is as by default");
        assert_eq!(table.routes[0].path, "/");
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in ["[pools.a]\nservers = []", "[[routes]]\nname = \"a\"\npools = {}\nport = 1", "x = 1"] {
            assert!(toml::from_str::<TableConfig>(text).is_err(), "{text}");
        }
    }
}
