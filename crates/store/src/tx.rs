//! The working set: what commands read and change, in memory, before anything is sent to the engine.

use std::{any::TypeId, fmt, sync::Arc};

use clock::Timestamp;
use hashbrown::HashMap;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::{
    cell::Cell,
    engine::Engine,
    error::StoreError,
    news::{News, Told},
    postgres::Request,
    row::{Durability, Row, Table},
    table_set::{AnySet, TableSet},
};

/// Keyed rows as one command sees them: those on disk, changed by the commands before it in the batch and
/// by itself. A command that is refused leaves no change behind.
#[derive(Debug)]
pub struct Tx<'b> {
    working: &'b mut Working,
    source: Option<&'b Engine>,
    trace: Option<Arc<str>>,
}

/// Digest of the rows that one command changed, in the order it changed them, table by table. Two runs of
/// the same command that do not do the same have different effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect(pub [u8; 32]);

/// Rows whose keys begin alike, in the order of their keys.
#[derive(Debug)]
pub struct Scan<'a> {
    /// The first columns of the key have these values.
    pub prefix: Vec<Cell<'a>>,
    /// The column after them is below this.
    pub below: Option<Cell<'a>>,
    /// At most so many rows.
    pub limit: usize,
}

/// Every row that a batch changed, for those who keep a view of some table in memory.
#[derive(Debug)]
pub struct Changes<'b>(&'b Working);

/// Gives a table the rows that it asked for.
type Take = fn(&mut dyn AnySet, &[tokio_postgres::Row]) -> Result<(), StoreError>;

/// The tables of the batch at hand. Kept from batch to batch for its memory and its statements.
#[derive(Default)]
pub(crate) struct Working {
    sets: Vec<Box<dyn AnySet>>,
    places: HashMap<TypeId, usize>,
    effect: Vec<u8>,
    /// Rows and runs of rows that a command read without having named them.
    pub(crate) unplanned_reads: u64,
}

impl<'b> Tx<'b> {
    pub(crate) fn new(working: &'b mut Working, source: Option<&'b Engine>) -> Self {
        Self { working, source, trace: None }
    }

    /// The command that runs is part of this trace.
    #[must_use]
    pub fn within(self, trace: Option<Arc<str>>) -> Self {
        Self { trace, ..self }
    }

    /// The trace (as a `traceparent`) that the running command is part of, if it is traced. No entry tells of it and a
    /// replay has none: nothing but operational rows may depend on it.
    #[must_use]
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// The row with this key.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn get<R: Row>(&mut self, key: impl Into<R::Key>) -> Result<Option<R>, StoreError> {
        let key = key.into();
        let source = self.source;
        let set = self.working.set::<R>();
        if set.seen(&key).is_none() {
            set.load(key.clone(), source)?;
            self.working.unplanned_reads += 1;
        }
        Ok(self.working.set::<R>().seen(&key).flatten().cloned())
    }

    /// The rows with these keys, in one go; a key without a row has none in the answer either.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn get_all<R: Row>(&mut self, keys: &[R::Key]) -> Result<Vec<R>, StoreError> {
        let set = self.working.set::<R>();
        let unseen: Vec<_> = keys.iter().filter(|key| set.seen(key).is_none()).cloned().collect();
        if !unseen.is_empty() {
            unseen.into_iter().for_each(|key| set.want(key));
            match self.source {
                Some(engine) => self.working.load_wanted(engine)?,
                None => self.working.set::<R>().know_none(),
            }
        }
        let set = self.working.set::<R>();
        Ok(keys.iter().filter_map(|key| set.seen(key).flatten().cloned()).collect())
    }

    /// Rows whose keys begin alike.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn scan<R: Row>(&mut self, scan: &Scan<'_>) -> Result<Vec<R>, StoreError> {
        let source = self.source;
        let set = self.working.set::<R>();
        let planned = source.is_none() || set.has_range(scan);
        let found = set.scan(scan, source)?;
        self.working.unplanned_reads += u64::from(!planned);
        Ok(found)
    }

    /// Writes the row, new or changed.
    pub fn put<R: Row>(&mut self, row: R) {
        self.working.set::<R>().put(row, false);
    }

    /// Deletes the row; the whole row is asked for because the effect tells what went.
    pub fn delete<R: Row>(&mut self, row: R) {
        self.working.set::<R>().put(row, true);
    }
}

impl Working {
    pub(crate) fn set<R: Row>(&mut self) -> &mut TableSet<R> {
        let sets = &mut self.sets;
        let place = *self.places.entry(TypeId::of::<R>()).or_insert_with(|| {
            sets.push(Box::new(TableSet::<R>::new()));
            sets.len() - 1
        });
        self.sets[place].as_any_mut().downcast_mut().expect("a type's place holds its own set")
    }

    /// Loads what was wanted: row by row where asking costs nothing, all at once where it is a journey.
    pub(crate) fn load_wanted(&mut self, engine: &Engine) -> Result<(), StoreError> {
        let session = match engine {
            Engine::Sqlite(connection) => {
                return self.sets.iter_mut().try_for_each(|set| set.load_each(connection));
            }
            Engine::Postgres(session) => session,
        };
        let (mut requests, mut takers): (Vec<_>, Vec<(usize, Take)>) = (Vec::new(), Vec::new());
        for (place, set) in self.sets.iter().enumerate() {
            let both: [(_, Take); 2] = [
                (set.wanted_request(), |set, rows| set.take_rows(rows)),
                (set.wanted_ranges_request(), |set, rows| set.take_ranges(rows)),
            ];
            for (request, take) in both {
                takers.extend(request.is_some().then_some((place, take)));
                requests.extend(request);
            }
        }
        let answers = session.ask(&requests)?;
        drop(requests);
        let mut answers = takers.into_iter().zip(answers);
        answers.try_for_each(|((place, take), answer)| take(self.sets[place].as_mut(), &answer.rows))
    }

    pub(crate) fn has_changes(&self) -> bool {
        self.sets.iter().any(|set| set.has_overlay())
    }

    pub(crate) fn changes_replayed_rows(&self) -> bool {
        let changed = self.sets.iter().filter(|set| set.has_overlay());
        changed.map(|set| set.table().durability).any(|durability| durability != Durability::Operational)
    }

    pub(crate) fn discard(&mut self) {
        self.sets.iter_mut().for_each(|set| set.drop_overlay());
    }

    pub(crate) fn keep(&mut self) -> Effect {
        let mut touched: Vec<_> = self.sets.iter_mut().filter(|set| set.has_overlay()).collect();
        touched.sort_unstable_by_key(|set| set.table().name);
        self.effect.clear();
        for set in touched {
            set.keep_overlay(&mut self.effect);
        }
        Effect(Sha256::digest(&self.effect).into())
    }

    /// What changed in the tables that are told, one news a row.
    pub(crate) fn news(&self, told: &Told, batch: u64, at: Timestamp) -> Vec<News> {
        let mut news = Vec::new();
        for set in self.sets.iter().filter(|set| told.holds(set.table().name)) {
            set.tell(&mut |deleted, cells| {
                let place = u32::try_from(news.len()).unwrap_or(u32::MAX);
                let told = set.table().name.to_owned();
                news.push(News { batch, place, at, told, deleted, cells });
            });
        }
        news
    }

    pub(crate) fn write_each(&mut self, connection: &Connection) -> Result<(), StoreError> {
        self.sets.iter().try_for_each(|set| set.write_each(connection))?;
        self.flushed();
        Ok(())
    }

    /// What was sent is not sent again.
    pub(crate) fn flushed(&mut self) {
        self.sets.iter_mut().for_each(|set| set.flushed());
    }

    /// Puts changed rows in the order of their keys; tells how many there are.
    pub(crate) fn sort(&mut self) -> u64 {
        self.sets.iter_mut().map(|set| set.sort()).sum()
    }

    /// What writes all changed rows.
    pub(crate) fn write_requests(&self) -> Vec<Request<'_>> {
        self.sets.iter().flat_map(|set| set.write_requests()).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.sets.iter_mut().for_each(|set| set.clear());
        self.unplanned_reads = 0;
    }
}

impl<'b> Changes<'b> {
    pub(crate) fn new(working: &'b Working) -> Self {
        Self(working)
    }

    /// The changed rows of one table: each key, and the row as it is now, or nothing if it was deleted.
    pub fn of<R: Row>(&self) -> impl Iterator<Item = (&'b R::Key, Option<&'b R>)> + use<'b, R> {
        let place = self.0.places.get(&TypeId::of::<R>());
        let set = place.and_then(|place| self.0.sets[*place].as_any().downcast_ref::<TableSet<R>>());
        set.into_iter().flat_map(TableSet::changes)
    }
}

impl Scan<'_> {
    /// The statement for it, over at most `limit` rows, and its values.
    pub(crate) fn statement(&self, table: &Table, limit: usize) -> (String, Vec<Cell<'_>>) {
        let names = table.names();
        let keys = &names[..table.key_columns];
        let begins = keys.iter().take(self.prefix.len()).enumerate();
        let mut conditions: Vec<_> = begins.map(|(place, key)| format!("{key} = ${}", place + 1)).collect();
        let mut values = self.prefix.clone();
        if let (Some(below), Some(key)) = (&self.below, keys.get(self.prefix.len())) {
            values.push(below.clone());
            conditions.push(format!("{key} < ${}", values.len()));
        }
        let condition = if conditions.is_empty() { "TRUE".to_owned() } else { conditions.join(" AND ") };
        values.push(Cell::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} ORDER BY {} LIMIT ${}",
            names.join(", "),
            table.name,
            keys.join(", "),
            values.len(),
        );
        (sql, values)
    }

    pub(crate) fn covers(&self, key: &[Cell<'_>]) -> bool {
        let begins = self.prefix.iter().zip(key).all(|(wanted, cell)| wanted.order(cell).is_eq());
        let below = match (&self.below, key.get(self.prefix.len())) {
            (Some(bound), Some(cell)) => cell.order(bound).is_lt(),
            (Some(_), None) | (None, _) => true,
        };
        begins && below
    }
}

impl fmt::Debug for Working {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Working").field("sets", &self.sets).finish_non_exhaustive()
    }
}
