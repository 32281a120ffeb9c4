//! Whom the drill is against.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use rustls::ClientConfig;

use crate::dial;

/// Where a deployment's public port is.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// As in the URL, for the field `Host`.
    pub host: String,
    /// The name alone, which a certificate must be for.
    pub name: String,
    /// How it is believed to be itself, if it is encrypted.
    pub trust: Option<Arc<ClientConfig>>,
}

impl Target {
    /// Reads a URL, `http://` or `https://`, without a path; `ca_file` has authorities to believe besides the system's.
    ///
    /// # Errors
    /// When it is none, or its name leads nowhere.
    pub fn read(url: &str, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let (encrypted, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => bail!("{url} is no URL that begins with http:// or https://"),
        };
        let host = rest.trim_end_matches('/');
        ensure!(!host.is_empty() && !host.contains('/'), "write the URL without a path: {url}");
        let port = if encrypted { 443 } else { 80 };
        let named = if has_port(host) { host.to_owned() } else { format!("{host}:{port}") };
        let address = named.to_socket_addrs().with_context(|| format!("cannot find {host}"))?.next();
        let address = address.with_context(|| format!("{host} has no address"))?;
        let name = named.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']).to_owned();
        Ok(Self {
            address,
            host: host.to_owned(),
            name,
            trust: encrypted.then(|| dial::trust(ca_file)).transpose()?,
        })
    }

    /// A port on this machine, unencrypted.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { address, host: address.to_string(), name: address.ip().to_string(), trust: None }
    }

    /// As it was given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http{}://{}", if self.trust.is_some() { "s" } else { "" }, self.host)
    }
}

fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(before, port)| {
        (before.starts_with('[') == before.ends_with(']'))
            && !port.ends_with(']')
            && port.parse::<u16>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_whether_it_is_encrypted() {
        for (url, host, name, port, encrypted) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.1", 8080, false),
            ("https://127.0.0.1/", "127.0.0.1", "127.0.0.1", 443, true),
            ("http://[::1]", "[::1]", "::1", 80, false),
            ("http://[::1]:81", "[::1]:81", "::1", 81, false),
        ] {
            let target = Target::read(url, None).expect(url);
            assert_eq!((target.host.as_str(), target.name.as_str()), (host, name));
            assert_eq!((target.address.port(), target.trust.is_some()), (port, encrypted));
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for url in ["", "localhost:80", "ftp://localhost", "http://", "http://localhost/path"] {
            assert!(Target::read(url, None).is_err(), "{url}");
        }
    }
}
