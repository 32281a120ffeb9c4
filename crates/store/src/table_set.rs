//! One table's rows in a batch: what was loaded, what the batch has changed, and what the command that
//! runs now would change.

use std::{any::Any, collections::BTreeMap, fmt};

use hashbrown::HashMap;
use rusqlite::Connection;

use crate::{
    cell::Cell,
    error::StoreError,
    row::{Durability, Row, RowKey, Table},
    sqlite::{self, Statements},
    tx::Scan,
};

/// Rows of one table, by key.
pub(crate) struct TableSet<R: Row> {
    statements: Statements,
    wanted: Vec<R::Key>,
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
    fn load_wanted(&mut self, connection: &Connection) -> Result<(), StoreError>;
    fn has_overlay(&self) -> bool;
    fn drop_overlay(&mut self);
    fn keep_overlay(&mut self, effect: &mut Vec<u8>);
    fn flush(&mut self, connection: &Connection) -> Result<u64, StoreError>;
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
            statements: Statements::of(R::TABLE),
            wanted: Vec::new(),
            base: HashMap::new(),
            changed: Vec::new(),
            appended: Vec::new(),
            overlay: Vec::new(),
        }
    }

    pub(crate) fn want(&mut self, key: R::Key) {
        self.wanted.push(key);
    }

    /// The row as the running command sees it, if memory knows: `Some(None)` is known to be absent.
    pub(crate) fn seen(&self, key: &R::Key) -> Option<Option<&R>> {
        let overlaid = self.overlay.iter().rev().find(|change| change.key == *key);
        if let Some(change) = overlaid {
            return Some((!change.deleted).then_some(&change.row));
        }
        self.base.get(key).map(|slot| slot.row.as_ref())
    }

    pub(crate) fn load(&mut self, key: R::Key, connection: Option<&Connection>) -> Result<(), StoreError> {
        let row = connection
            .map(|connection| sqlite::select_row::<R>(connection, &self.statements.select, &key.cells()))
            .transpose()?
            .flatten();
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

    /// Rows whose keys `scan` asks for, as the running command sees them, in the order of their keys.
    pub(crate) fn scan(
        &self,
        scan: &Scan<'_>,
        connection: Option<&Connection>,
    ) -> Result<Vec<R>, StoreError> {
        let mut found = BTreeMap::new();
        if let Some(connection) = connection {
            // So many that rows deleted in memory cannot hide those behind them.
            let limit = scan.limit + self.changed.len() + self.overlay.len();
            for row in sqlite::scan_rows::<R>(connection, scan, limit)? {
                found.insert(row.key(), Some(row));
            }
        }
        let in_base = self.changed.iter().filter_map(|key| Some((key, self.base.get(key)?.row.as_ref())));
        let in_overlay =
            self.overlay.iter().map(|change| (&change.key, (!change.deleted).then_some(&change.row)));
        for (key, row) in in_base.chain(in_overlay).filter(|(key, _)| scan.covers(&key.cells())) {
            found.insert(key.clone(), row.cloned());
        }
        Ok(found.into_values().flatten().take(scan.limit).collect())
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

    fn load_wanted(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut wanted = std::mem::take(&mut self.wanted);
        // In key order, so that neighbours are read from the page that is already at hand.
        wanted.sort_unstable();
        wanted.dedup();
        if !wanted.is_empty() {
            let mut select = connection.prepare_cached(&self.statements.select)?;
            for key in wanted.drain(..) {
                if !self.base.contains_key(&key) {
                    let row = sqlite::select_row_with(&mut select, &key.cells())?;
                    self.base.insert(key, Slot { row, changed: false });
                }
            }
        }
        self.wanted = wanted;
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
                self.changed.push(key);
            }
        }
    }

    fn flush(&mut self, connection: &Connection) -> Result<u64, StoreError> {
        // In key order: random keys then touch each page of the index once a batch.
        self.changed.sort_unstable();
        let mut put = connection.prepare_cached(&self.statements.put)?;
        let mut delete = connection.prepare_cached(&self.statements.delete)?;
        for key in &self.changed {
            match self.base.get(key).and_then(|slot| slot.row.as_ref()) {
                Some(row) => sqlite::run(&mut put, &row.cells())?,
                None => sqlite::run(&mut delete, &key.cells())?,
            };
        }
        for row in &self.appended {
            sqlite::run(&mut put, &row.cells())?;
        }
        Ok((self.changed.len() + self.appended.len()) as u64)
    }

    fn clear(&mut self) {
        self.wanted.clear();
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
