//! The peer: pgbench inserting the two rows of a sign-in, a transaction each.

use std::fs;

use peers::Postgres;

/// A session and the challenge that was signed for it, as a sign-in writes them.
const SCRIPT: &str = "
BEGIN;
INSERT INTO used_challenges VALUES ((random() * 1e12)::bigint, uuid_send(gen_random_uuid()));
INSERT INTO sessions VALUES
    (uuid_send(gen_random_uuid()), uuid_send(gen_random_uuid()), (random() * 1e12)::bigint, 0, 2, FALSE);
COMMIT;
";

const TABLES: &str = "
CREATE TABLE sessions (
    person BYTEA NOT NULL, id BYTEA NOT NULL, expires_at BIGINT NOT NULL, epoch BIGINT NOT NULL,
    assurance BIGINT NOT NULL, device_bound BOOLEAN NOT NULL, PRIMARY KEY (person, id)
);
CREATE INDEX sessions_expired ON sessions (expires_at);
CREATE TABLE used_challenges (expires_at BIGINT NOT NULL, nonce BYTEA NOT NULL, PRIMARY KEY (expires_at, nonce));
";

const CLIENTS: u32 = 16;

/// Transactions a second.
pub(super) fn measure(server: &Postgres, database: &str, seconds: u64) -> anyhow::Result<f64> {
    server.create_database(database)?;
    server.query(database, TABLES)?;
    let folder = tempfile::tempdir()?;
    let script = folder.path().join("sign-in.sql");
    fs::write(&script, SCRIPT)?;
    server.pgbench(database, &script, CLIENTS, seconds)
}
