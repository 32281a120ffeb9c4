//! The log: one line an event on standard error, as JSON for machines or plain for people.

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How the log is written.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogConfig {
    pub format: LogFormat,
    /// What is logged, as `tracing` directives: `info`, or `info,ledger=debug`.
    pub filter: String,
}

/// For whom the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    Json,
    Text,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Json, filter: "info".to_owned() }
    }
}

impl LogConfig {
    /// Can the filter be read?
    ///
    /// # Errors
    /// When it cannot; the message says where.
    pub fn check(&self) -> Result<(), tracing_subscriber::filter::ParseError> {
        EnvFilter::try_new(&self.filter).map(drop)
    }
}

/// Starts logging for the whole process. A second call changes nothing, so tests may all call it.
///
/// # Errors
/// When the filter cannot be read; the message says where.
pub fn start_logs(config: &LogConfig) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::try_new(&config.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
    drop(started);
    Ok(())
}
