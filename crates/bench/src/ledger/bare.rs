//! The peer: a bare loop on SQLite that writes the same rows and indexes, with the same syncs.

use std::time::Duration;

use clock::Clock;
use rusqlite::{Connection, params};

use super::{notes::BODY_BYTES, rate, stopwatch};

const SQL: &str = "
    CREATE TABLE notes (id BLOB PRIMARY KEY, owner BLOB NOT NULL, body BLOB NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX notes_by_owner ON notes (owner);
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY, at INTEGER NOT NULL, command TEXT NOT NULL, actor TEXT NOT NULL, subject BLOB,
        salt BLOB NOT NULL, body BLOB NOT NULL, erasable BLOB, effect BLOB NOT NULL
    );
    CREATE INDEX entries_about ON entries (subject, number) WHERE subject IS NOT NULL;
    CREATE TABLE idempotency (
        day INTEGER NOT NULL, key BLOB NOT NULL, body BLOB NOT NULL, entry INTEGER NOT NULL,
        done BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (day, key)
    ) WITHOUT ROWID;
";

/// The body of an entry about a note: two identifiers and a commitment, as JSON.
const ENTRY_BODY_BYTES: usize = 170;

/// Commands a second, `batch` of them with each sync.
pub(super) fn measure(batch: u64, time: Duration) -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let connection = Connection::open(folder.path().join("bare.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
    connection.pragma_update(None, "cache_size", -64 * 1024)?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.execute_batch(SQL)?;
    let mut note = connection.prepare("INSERT INTO notes VALUES (?1, ?2, ?3, ?4)")?;
    let mut entry = connection.prepare("INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
    let mut answered = connection.prepare("INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
    let clock = Clock::System;
    let body = [7_u8; BODY_BYTES + 48];
    let entry_body = [b'x'; ENTRY_BODY_BYTES];
    let stopwatch = stopwatch();
    let mut commands = 0_u64;
    while stopwatch.elapsed() < time {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..batch.max(1) {
            let at = i64::try_from(clock.now().millis())?;
            let id = clock.id::<()>().to_bytes();
            let owner: [u8; 16] = clock.random();
            let key: [u8; 32] = clock.random();
            note.execute(params![id, owner, body, at])?;
            let number = i64::try_from(commands)?;
            let salt = [1_u8; 16];
            entry.execute(params![
                number,
                at,
                "bench/write-note",
                "service/bench",
                owner,
                salt,
                entry_body,
                &body[..220],
                key
            ])?;
            answered.execute(params![at / 86_400_000, &key[..16], &key[..16], number, b"null", at])?;
            commands += 1;
        }
        connection.execute_batch("COMMIT")?;
    }
    Ok(rate(commands, &stopwatch))
}
