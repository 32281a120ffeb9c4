//! Where Redis is, and how patient we are with it.

use std::{fmt, num::NonZeroU32, path::PathBuf, time::Duration};

use serde::Deserialize;
use store::BreakerConfig;

/// The shared memory of a fleet. Without a URL there is none, and each node goes on alone.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedisConfig {
    /// `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS. One for a single server; some
    /// of its nodes for a cluster; the sentinels, where there is a `master`.
    pub urls: Vec<RedisUrl>,
    /// Are they nodes of a cluster?
    pub cluster: bool,
    /// The name by which sentinels know the servers. User, password and TLS of the servers are those of the
    /// first URL then, and the sentinels' too.
    pub master: Option<String>,
    /// Certificates (PEM) that those of the servers must descend from; without it, those the system trusts.
    pub ca_file: Option<PathBuf>,
    /// What every key begins with, so that deployments can share a server.
    pub prefix: String,
    /// Longer than this nobody waits for an answer.
    pub timeout_ms: NonZeroU32,
    /// Longer than this no connection is waited for; nobody waits meanwhile.
    pub connect_timeout_ms: NonZeroU32,
    /// Operations under way at once; above it nobody asks.
    pub operations_max: NonZeroU32,
    /// When the node goes on alone, and after how long it tries to come back.
    pub breaker: BreakerConfig,
}

impl Default for RedisConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            urls: Vec::new(),
            cluster: false,
            master: None,
            ca_file: None,
            prefix: "holdfast".to_owned(),
            timeout_ms: positive(30),
            connect_timeout_ms: positive(1000),
            operations_max: positive(4096),
            breaker: BreakerConfig {
                failed_percent: positive(50),
                calls_min: positive(5),
                reset_ms: positive(250),
            },
        }
    }
}

impl RedisConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.get().into())
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms.get().into())
    }

    pub(crate) fn reset(&self) -> Duration {
        Duration::from_millis(self.breaker.reset_ms.get().into())
    }
}

/// A URL whose password is never written out.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct RedisUrl(redis::ConnectionInfo);

/// Why something is no URL of a Redis; it does not repeat it, because of the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Redis URL is redis://host:port, or rediss://host:port for TLS")]
pub struct RedisUrlError;

impl TryFrom<String> for RedisUrl {
    type Error = RedisUrlError;

    fn try_from(url: String) -> Result<Self, RedisUrlError> {
        // Whether its certificate is checked is not a setting.
        let honest = !url.contains('#');
        let info = redis::IntoConnectionInfo::into_connection_info(url).map_err(|_| RedisUrlError)?;
        honest.then_some(Self(info)).ok_or(RedisUrlError)
    }
}

impl RedisUrl {
    pub(crate) const fn info(&self) -> &redis::ConnectionInfo {
        &self.0
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.addr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<RedisUrl, RedisUrlError> {
        RedisUrl::try_from(text.to_owned())
    }

    #[test]
    fn a_password_is_never_written_out() {
        let url = url("rediss://ada:kelp@cache.example:6380").expect("a URL");
        assert!(!format!("{url:?}").contains("kelp"), "{url:?}");
    }

    #[test]
    fn a_certificate_is_always_checked() {
        assert!(url("rediss://cache.example:6380/#insecure").is_err());
    }

    #[test]
    fn other_schemes_are_refused() {
        assert!(url("https://cache.example").is_err());
    }
}
