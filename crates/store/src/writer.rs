//! The one connection that writes, and the batch it makes durable with one sync.

use clock::Timestamp;

use crate::{
    engine::Engine,
    error::StoreError,
    instruments::Instruments,
    keys::Keys,
    migrate::{Landmarks, Schema},
    news::Told,
    place::Place,
    postgres::{self, Kind},
    reader::{ReaderConfig, Readers},
    row::{Row, Table},
    snapshot::Snapshot,
    tx::{Changes, Effect, Tx, Working},
    vfs,
};

/// An open database: the writer for the one thread that owns it, and readers for all others.
#[derive(Debug)]
pub struct Store {
    pub writer: Writer,
    pub readers: Readers,
}

/// The only way for this process to change the database. In a file, whoever holds it decides the order of
/// everything; on a shared server, each batch waits for those of other nodes.
#[derive(Debug)]
pub struct Writer {
    place: Place,
    engine: Engine,
    working: Working,
    log: Option<Landmarks>,
    /// Rows that there is room for in the log's parts, as far as is known.
    room: u64,
}

/// Commands that become durable together, or not at all.
#[derive(Debug)]
pub struct Batch<'w> {
    engine: Option<&'w Engine>,
    working: &'w mut Working,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    /// What changed is to be sent with whatever is sent next.
    ToSend,
    Committed,
}

/// A batch of nothing but memory, for property tests and simulations: same rules, no engine.
#[derive(Debug, Default)]
pub struct Memory(Working);

impl Store {
    pub(crate) fn open(
        place: &Place,
        schema: &Schema,
        readers: &ReaderConfig,
        instruments: &Instruments,
    ) -> Result<Self, StoreError> {
        let engine = Engine::open_to_write(place, schema).map_err(|error| error.at(place))?;
        let readers = Readers::start(place, schema.landmarks(), readers, instruments)?;
        let log = schema.landmarks();
        let writer = Writer { place: place.clone(), engine, working: Working::default(), log, room: 0 };
        Ok(Self { writer, readers })
    }
}

impl Writer {
    pub(crate) fn open_to_read(place: &Place, schema: &Schema) -> Result<Self, StoreError> {
        let engine = Engine::open_to_read(place)?;
        engine.check(schema).map_err(|error| error.at(place))?;
        Ok(Self { place: place.clone(), engine, working: Working::default(), log: None, room: 0 })
    }

    pub(crate) fn open_unchecked(place: &Place) -> Result<Self, StoreError> {
        let engine = Engine::open_to_read(place)?;
        Ok(Self { place: place.clone(), engine, working: Working::default(), log: None, room: 0 })
    }

    /// Makes room ahead for a log that has so many rows, where it is kept in parts. Hardly ever anything is to
    /// be done; where it fails there is room left for many more tries.
    pub fn make_room(&mut self, rows: u64) {
        let (Engine::Postgres(session), Some(log)) = (&self.engine, self.log) else { return };
        if rows.saturating_add(postgres::reserve(session)) < self.room {
            return;
        }
        match postgres::make_room(session, log, rows) {
            Ok(room) => self.room = room,
            Err(error) => {
                tracing::warn!(code = "store/no-room-made", %error, "no part could be added to the log");
            }
        }
    }

    /// Begins a batch.
    ///
    /// # Errors
    /// When the engine refuses, as it does on a disk that has become read-only.
    pub fn begin(&mut self) -> Result<Batch<'_>, StoreError> {
        self.working.clear();
        self.engine.begin(Kind::Batch)?;
        Ok(Batch { engine: Some(&self.engine), working: &mut self.working, stage: Stage::Open })
    }

    /// Begins a batch that may take long: whole tables are put into the database, and nobody else writes.
    ///
    /// # Errors
    /// As [`Writer::begin`].
    pub fn begin_long(&mut self) -> Result<Batch<'_>, StoreError> {
        self.working.clear();
        self.engine.begin(Kind::LongBatch)?;
        Ok(Batch { engine: Some(&self.engine), working: &mut self.working, stage: Stage::Open })
    }

    /// Reads what is committed, between batches.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let snapshot = Snapshot::take(&self.engine, Kind::LongSnapshot)?;
        read(&snapshot).map_err(|error| error.at(&self.place))
    }

    /// May other nodes change the database, too?
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// So many calls were waiting for what the database did not do: its breaker hears of all of them.
    pub fn failed(&self, calls: u64) {
        if let Engine::Postgres(session) = &self.engine {
            session.server().told(calls, false);
        }
    }

    /// Folds the write-ahead log into the database and empties it, as a clean stop does. A server does that
    /// by itself.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn fold_log(&self) -> Result<(), StoreError> {
        let Engine::Sqlite(connection) = &self.engine else { return Ok(()) };
        let folded = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        folded.map_err(|error| StoreError::from(error).at(&self.place))
    }

    /// Looks at every page and index of a database file: slow, and thorough. A server keeps its own files.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first finding.
    pub fn check_integrity(&self) -> Result<(), StoreError> {
        let (Engine::Sqlite(connection), Place::File { path, .. }) = (&self.engine, &self.place) else {
            return Ok(());
        };
        // SQLite tells of a page that cannot be read by its number alone: what was found on it is taken from
        // below, and what was found before is not about this.
        drop(vfs::take_damage());
        let checked = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        let found: String = checked.map_err(|error| StoreError::from(error).at(&self.place))?;
        if found == "ok" {
            return Ok(());
        }
        Err(vfs::take_damage().unwrap_or_else(|| StoreError::Damaged { path: path.clone(), found }))
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
        self.engine.map_or(Ok(()), |engine| self.working.load_wanted(engine))
    }

    /// The rows as the next command sees them.
    pub fn tx(&mut self) -> Tx<'_> {
        Tx::new(self.working, self.engine)
    }

    /// Reads what is committed, and what the batch has flushed.
    ///
    /// # Errors
    /// What `read` fails with.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        read(&Snapshot::within(self.engine.ok_or(StoreError::Stopped)?))
    }

    /// Makes what the last command changed part of the batch.
    pub fn keep(&mut self) -> Effect {
        self.working.keep()
    }

    /// Did the last command change anything?
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.working.has_changes()
    }

    /// Did the last command change a row that a replay must make again?
    #[must_use]
    pub fn changes_replayed_rows(&self) -> bool {
        self.working.changes_replayed_rows()
    }

    /// Forgets what the last command changed.
    pub fn discard(&mut self) {
        self.working.discard();
    }

    /// Writes a row that nothing in this batch will read, and that must not be there yet: a log's next line.
    pub fn append<R: Row>(&mut self, row: R) {
        self.working.set::<R>().append(row);
    }

    /// Puts a row of a log in the place of a shorter one: no effect tells of it.
    pub fn replace<R: Row>(&mut self, row: R) {
        self.working.set::<R>().note(row.key(), Some(row));
    }

    /// Tells other nodes what the batch changed in these tables, if there can be any.
    pub fn tell(&mut self, told: &Told, batch: u64, at: Timestamp) {
        if self.is_shared() {
            self.working.news(told, batch, at).into_iter().for_each(|news| self.append(news));
        }
    }

    /// May other nodes change the database, too?
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.engine, Some(Engine::Postgres(_)))
    }

    /// After a commit that left doubt: waits until neither it nor any other batch is under way, and reads
    /// what is committed then.
    ///
    /// # Errors
    /// When the engine cannot be asked yet, or what `read` fails with.
    pub fn look_again<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let engine = self.engine.ok_or(StoreError::Stopped)?;
        engine.begin(Kind::Batch)?;
        let found = read(&Snapshot::within(engine));
        engine.end();
        found
    }

    /// Runs one statement that changes rows by something other than their key, `$1` standing for values.
    /// What was flushed is there for it.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn execute(&mut self, sql: &str, values: &[crate::Cell<'_>]) -> Result<u64, StoreError> {
        let Some(engine) = self.engine else { return Ok(0) };
        if let (Engine::Postgres(session), Stage::ToSend) = (engine, self.stage) {
            session.ask(&self.working.write_requests())?;
            self.working.flushed();
            self.stage = Stage::Open;
        }
        engine.execute(sql, values)
    }

    /// Puts rows of a table into the engine that [`each_encoded_row`](crate::each_encoded_row) told; none of
    /// them may be there yet.
    ///
    /// # Errors
    /// When they are not rows of this table, or the engine fails; the batch is then lost as a whole.
    pub fn fill(&mut self, table: &'static Table, rows: &[&[u8]]) -> Result<(), StoreError> {
        self.engine.map_or(Ok(()), |engine| engine.fill(table, rows))
    }

    /// Sends all changed rows to the engine, without making them durable yet. (A server gets them together
    /// with what follows.) Returns how many.
    ///
    /// # Errors
    /// When the engine fails; the batch is then lost as a whole.
    pub fn flush(&mut self) -> Result<u64, StoreError> {
        let changed = self.working.sort();
        match self.engine {
            None => {}
            Some(Engine::Sqlite(connection)) => self.working.write_each(connection)?,
            Some(Engine::Postgres(_)) => self.stage = Stage::ToSend,
        }
        Ok(changed)
    }

    /// Makes everything that was flushed durable: when this returns, it has been synced.
    ///
    /// # Errors
    /// When the engine fails; the batch is then lost as a whole, unless the error leaves doubt.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        match self.engine {
            None => {}
            Some(Engine::Sqlite(connection)) => {
                connection.prepare_cached("COMMIT")?.raw_execute()?;
            }
            Some(Engine::Postgres(session)) => {
                let unsent =
                    if self.stage == Stage::ToSend { self.working.write_requests() } else { Vec::new() };
                session.commit(&unsent)?;
            }
        }
        self.stage = Stage::Committed;
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
        if let Some(engine) = self.engine.filter(|_| self.stage != Stage::Committed) {
            engine.end();
        }
    }
}

impl Memory {
    /// A batch that nothing leaves.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch { engine: None, working: &mut self.0, stage: Stage::Open }
    }
}
