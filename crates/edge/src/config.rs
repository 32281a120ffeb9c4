//! How large, how many and how long: every limit of a port, with the defaults the drill is run with.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use overload::OverloadConfig;
use serde::Deserialize;

use crate::{TlsConfig, TlsError};

/// Where to listen and how to end: one per port.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ListenConfig {
    /// The address and port. Port 0 asks the system for a free one; see [`crate::Handle::address`].
    pub address: SocketAddr,
    /// Threads that serve the port, each with its own listener; as many as there are cores if absent.
    pub threads: Option<NonZeroUsize>,
    /// Connections the kernel keeps for each listener until they are accepted.
    pub backlog_max: NonZeroU32,
    /// How long a stop waits for requests in flight before it cuts them off, in milliseconds.
    pub drain_ms_max: NonZeroU32,
    /// The same where another process goes on with the port, and what is still open here may stay open; as long as
    /// `drain_ms_max` if absent, in milliseconds.
    pub handed_over_ms_max: Option<NonZeroU32>,
    pub tls: TlsConfig,
    /// Every connection begins with a header of the PROXY protocol, and comes from a trusted proxy; others are
    /// closed.
    pub proxy_protocol: bool,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            threads: None,
            backlog_max: nonzero(4096),
            drain_ms_max: nonzero(20_000),
            handed_over_ms_max: None,
            tls: TlsConfig::Off,
            proxy_protocol: false,
        }
    }
}

impl ListenConfig {
    /// Can its port speak as it says, with the certificate and the key that it names?
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(&self) -> Result<(), TlsError> {
        self.tls.acceptor().map(drop)
    }
}

/// What one caller, and all of them together, may take of a port.
///
/// Times are kept with a precision of a quarter of the shortest of them, at best 10 ms and at worst 1 s:
/// no timer runs for each request.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EdgeConfig {
    /// Bytes of a request's body, declared or counted (413).
    pub body_bytes_max: NonZeroU32,
    /// Bytes of all bodies together that are arriving and have not been read yet (503).
    pub bodies_bytes_max: NonZeroU32,
    /// Bytes of a request's line and header section together (431).
    pub header_bytes_max: NonZeroU32,
    /// Fields of a request's header section (431). Above 100 each request costs an allocation more.
    pub header_fields_max: NonZeroU32,
    /// From the first byte of a request to the end of its header section, in milliseconds (408).
    pub header_read_ms_max: NonZeroU32,
    /// From the end of the header section to the end of the body, in milliseconds (408).
    pub body_read_ms_max: NonZeroU32,
    /// From the end of the header section to the beginning of the answer, in milliseconds (503). A
    /// body's time is part of it, so it must be the longer of the two.
    pub answer_ms_max: NonZeroU32,
    /// How long a caller may leave our answer unread before the connection is cut, in milliseconds. Less than 16 KiB read of
    /// what waits is nothing. Over HTTP/2, whoever took much before has longer, up to five minutes: two seconds for each KiB.
    pub write_stall_ms_max: NonZeroU32,
    /// How long a connection may stay open between requests, in milliseconds.
    pub idle_ms_max: NonZeroU32,
    /// How long a TLS handshake may take, in milliseconds.
    pub handshake_ms_max: NonZeroU32,
    /// Connections at once, over all threads of all ports that share one [`crate::Edge`] (503).
    pub connections_max: NonZeroU32,
    /// Connections at once from one address (of IPv6, one network of 64 bits); more are closed unread.
    pub address_connections_max: NonZeroU32,
    /// What is done when more comes than can be served.
    pub overload: OverloadConfig,
    /// HTTP/2 streams at once on one connection (RFC 9113, section 5.1.2).
    pub streams_max: NonZeroU32,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: nonzero(1 << 20),
            bodies_bytes_max: nonzero(256 << 20),
            header_bytes_max: nonzero(16 << 10),
            header_fields_max: nonzero(100),
            header_read_ms_max: nonzero(10_000),
            body_read_ms_max: nonzero(20_000),
            answer_ms_max: nonzero(30_000),
            write_stall_ms_max: nonzero(30_000),
            idle_ms_max: nonzero(75_000),
            handshake_ms_max: nonzero(10_000),
            connections_max: nonzero(50_000),
            address_connections_max: nonzero(4096),
            overload: OverloadConfig::default(),
            streams_max: nonzero(128),
        }
    }
}

impl EdgeConfig {
    /// All but what can be replaced while a port is served ([`overload::Overload::set`]).
    #[must_use]
    pub fn without_overload(&self) -> Self {
        Self { overload: OverloadConfig::default(), ..self.clone() }
    }

    /// How often connections are looked over for the limits above.
    pub(crate) fn sweep_every(&self) -> Duration {
        let times = [self.header_read_ms_max, self.write_stall_ms_max, self.idle_ms_max];
        let shortest = times.into_iter().min().map_or(1, NonZeroU32::get);
        Duration::from_millis(u64::from((shortest / 4).clamp(10, 1000)))
    }
}

/// A limit in milliseconds as a duration.
pub(crate) fn millis(limit: NonZeroU32) -> Duration {
    Duration::from_millis(u64::from(limit.get()))
}

/// A limit as a size of something in memory.
pub(crate) fn size(limit: NonZeroU32) -> usize {
    usize::try_from(limit.get()).unwrap_or(usize::MAX)
}

const fn nonzero(limit: u32) -> NonZeroU32 {
    NonZeroU32::new(limit).expect("the defaults are not zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_name_any_limit_and_leave_out_the_rest() {
        let config: EdgeConfig = serde_json::from_str(r#"{"body-bytes-max": 10}"#).expect("the limit exists");
        assert_eq!(config.body_bytes_max.get(), 10);
        assert_eq!(config.idle_ms_max, EdgeConfig::default().idle_ms_max);
    }

    #[test]
    fn an_unknown_limit_or_one_of_zero_is_refused() {
        for text in [r#"{"bodybytes": 10}"#, r#"{"body-bytes-max": 0}"#] {
            assert!(serde_json::from_str::<EdgeConfig>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_is_configured_in_words() {
        let text =
            r#"{"address": "[::1]:0", "tls": {"mode": "files", "certificate": "c.pem", "key": "k.pem"}}"#;
        let config: ListenConfig = serde_json::from_str(text).expect("these are its words");
        assert!(matches!(config.tls, TlsConfig::Files { .. }));
    }
}
