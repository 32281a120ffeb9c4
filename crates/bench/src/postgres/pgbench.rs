//! The peer: pgbench inserting the two rows of a sign-in, a transaction each.

use std::fs;

use peers::Postgres;

use super::sql;

const CLIENTS: u32 = 16;

/// Transactions a second.
pub(super) fn measure(server: &Postgres, database: &str, seconds: u64) -> anyhow::Result<f64> {
    server.create_database(database)?;
    server.query(database, sql::TABLES)?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("sign-in.sql");
    fs::write(&script, sql::SIGN_IN)?;
    server.pgbench(database, &script, CLIENTS, seconds)
}
