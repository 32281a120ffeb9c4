//! The operators' console: a page on the operators' port that shows how a process is while one looks at it.
//!
//! It shows what Prometheus would be told, second by second (`sample.rs`, `http/live.rs`). What operators change
//! passes through here too, from programs as well: only for those who may, and recorded in the ledger before it is done
//! (`http/operate.rs`).

mod http;
mod sample;
mod shown;

use std::{fmt, sync::Arc};

use ::http::request::Parts;
use identity::Identity;
use serde_json::Value;
use telemetry::Metrics;
use tokio::sync::Semaphore;

use self::sample::Sampler;
pub use self::{
    http::{routes, under},
    shown::{origin, refused, show, shown},
};

/// What the console shows of a process.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shown>);

struct Shown {
    identity: Identity,
    sampler: Sampler,
    settings: Box<Settings>,
    said: Box<Said>,
    /// Of those who follow it.
    seats: Arc<Semaphore>,
}

/// Consoles that may be open to one process: what has changed is worked out for each.
const FOLLOWERS_MAX: usize = 50;

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").finish_non_exhaustive()
    }
}

/// Tells the settings as they were last read, as a file, without what is secret.
pub type Settings = dyn Fn() -> String + Send + Sync;

/// What is recorded of a change of this route beside its method: nothing that names anybody, and nothing that is secret.
pub type Said = dyn Fn(&str, &Parts, &[u8]) -> Option<Value> + Send + Sync;

impl Console {
    /// Of a process with these metrics and settings, of whose changes `said` tells what is recorded.
    #[must_use]
    pub fn new(identity: Identity, metrics: Metrics, settings: Box<Settings>, said: Box<Said>) -> Self {
        Self(Arc::new(Shown {
            identity,
            sampler: Sampler::new(metrics),
            settings,
            said,
            seats: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        }))
    }
}
