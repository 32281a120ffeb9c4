//! The operators' console: a page on the operators' port that shows how a process is while one looks at it.
//!
//! It shows what Prometheus would be told, second by second (`sample.rs`, `http/live.rs`). What operators change
//! passes through here too: only for those who may, and recorded in the ledger before it is done (`http/operate.rs`).

mod http;
mod sample;

use std::sync::Arc;

use identity::Identity;
use telemetry::Metrics;

pub use self::http::routes;
use self::sample::Sampler;

/// What the console shows of a process.
#[derive(Debug, Clone)]
pub struct Console(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    identity: Identity,
    sampler: Sampler,
    /// The settings as they were read, as a file, without what is secret.
    settings: String,
}

impl Console {
    /// Of a process with these metrics and settings.
    #[must_use]
    pub fn new(identity: Identity, metrics: Metrics, settings: String) -> Self {
        Self(Arc::new(Shown { identity, sampler: Sampler::new(metrics), settings }))
    }
}
