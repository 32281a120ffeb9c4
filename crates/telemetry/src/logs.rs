//! The log: one line an event on standard error, as JSON for machines or plain for people.

use serde::{Deserialize, Serialize};
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// What holds unless the filter says otherwise: a library that has a line for whatever strangers do wrong would fill the log,
/// and hold up who serves them.
const UNLESS_SAID: &str = "h2=error";

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
        self.read().map(drop)
    }

    fn read(&self) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
        EnvFilter::try_new(format!("{UNLESS_SAID},{}", self.filter))
    }
}

/// Starts logging for the whole process. A second call changes nothing, so tests may all call it.
///
/// # Errors
/// When the filter cannot be read; the message says where.
pub fn start_logs(config: &LogConfig) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = config.read()?;
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_writer(std::io::stderr);
    let started = match config.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
    drop(started);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(filter: &str) -> String {
        let config = LogConfig { filter: filter.to_owned(), ..LogConfig::default() };
        config.read().expect("it can be read").to_string()
    }

    #[test]
    fn what_strangers_do_is_not_logged_by_libraries_unless_that_is_asked_for() {
        assert_eq!(read("info"), "h2=error,info");
        assert_eq!(read("h2=debug"), "h2=debug");
        assert!(LogConfig { filter: "ledger=loud".to_owned(), ..LogConfig::default() }.check().is_err());
    }
}
