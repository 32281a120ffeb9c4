//! SQLite: how it is opened, and the few statements that a table needs.

use std::{cell::RefCell, num::NonZeroU32, path::Path, rc::Rc, time::Duration};

use hashbrown::HashMap;
use rusqlite::{Connection, OpenFlags, Statement, ToSql, types::ToSqlOutput, types::ValueRef};
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, CellRef, Corrupt},
    error::StoreError,
    row::{Row, Table},
    vfs::{self, Disk},
};

/// How the embedded database is kept.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqliteConfig {
    /// Memory for database pages, for each connection that reads.
    pub page_cache_mib: NonZeroU32,
    /// The same for the connection that writes. A commit that sorted pages anew looks through all of them (`pcache1TruncateUnsafe`: the
    /// number that pages are swapped by lies behind the last page), so more is not better.
    pub write_cache_mib: NonZeroU32,
    /// Pages of 4 KiB that the write-ahead log may reach before it is folded into the database.
    pub log_pages_max: NonZeroU32,
    /// How long a connection waits for another that holds the file.
    pub busy_timeout_ms: NonZeroU32,
    pub commits: Commits,
    /// What the files lie on; anything but the real disk is for tests and drills.
    pub disk: Disk,
}

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commits {
    /// The disk: what was answered outlives a power cut.
    #[default]
    Synced,
    /// Nothing: an answer promises nothing. For scratch databases, and for the tests that prove they would
    /// notice.
    Unsynced,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            page_cache_mib: positive(64),
            write_cache_mib: positive(16),
            log_pages_max: positive(8192),
            busy_timeout_ms: positive(5000),
            commits: Commits::Synced,
            disk: Disk::Real,
        }
    }
}

/// The statements of one table, written out once.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) select: String,
    /// Adds a row, and fails if one is there already.
    pub(crate) insert: String,
    /// Puts a row, new or in the place of the old one.
    pub(crate) put: String,
    pub(crate) delete: String,
}

thread_local! {
    /// Statements of the tables that this thread has asked, by table.
    static WRITTEN: RefCell<HashMap<&'static str, Rc<Statements>>> = RefCell::default();
}

impl Statements {
    /// A table's statements, written out once a thread.
    pub(crate) fn kept(table: &'static Table) -> Rc<Self> {
        WRITTEN.with_borrow_mut(|written| {
            Rc::clone(written.entry(table.name).or_insert_with(|| Rc::new(Self::of(table))))
        })
    }

    pub(crate) fn of(table: &Table) -> Self {
        let names = table.names();
        let all = names.join(", ");
        let places: Vec<_> = (1..=names.len()).map(|place| format!("?{place}")).collect();
        let keys = names.iter().take(table.key_columns).zip(&places);
        let found: Vec<_> = keys.map(|(key, place)| format!("{key} = {place}")).collect();
        let found = found.join(" AND ");
        let insert = format!("INSERT INTO {} ({all}) VALUES ({})", table.name, places.join(", "));
        Self {
            select: format!("SELECT {all} FROM {} WHERE {found}", table.name),
            put: format!("{insert} {}", table.on_conflict()),
            insert,
            delete: format!("DELETE FROM {} WHERE {found}", table.name),
        }
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Boolean(truth) => ValueRef::Integer((*truth).into()),
            Cell::Integer(number) => ValueRef::Integer(*number),
            Cell::Text(text) => ValueRef::Text(text.as_bytes()),
            Cell::Bytes(bytes) => ValueRef::Blob(bytes),
            Cell::Short(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Opens the one connection that writes.
pub(crate) fn open_writer(path: &Path, config: &SqliteConfig) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, config.write_cache_mib, config)?;
    let synchronous = match config.commits {
        Commits::Synced => "FULL",
        Commits::Unsynced => "OFF",
    };
    let prepare = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", synchronous)?;
        connection.pragma_update(None, "wal_autocheckpoint", config.log_pages_max.get())?;
        // What is erased is overwritten, not only unlinked.
        connection.pragma_update(None, "secure_delete", "ON")?;
        Ok(())
    };
    prepare().map_err(|source| describe(path, source))?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path, config: &SqliteConfig) -> Result<Connection, StoreError> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, config.page_cache_mib, config)
}

fn open(
    path: &Path,
    flags: OpenFlags,
    cache_mib: NonZeroU32,
    config: &SqliteConfig,
) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = vfs::open(path, flags, &config.disk).map_err(|source| describe(path, source))?;
    connection.set_prepared_statement_cache_capacity(256);
    connection.busy_timeout(Duration::from_millis(config.busy_timeout_ms.get().into()))?;
    let prepare = || -> rusqlite::Result<()> {
        connection.pragma_update(None, "cache_size", -i64::from(cache_mib.get()) * 1024)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "foreign_keys", false)
    };
    prepare().map_err(|source| describe(path, source))?;
    Ok(connection)
}

/// Tells a damaged file from one that cannot be opened.
fn describe(path: &Path, source: rusqlite::Error) -> StoreError {
    let error = StoreError::from(source).of(path);
    let StoreError::Sqlite(source) = error else { return error };
    StoreError::Open { path: path.to_owned(), source }
}

/// Runs a statement that answers no rows.
pub(crate) fn run(statement: &mut Statement<'_>, cells: &[Cell<'_>]) -> Result<usize, StoreError> {
    for (place, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, cell)?;
    }
    Ok(statement.raw_execute()?)
}

/// The one row that a statement finds.
pub(crate) fn select_row<R: Row>(
    connection: &Connection,
    sql: &str,
    cells: &[Cell<'_>],
) -> Result<Option<R>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    select_row_with(&mut statement, cells)
}

/// The one row that a statement finds, for those who ask it again and again.
pub(crate) fn select_row_with<R: Row>(
    statement: &mut Statement<'_>,
    cells: &[Cell<'_>],
) -> Result<Option<R>, StoreError> {
    for (place, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, cell)?;
    }
    let mut rows = statement.raw_query();
    rows.next()?.map(read_row).transpose()
}

/// Every row that a statement finds.
pub(crate) fn select_rows<R: Row>(
    connection: &Connection,
    sql: &str,
    cells: &[Cell<'_>],
) -> Result<Vec<R>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    for (place, cell) in cells.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, cell)?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_row(row)?);
    }
    Ok(found)
}

fn read_row<R: Row>(row: &rusqlite::Row<'_>) -> Result<R, StoreError> {
    R::from_cells(&mut |place| row.get_ref(place).map_or(CellRef::Null, cell_ref))
        .map_err(|source: Corrupt| StoreError::Corrupt { table: R::TABLE.name, source })
}

/// A stored value as a cell. Text that is not UTF-8 and numbers with a point are told apart from all that
/// we ever store by being no column's value.
pub(crate) fn cell_ref(value: ValueRef<'_>) -> CellRef<'_> {
    match value {
        ValueRef::Integer(number) => CellRef::Integer(number),
        ValueRef::Text(text) => std::str::from_utf8(text).map_or(CellRef::Bytes(text), CellRef::Text),
        ValueRef::Blob(bytes) => CellRef::Bytes(bytes),
        ValueRef::Null | ValueRef::Real(_) => CellRef::Null,
    }
}
