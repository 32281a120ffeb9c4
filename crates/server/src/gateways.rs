//! Gateways that stand before this node, as its console shows them: asked at their own operators' ports.

mod http;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::JoinSet;

pub(crate) use self::http::operator_routes;
use crate::remote::{Remote, Said};

/// How long a gateway may take to answer: the page shows the others all the same.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// What the console shows besides its own process.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConsoleConfig {
    /// The operators' ports of gateways, as in `http://127.0.0.1:9081`.
    pub gateways: Vec<GatewayUrl>,
}

/// Where the operators of a gateway ask it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct GatewayUrl(String);

/// A URL that no gateway can be asked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no gateway's operators' port: write http:// or https://, a host and a port, and no path")]
pub struct GatewayUrlError(String);

impl TryFrom<String> for GatewayUrl {
    type Error = GatewayUrlError;

    fn try_from(text: String) -> Result<Self, GatewayUrlError> {
        let url: Option<::http::Uri> = text.parse().ok();
        let sound = url.is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some() && url.path() == "/"
        });
        if sound { Ok(Self(text)) } else { Err(GatewayUrlError(text)) }
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end_matches('/'))
    }
}

/// A handle to them all.
#[derive(Clone)]
pub(crate) struct Gateways(Arc<[Neighbour]>);

struct Neighbour {
    url: String,
    way: Remote,
    /// What its pools and routes are called, as far as anybody has looked.
    names: Mutex<BTreeSet<String>>,
}

/// How a gateway stands, or why nobody knows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    away: Option<String>,
}

impl Gateways {
    pub(crate) fn open(config: &ConsoleConfig) -> anyhow::Result<Self> {
        let neighbour = |url: &GatewayUrl| {
            let url = url.to_string();
            let way =
                Remote::new(&url).with_context(|| format!("console.gateways: {}", console::shown(&url)))?;
            anyhow::Ok(Neighbour { url: console::shown(&url), way, names: Mutex::default() })
        };
        Ok(Self(config.gateways.iter().map(neighbour).collect::<anyhow::Result<_>>()?))
    }

    /// How all of them stand, in the order of the settings.
    async fn look(&self) -> Vec<Seen> {
        let mut asking = JoinSet::new();
        for number in 0..self.0.len() {
            let gateways = self.clone();
            asking.spawn(async move { (number, gateways.0[number].look().await) });
        }
        let mut seen = asking.join_all().await;
        seen.sort_by_key(|(number, _)| *number);
        seen.into_iter().map(|(_, seen)| seen).collect()
    }

    /// What the pools and routes of one of them were called when it was last looked at. Nothing if there is no such gateway.
    pub(crate) fn names(&self, number: usize) -> Option<MutexGuard<'_, BTreeSet<String>>> {
        self.0.get(number).map(Neighbour::names)
    }

    /// Moves the split of one gateway's route; what it answered. Nothing if there is no such gateway.
    async fn move_weights(&self, number: usize, route: &str, to: &Value) -> Option<anyhow::Result<Said>> {
        let gateway = self.0.get(number)?;
        let path = format!("/gateway/routes/{route}/weights");
        let body = to.to_string().into();
        Some(gateway.way.ask("PUT", &path, "application/json", body, ANSWER_MAX).await)
    }
}

impl Neighbour {
    fn names(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self) -> Seen {
        let asked = self.way.ask("GET", "/gateway", "", bytes::Bytes::new(), ANSWER_MAX).await;
        let state = asked.and_then(|said| said.ok("asking how it stands")?.json());
        let url = self.url.clone();
        match state {
            Ok(state) => {
                *self.names() = names(&state);
                Seen { url, state: Some(state), away: None }
            }
            Err(error) => Seen { url, state: None, away: Some(format!("{error:#}")) },
        }
    }
}

/// What a gateway calls its pools and routes.
fn names(state: &Value) -> BTreeSet<String> {
    let named = ["pools", "routes"].into_iter().filter_map(|list| state[list].as_array()).flatten();
    named.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_named_by_its_operators_port_alone() {
        let read = |text: &str| GatewayUrl::try_from(text.to_owned());
        for text in ["http://127.0.0.1:9081", "https://gateway.example.gov", "http://[::1]:9081/"] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["", "127.0.0.1:9081", "ftp://host", "http://", "http://host/gateway"] {
            assert_eq!(read(text), Err(GatewayUrlError(text.to_owned())), "{text}");
        }
    }
}
