//! How the PostgreSQL server is found and what may be asked of its patience.

use std::{fmt, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::breaker::BreakerConfig;

/// Which PostgreSQL server, and how long to wait for it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct PostgresConfig {
    /// The primary; several hosts are tried in order, and the one that can be written to is taken. Without
    /// one, databases are files. It is not shown, because it may hold a password.
    #[serde(skip_serializing)]
    pub url: Option<DatabaseUrl>,
    /// Servers that follow the primary and take reads off it. Not shown either.
    #[serde(skip_serializing)]
    pub replicas: Vec<DatabaseUrl>,
    /// How long a read waits for a replica to have what the primary has; then the primary is asked.
    pub replica_wait_ms_max: NonZeroU32,
    /// Rows in one part of a ledger's log of entries; parts that are there stay as they are.
    pub log_part_rows: NonZeroU32,
    /// The certificate authority that the server's certificate must be of; without one, connections are
    /// not encrypted, and a URL with `sslmode=require` is refused.
    pub ca_file: Option<PathBuf>,
    /// How long connecting may take.
    pub connect_ms_max: NonZeroU32,
    /// How long one statement may take.
    pub statement_ms_max: NonZeroU32,
    /// How long a batch waits for the batch of another node.
    pub lock_ms_max: NonZeroU32,
    /// How long a node that has begun a batch may be silent before the server takes its lock away.
    pub idle_in_transaction_ms_max: NonZeroU32,
    pub statements: PreparedStatements,
    pub breaker: BreakerConfig,
    /// While the breaker is open, about how often it is looked whether the server answers again: then a call may try before the
    /// breaker's own time.
    pub look_ms: NonZeroU32,
}

/// What becomes of a statement once it was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreparedStatements {
    /// The connection keeps it.
    #[default]
    Kept,
    /// It is forgotten, and every setting lasts one transaction: for poolers that give each transaction
    /// another connection (PgBouncer in transaction mode).
    Unnamed,
}

/// A URL with a password in it, which nothing shows.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(tokio_postgres::Config);

impl DatabaseUrl {
    pub(crate) fn config(&self) -> &tokio_postgres::Config {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("a database URL begins with postgres://".to_owned());
        }
        // The library's own message may hold parts of the text.
        text.parse().map(Self).map_err(|_| "this is not a PostgreSQL connection URL".to_owned())
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&self.0.get_hosts()).finish()
    }
}

impl PostgresConfig {
    pub(crate) fn replica_wait(&self) -> Duration {
        Duration::from_millis(self.replica_wait_ms_max.get().into())
    }
}

impl Default for PostgresConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            url: None,
            replicas: Vec::new(),
            replica_wait_ms_max: positive(20),
            log_part_rows: positive(1 << 24),
            ca_file: None,
            connect_ms_max: positive(3000),
            statement_ms_max: positive(3000),
            lock_ms_max: positive(3000),
            idle_in_transaction_ms_max: positive(2000),
            statements: PreparedStatements::Kept,
            breaker: BreakerConfig::default(),
            look_ms: positive(2000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let url: DatabaseUrl = "postgres://ada:s3cret@db.example/holdfast".parse().expect("it is a URL");
        assert!(!format!("{url:?}").contains("s3cret"));
        let error = "postgres://ada:s3cret@db.example:port/holdfast".parse::<DatabaseUrl>();
        assert!(!error.expect_err("no port").contains("s3cret"));
    }
}
