//! Migrations on PostgreSQL: the same texts, applied once each by whichever node comes first.

use sha2::{Digest, Sha256};

use super::{
    parts::{in_parts, make_room_inside},
    request::Request,
    session::{Kind, Session},
    values::cell_ref,
};
use crate::{
    cell::{Cell, CellRef},
    error::StoreError,
    migrate::{Landmarks, Migration, Schema},
    row::Table,
};

/// Applies what has not been applied, in one transaction that other nodes wait for.
pub(crate) fn apply(session: &Session, schema: &Schema) -> Result<(), StoreError> {
    // Not in the transaction: the lock of the schema is taken by its name alone.
    session.execute_all(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", session.schema()))?;
    session.begin(Kind::Batch);
    let applied = apply_inside(session, schema);
    match applied {
        Ok(()) => session.commit(&[]),
        Err(error) => {
            session.end();
            Err(error)
        }
    }
}

fn apply_inside(session: &Session, schema: &Schema) -> Result<(), StoreError> {
    session.ask(&[])?;
    session.execute_all(
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, digest BYTEA NOT NULL)",
    )?;
    let known = applied(session, schema.migrations())?;
    for migration in schema.migrations() {
        let digest = Sha256::digest(migration.sql).to_vec();
        match known.iter().find(|(name, _)| name == migration.name) {
            Some((_, applied)) if *applied == digest => {}
            Some(_) => return Err(StoreError::MigrationChanged { name: migration.name.to_owned() }),
            None => {
                session.execute_all(&text(migration.sql, schema.landmarks())).map_err(|source| {
                    StoreError::MigrationRefused { name: migration.name, source: Box::new(source) }
                })?;
                let values = [Cell::Text(migration.name.into()), Cell::Bytes(digest.into())];
                session
                    .ask(&[Request::new("INSERT INTO migrations (name, digest) VALUES ($1, $2)", &values)])?;
            }
        }
    }
    if let Some(log) = schema.landmarks() {
        make_room_inside(session, log, 0)?;
    }
    schema.tables().iter().try_for_each(|table| check_table(session, table))
}

/// Checks a database that may not be changed.
pub(crate) fn check(session: &Session, schema: &Schema) -> Result<(), StoreError> {
    session.begin(Kind::LongSnapshot);
    let checked = applied(session, schema.migrations())
        .and_then(|_| schema.tables().iter().try_for_each(|table| check_table(session, table)));
    session.end();
    checked
}

/// Names and digests of what has been applied, none of them from a newer program.
fn applied(session: &Session, migrations: &[Migration]) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let answers = session.ask(&[Request::new("SELECT name, digest FROM migrations ORDER BY name", &[])])?;
    let mut known = Vec::new();
    for row in answers.iter().flat_map(|answer| &answer.rows) {
        if let (CellRef::Text(name), CellRef::Bytes(digest)) = (cell_ref(row, 0), cell_ref(row, 1)) {
            if !migrations.iter().any(|migration| migration.name == name) {
                return Err(StoreError::MigrationUnknown { name: name.to_owned() });
            }
            known.push((name.to_owned(), digest.to_vec()));
        }
    }
    Ok(known)
}

/// The same statements as PostgreSQL must have them: text is sorted by its bytes, as everywhere else, and a log
/// is kept in parts.
fn text(sql: &str, log: Option<Landmarks>) -> String {
    let sorted = sql.replace(" TEXT", " TEXT COLLATE \"C\"");
    log.map_or(sorted.clone(), |log| in_parts(&sorted, log))
}

const COLUMNS: &str = "SELECT a.attname, upper(format_type(a.atttypid, a.atttypmod)), \
    COALESCE(a.attnum = ANY(i.indkey), false) \
    FROM pg_attribute a LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary \
    WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

fn check_table(session: &Session, table: &'static Table) -> Result<(), StoreError> {
    let qualified = format!("\"{}\".\"{}\"", session.schema(), table.name);
    let answers = session.ask(&[Request::new(COLUMNS, &[Cell::Text(qualified.into())])])?;
    let columns = answers.iter().flat_map(|answer| &answer.rows).map(|row| {
        let word = |place| match cell_ref(row, place) {
            CellRef::Text(word) => word.to_owned(),
            CellRef::Null | CellRef::Integer(_) | CellRef::Bytes(_) => String::new(),
        };
        let key = if cell_ref(row, 2) == CellRef::Integer(1) { " key" } else { "" };
        format!("{} {}{key}", word(0), word(1))
    });
    table.check_found(&columns.collect::<Vec<_>>().join(", "))
}
