//! Where events are sent, and how hard it is tried.

use std::{fmt, net::IpAddr, num::NonZeroU32, path::PathBuf, str::FromStr};

use ::http::Uri;
use serde::{Deserialize, Deserializer, de};

/// The operators' webhook; without a URL there is none.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct WebhookConfig {
    pub url: Option<WebhookUrl>,
    /// By this messages name the key that they are signed with.
    pub key_id: String,
    /// A private key of Ed25519 (PKCS #8, PEM); one of the deployment's own if absent.
    pub key_file: Option<PathBuf>,
    /// Who is trusted to vouch for its host (PEM); whom the system trusts if absent.
    pub ca_file: Option<PathBuf>,
    /// Events that wait; the newest are dropped when there is no room.
    pub queue_max: NonZeroU32,
    /// From the beginning of a connection to the answer, in milliseconds.
    pub answer_ms_max: NonZeroU32,
    /// How often a message is sent before its events are given up.
    pub attempts_max: NonZeroU32,
    /// How long is waited after the first failure; twice as long after each further, in milliseconds.
    pub retry_ms_min: NonZeroU32,
    pub retry_ms_max: NonZeroU32,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            url: None,
            key_id: "holdfast".to_owned(),
            key_file: None,
            ca_file: None,
            queue_max: positive(1024),
            answer_ms_max: positive(5000),
            attempts_max: positive(10),
            retry_ms_min: positive(1000),
            retry_ms_max: positive(60_000),
        }
    }
}

/// A place to send to: over TLS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

/// A URL that nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no place for a webhook: use https, or http to this machine")]
pub struct WebhookUrlError(String);

impl WebhookUrl {
    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    pub(crate) fn host(&self) -> &str {
        // Every URL was checked to have one.
        self.0.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    pub(crate) fn authority(&self) -> &str {
        self.0.authority().map_or("", |authority| authority.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.0.query()
    }
}

impl FromStr for WebhookUrl {
    type Err = WebhookUrlError;

    fn from_str(text: &str) -> Result<Self, WebhookUrlError> {
        let wrong = || WebhookUrlError(text.to_owned());
        let url = Self(text.parse().map_err(|_| wrong())?);
        let local =
            || url.host() == "localhost" || url.host().parse().is_ok_and(|host: IpAddr| host.is_loopback());
        let fit = match url.0.scheme_str() {
            Some("https") => true,
            Some("http") => local(),
            Some(_) | None => false,
        };
        // A name and password there would be written into logs.
        let plain = !url.authority().contains('@') && !url.host().is_empty();
        if fit && plain { Ok(url) } else { Err(wrong()) }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_leave_this_machine_encrypted_only() {
        for (text, fit) in [
            ("https://ops.example.gov/hooks?x=1", true),
            ("http://127.0.0.1:9000/", true),
            ("http://[::1]:9000/", true),
            ("http://localhost/", true),
            ("http://ops.example.gov/", false),
            ("https://ada:s3cret@ops.example.gov/", false),
            ("ftp://127.0.0.1/", false),
            ("/hooks", false),
        ] {
            assert_eq!(text.parse::<WebhookUrl>().is_ok(), fit, "{text}");
        }
    }
}
