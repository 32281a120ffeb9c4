//! One table's rows in a batch: what was loaded, what the batch has changed, and what the command that
//! runs now would change.

use std::{any::Any, collections::BTreeMap, fmt};

use hashbrown::HashMap;
use rusqlite::Connection;

use crate::{
    cell::Cell,
    engine::Engine,
    error::StoreError,
    postgres::{self, Request},
    ranges::Ranges,
    row::{Durability, Row, RowKey, Table},
    sqlite::{self, Statements},
    tx::Scan,
};

/// Rows of one table, by key.
pub(crate) struct TableSet<R: Row> {
    one: Statements,
    many: postgres::Statements,
    wanted: Vec<R::Key>,
    ranges: Ranges<R::Key>,
    base: HashMap<R::Key, Slot<R>>,
    /// Keys whose slots differ from the engine's rows, in the order they first did.
    changed: Vec<R::Key>,
    /// Rows that are written and not looked at again in this batch.
    appended: Vec<R>,
    /// Changes of the command that runs now, in the order it made them; few, so a list finds them fastest.
    overlay: Vec<Change<R>>,
}

struct Slot<R> {
    row: Option<R>,
    changed: bool,
}

/// A row put, or a row deleted: the row itself in both cases, because an effect is told by whole rows.
struct Change<R: Row> {
    key: R::Key,
    row: R,
    deleted: bool,
}

/// What a batch does to its tables without knowing their types.
pub(crate) trait AnySet: Any + Send {
    fn table(&self) -> &'static Table;
    fn load_each(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// What asks for the rows whose keys are wanted, if there are any.
    fn wanted_request(&self) -> Option<Request<'_>>;
    fn take_rows(&mut self, rows: &[tokio_postgres::Row]) -> Result<(), StoreError>;
    /// What asks for the runs of rows that are wanted, if there are any.
    fn wanted_ranges_request(&self) -> Option<Request<'_>>;
    fn take_ranges(&mut self, rows: &[tokio_postgres::Row]) -> Result<(), StoreError>;
    fn has_overlay(&self) -> bool;
    fn drop_overlay(&mut self);
    fn keep_overlay(&mut self, effect: &mut Vec<u8>);
    fn sort(&mut self) -> u64;
    fn write_each(&self, connection: &Connection) -> Result<(), StoreError>;
    fn write_requests(&self) -> Vec<Request<'_>>;
    fn flushed(&mut self);
    fn tell(&self, each: &mut dyn FnMut(bool, Vec<u8>));
    fn clear(&mut self);
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl fmt::Debug for dyn AnySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TableSet").field(&self.table().name).finish()
    }
}

impl<R: Row> TableSet<R> {
    pub(crate) fn new() -> Self {
        Self {
            one: Statements::of(R::TABLE),
            many: postgres::Statements::of(R::TABLE),
            wanted: Vec::new(),
            ranges: Ranges::default(),
            base: HashMap::new(),
            changed: Vec::new(),
            appended: Vec::new(),
            overlay: Vec::new(),
        }
    }

    pub(crate) fn want(&mut self, key: R::Key) {
        self.wanted.push(key);
    }

    pub(crate) fn want_range(&mut self, first: Cell<'static>, rows_max: usize) {
        self.ranges.want(first, rows_max);
    }

    /// Where there is no engine, what was wanted is not there.
    pub(crate) fn know_none(&mut self) {
        for key in self.wanted.drain(..) {
            self.base.entry(key).or_insert(Slot { row: None, changed: false });
        }
    }

    /// The row as the running command sees it, if memory knows: `Some(None)` is known to be absent.
    pub(crate) fn seen(&self, key: &R::Key) -> Option<Option<&R>> {
        let overlaid = self.overlay.iter().rev().find(|change| change.key == *key);
        if let Some(change) = overlaid {
            return Some((!change.deleted).then_some(&change.row));
        }
        self.base.get(key).map(|slot| slot.row.as_ref())
    }

    pub(crate) fn load(&mut self, key: R::Key, engine: Option<&Engine>) -> Result<(), StoreError> {
        let row = engine.map(|engine| engine.row::<R>(&key)).transpose()?.flatten();
        self.base.insert(key, Slot { row, changed: false });
        Ok(())
    }

    pub(crate) fn append(&mut self, row: R) {
        self.appended.push(row);
    }

    pub(crate) fn put(&mut self, row: R, deleted: bool) {
        let change = Change { key: row.key(), row, deleted };
        match self.overlay.iter_mut().find(|earlier| earlier.key == change.key) {
            Some(earlier) => *earlier = change,
            None => self.overlay.push(change),
        }
    }

    /// Are the rows that `scan` asks for all in memory?
    pub(crate) fn has_range(&self, scan: &Scan<'_>) -> bool {
        self.ranges.of(scan).is_some()
    }

    /// Rows whose keys `scan` asks for, as the running command sees them, in the order of their keys.
    pub(crate) fn scan(&self, scan: &Scan<'_>, engine: Option<&Engine>) -> Result<Vec<R>, StoreError> {
        let mut found = BTreeMap::new();
        if let Some(keys) = self.ranges.of(scan) {
            let rows = keys.iter().map(|key| (key, self.base.get(key).and_then(|slot| slot.row.as_ref())));
            found.extend(rows.map(|(key, row)| (key.clone(), row.cloned())));
        } else {
            if let Some(engine) = engine {
                // So many that rows deleted in memory cannot hide those behind them.
                let limit = scan.limit.saturating_add(self.changed.len() + self.overlay.len());
                let (sql, values) = scan.statement(R::TABLE, limit);
                found.extend(engine.rows::<R>(&sql, &values)?.into_iter().map(|row| (row.key(), Some(row))));
            }
            let changed = self.changes().filter(|(key, _)| scan.covers(&key.cells()));
            found.extend(changed.map(|(key, row)| (key.clone(), row.cloned())));
        }
        let overlaid = self.overlay.iter().filter(|change| scan.covers(&change.key.cells()));
        let overlaid = overlaid.map(|change| (&change.key, (!change.deleted).then_some(&change.row)));
        found.extend(overlaid.map(|(key, row)| (key.clone(), row.cloned())));
        Ok(found.into_values().flatten().take(scan.limit).collect())
    }

    /// Takes rows that the engine has, unless the batch has changed them.
    fn take_unchanged(&mut self, rows: impl Iterator<Item = R>) -> Vec<R::Key> {
        let taken = rows.map(|row| {
            let key = row.key();
            let slot = self.base.entry(key.clone()).or_insert(Slot { row: None, changed: false });
            if !slot.changed {
                slot.row = Some(row);
            }
            key
        });
        taken.collect()
    }

    /// A row as somebody else changed it.
    pub(crate) fn note(&mut self, key: R::Key, row: Option<R>) {
        if !self.base.insert(key.clone(), Slot { row, changed: true }).is_some_and(|slot| slot.changed) {
            self.ranges.note(&key);
            self.changed.push(key);
        }
    }

    /// Every row the batch changed: its key, and what it is now.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&R::Key, Option<&R>)> {
        self.changed.iter().filter_map(|key| Some((key, self.base.get(key)?.row.as_ref())))
    }
}

impl<R: Row> AnySet for TableSet<R> {
    fn table(&self) -> &'static Table {
        R::TABLE
    }

    fn load_each(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut wanted = std::mem::take(&mut self.wanted);
        // In key order, so that neighbours are read from the page that is already at hand.
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            let mut select = connection.prepare_cached(&self.one.select)?;
            for key in wanted.drain(..) {
                if !self.base.contains_key(&key) {
                    let row = sqlite::select_row_with(&mut select, &key.cells())?;
                    self.base.insert(key, Slot { row, changed: false });
                }
            }
        }
        self.wanted = wanted;
        if self.ranges.is_wanted() {
            let limit = self.ranges.limit();
            let mut found = Vec::new();
            for first in self.ranges.firsts() {
                let scan = Scan { prefix: vec![first], below: None, limit };
                let (sql, values) = scan.statement(R::TABLE, limit);
                found.extend(sqlite::select_rows::<R>(connection, &sql.replace('$', "?"), &values)?);
            }
            let found = self.take_unchanged(found.into_iter());
            self.ranges.take(found, &self.changed);
        }
        Ok(())
    }

    fn wanted_request(&self) -> Option<Request<'_>> {
        let keys = &R::TABLE.columns[..R::TABLE.key_columns];
        let request = || Request::of_columns(&self.many.select, keys, self.wanted.iter().map(RowKey::cells));
        (!self.wanted.is_empty()).then(request)
    }

    fn wanted_ranges_request(&self) -> Option<Request<'_>> {
        let (first, limit) = (&R::TABLE.columns[..1], self.ranges.limit());
        let sql = || self.many.ranges.replace("{limit}", &limit.to_string());
        let request = || Request::of_columns(sql(), first, self.ranges.firsts().map(|cell| vec![cell]));
        self.ranges.is_wanted().then(request)
    }

    fn take_ranges(&mut self, rows: &[tokio_postgres::Row]) -> Result<(), StoreError> {
        let rows = rows.iter().map(postgres::read_row).collect::<Result<Vec<R>, _>>()?;
        let found = self.take_unchanged(rows.into_iter());
        self.ranges.take(found, &self.changed);
        Ok(())
    }

    /// A key may be wanted twice, and its row come twice: it is the same row.
    fn take_rows(&mut self, rows: &[tokio_postgres::Row]) -> Result<(), StoreError> {
        self.know_none();
        let rows = rows.iter().map(postgres::read_row).collect::<Result<Vec<R>, _>>()?;
        self.take_unchanged(rows.into_iter());
        Ok(())
    }

    fn has_overlay(&self) -> bool {
        !self.overlay.is_empty()
    }

    fn drop_overlay(&mut self) {
        self.overlay.clear();
    }

    /// Makes the overlay part of the batch and, for a replayed table, adds what it did to `effect`.
    fn keep_overlay(&mut self, effect: &mut Vec<u8>) {
        let told = R::TABLE.durability == Durability::Replayed;
        if told {
            Cell::Text(R::TABLE.name.into()).encode(&mut |bytes| effect.extend_from_slice(bytes));
        }
        for Change { key, row, deleted } in self.overlay.drain(..) {
            if told {
                effect.push(if deleted { b'-' } else { b'+' });
                for cell in row.committed() {
                    cell.encode(&mut |bytes| effect.extend_from_slice(bytes));
                }
            }
            let slot = self.base.entry(key.clone()).or_insert(Slot { row: None, changed: false });
            slot.row = (!deleted).then_some(row);
            if !slot.changed {
                slot.changed = true;
                self.ranges.note(&key);
                self.changed.push(key);
            }
        }
    }

    /// In key order random keys touch each page of the index once a batch, and two nodes lock alike.
    fn sort(&mut self) -> u64 {
        self.changed.sort_unstable();
        (self.changed.len() + self.appended.len()) as u64
    }

    fn write_each(&self, connection: &Connection) -> Result<(), StoreError> {
        let mut put = connection.prepare_cached(&self.one.put)?;
        let mut delete = connection.prepare_cached(&self.one.delete)?;
        for key in &self.changed {
            match self.base.get(key).and_then(|slot| slot.row.as_ref()) {
                Some(row) => sqlite::run(&mut put, &row.cells())?,
                None => sqlite::run(&mut delete, &key.cells())?,
            };
        }
        let mut insert = connection.prepare_cached(&self.one.insert)?;
        for row in &self.appended {
            sqlite::run(&mut insert, &row.cells())?;
        }
        Ok(())
    }

    fn write_requests(&self) -> Vec<Request<'_>> {
        let columns = R::TABLE.columns;
        let put: Vec<_> = self.changes().filter_map(|(_, row)| row).map(R::cells).collect();
        let deleted: Vec<_> =
            self.changes().filter(|(_, row)| row.is_none()).map(|(key, _)| key.cells()).collect();
        let appended: Vec<_> = self.appended.iter().map(R::cells).collect();
        let keys = &columns[..R::TABLE.key_columns];
        let parts = [
            (&self.many.put, columns, put),
            (&self.many.delete, keys, deleted),
            (&self.many.insert, columns, appended),
        ];
        let parts = parts.into_iter().filter(|(_, _, rows)| !rows.is_empty());
        parts.map(|(sql, columns, rows)| Request::of_columns(sql, columns, rows.into_iter())).collect()
    }

    /// What was sent is not sent again. It stays known as changed, for those who ask what the batch did.
    fn flushed(&mut self) {
        self.appended.clear();
    }

    fn tell(&self, each: &mut dyn FnMut(bool, Vec<u8>)) {
        for (key, row) in self.changes() {
            let mut encoded = Vec::new();
            let cells = row.map_or_else(|| key.cells(), R::cells);
            cells.iter().for_each(|cell| cell.encode(&mut |bytes| encoded.extend_from_slice(bytes)));
            each(row.is_none(), encoded);
        }
    }

    fn clear(&mut self) {
        self.wanted.clear();
        self.ranges.clear();
        self.base.clear();
        self.changed.clear();
        self.appended.clear();
        self.overlay.clear();
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
