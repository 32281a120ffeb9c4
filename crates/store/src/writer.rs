//! The one connection that writes, and the batch it makes durable with one sync.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::{
    error::StoreError,
    keys::Keys,
    migrate::Schema,
    reader::{ReaderConfig, Readers},
    row::Row,
    snapshot::Snapshot,
    sqlite::{self, SqliteConfig},
    tx::{Changes, Effect, Tx, Working},
    vfs,
};

/// An open database: the writer for the one thread that owns it, and readers for all others.
#[derive(Debug)]
pub struct Store {
    pub writer: Writer,
    pub readers: Readers,
}

/// The only way to change the database. Whoever holds it decides the order of everything.
#[derive(Debug)]
pub struct Writer {
    path: PathBuf,
    connection: Connection,
    working: Working,
}

/// Commands that become durable together, or not at all.
#[derive(Debug)]
pub struct Batch<'w> {
    connection: Option<&'w Connection>,
    working: &'w mut Working,
    committed: bool,
}

/// A batch of nothing but memory, for property tests and simulations: same rules, no engine.
#[derive(Debug, Default)]
pub struct Memory(Working);

impl Store {
    /// Opens the database at `path`, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, is damaged, or belongs to another version of the program.
    pub fn open(
        path: &Path,
        schema: &Schema,
        sqlite: &SqliteConfig,
        readers: &ReaderConfig,
    ) -> Result<Self, StoreError> {
        let mut connection = sqlite::open_writer(path, sqlite)?;
        schema.apply(&mut connection).map_err(|error| error.of(path))?;
        let readers = Readers::start(path, sqlite, readers)?;
        Ok(Self {
            writer: Writer { path: path.to_owned(), connection, working: Working::default() },
            readers,
        })
    }
}

impl Writer {
    /// Opens a database that must be there already and must not change: to look at it.
    ///
    /// # Errors
    /// When it is not there, is damaged, or belongs to another version of the program.
    pub fn open_to_read(path: &Path, schema: &Schema, sqlite: &SqliteConfig) -> Result<Self, StoreError> {
        let connection = sqlite::open_reader(path, sqlite)?;
        schema.check(&connection).map_err(|error| error.of(path))?;
        Ok(Self { path: path.to_owned(), connection, working: Working::default() })
    }

    /// Begins a batch.
    ///
    /// # Errors
    /// When the engine refuses, as it does on a disk that has become read-only.
    pub fn begin(&mut self) -> Result<Batch<'_>, StoreError> {
        self.working.clear();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
        Ok(Batch { connection: Some(&self.connection), working: &mut self.working, committed: false })
    }

    /// Reads what is committed, between batches.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        Snapshot::take(&self.connection, read).map_err(|error| error.of(&self.path))
    }

    /// Folds the write-ahead log into the database and empties it, as a clean stop does.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn fold_log(&self) -> Result<(), StoreError> {
        let folded = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        folded.map_err(|error| StoreError::from(error).of(&self.path))
    }

    /// Looks at every page and index of the database: slow, and thorough.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first finding.
    pub fn check_integrity(&self) -> Result<(), StoreError> {
        // SQLite tells of a page that cannot be read by its number alone: what was found on it is taken from
        // below, and what was found before is not about this.
        drop(vfs::take_damage());
        let checked = self.connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        let found: String = checked.map_err(|error| StoreError::from(error).of(&self.path))?;
        if found == "ok" {
            return Ok(());
        }
        Err(vfs::take_damage().unwrap_or_else(|| StoreError::Damaged { path: self.path.clone(), found }))
    }
}

impl Batch<'_> {
    /// Where commands name the rows they will read.
    pub fn keys(&mut self) -> Keys<'_> {
        Keys(self.working)
    }

    /// Loads every row that was named.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn load(&mut self) -> Result<(), StoreError> {
        self.connection.map_or(Ok(()), |connection| self.working.load_wanted(connection))
    }

    /// The rows as the next command sees them.
    pub fn tx(&mut self) -> Tx<'_> {
        Tx::new(self.working, self.connection)
    }

    /// Makes what the last command changed part of the batch.
    pub fn keep(&mut self) -> Effect {
        self.working.keep()
    }

    /// Forgets what the last command changed.
    pub fn discard(&mut self) {
        self.working.discard();
    }

    /// Writes a row that nothing in this batch will read: a log's next line.
    pub fn append<R: Row>(&mut self, row: R) {
        self.working.set::<R>().append(row);
    }

    /// Runs one statement that changes rows by something other than their key, `$1` standing for values.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn execute(&mut self, sql: &str, values: &[crate::Cell<'_>]) -> Result<usize, StoreError> {
        let Some(connection) = self.connection else { return Ok(0) };
        let mut statement = connection.prepare_cached(&sql.replace('$', "?"))?;
        sqlite::run(&mut statement, values)
    }

    /// Sends all changed rows to the engine, without making them durable yet. Returns how many.
    ///
    /// # Errors
    /// When the engine fails; the batch is then lost as a whole.
    pub fn flush(&mut self) -> Result<u64, StoreError> {
        self.connection.map_or(Ok(0), |connection| self.working.flush(connection))
    }

    /// Makes everything that was flushed durable: when this returns, it has been synced.
    ///
    /// # Errors
    /// When the engine fails; the batch is then lost as a whole.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if let Some(connection) = self.connection {
            connection.prepare_cached("COMMIT")?.raw_execute()?;
        }
        self.committed = true;
        Ok(())
    }

    /// What the batch has changed so far.
    #[must_use]
    pub fn changes(&self) -> Changes<'_> {
        Changes::new(self.working)
    }

    /// How many rows commands have read without naming them.
    #[must_use]
    pub fn unplanned_reads(&self) -> u64 {
        self.working.unplanned_reads
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.filter(|_| !self.committed) else { return };
        // After some failures SQLite has rolled back by itself; there is nothing left to undo then.
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(code = "store/rollback-failed", %error, "a failed batch could not be rolled back");
        }
    }
}

impl Memory {
    /// A batch that nothing leaves.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch { connection: None, working: &mut self.0, committed: false }
    }
}
