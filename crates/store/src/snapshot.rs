//! The database as it was at one moment, for queries.

use crate::{
    cell::{Cell, CellRef, Column, Corrupt},
    engine::{Engine, FoundRow},
    error::StoreError,
    postgres::Kind,
    row::{Row, Table},
};

/// All tables at one moment: what is committed meanwhile is not seen. Hold it briefly, because what was
/// overwritten or deleted since cannot be cleared away beneath it.
#[derive(Debug)]
pub struct Snapshot<'c> {
    engine: &'c Engine,
    /// Is the transaction its own, to be ended with it?
    own: bool,
}

/// The columns of one row that a query found.
#[derive(Debug)]
pub struct Cells<'r>(FoundRow<'r>);

/// Rows of [`Snapshot::each_row_of`] that are read at a time.
const CHUNK: usize = 1000;

impl<'c> Snapshot<'c> {
    /// Begins one; it ends when it is dropped, by a panic too.
    pub(crate) fn take(engine: &'c Engine, kind: Kind) -> Result<Self, StoreError> {
        engine.begin(kind)?;
        Ok(Self { engine, own: true })
    }

    /// What a transaction that somebody else began sees.
    pub(crate) const fn within(engine: &'c Engine) -> Self {
        Self { engine, own: false }
    }

    /// The row with this key.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn get<R: Row>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        self.engine.row(key)
    }

    /// The rows of `R`'s table for which `condition` holds: SQL from `WHERE` on, with `$1` for values.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn rows<R: Row>(&self, condition: &str, values: &[Cell<'_>]) -> Result<Vec<R>, StoreError> {
        let (names, table) = (R::TABLE.names().join(", "), R::TABLE.name);
        self.engine.rows(&format!("SELECT {names} FROM {table} {condition}"), values)
    }

    /// Calls `each` for every row that a query finds, in the query's order; `$1` stands for values.
    ///
    /// # Errors
    /// When the engine or `each` fails.
    pub fn query(
        &self,
        sql: &str,
        values: &[Cell<'_>],
        mut each: impl FnMut(&Cells<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.engine.query(sql, values, |row| each(&Cells(row)))
    }

    /// The rows of a table after the one with this key, in key order, all columns: a chunk of them.
    pub(crate) fn rows_after(
        &self,
        table: &Table,
        after: Option<&[Cell<'static>]>,
    ) -> Result<Vec<Vec<Cell<'static>>>, StoreError> {
        let names = table.names();
        let (all, keys) = (names.join(", "), names[..table.key_columns].join(", "));
        let places: Vec<_> = (1..=table.key_columns).map(|place| format!("${place}")).collect();
        let condition =
            after.map_or_else(String::new, |_| format!("WHERE ({keys}) > ({}) ", places.join(", ")));
        let sql = format!("SELECT {all} FROM {} {condition}ORDER BY {keys} LIMIT {CHUNK}", table.name);
        let mut rows = Vec::new();
        self.engine.query(&sql, after.unwrap_or_default(), |row| {
            rows.push((0..table.columns.len()).map(|place| row.cell(place).to_owned_cell()).collect());
            Ok(())
        })?;
        Ok(rows)
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if self.own {
            self.engine.end();
        }
    }
}

impl Cells<'_> {
    /// The value in one place, counted from nought.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub fn read<T: Column>(&self, place: usize) -> Result<T, StoreError> {
        T::from_cell(self.0.cell(place)).ok_or_else(|| StoreError::Corrupt {
            table: "a query",
            source: Corrupt { column: place.to_string(), expected: T::EXPECTED },
        })
    }
}

impl CellRef<'_> {
    /// The same value on its own.
    pub(crate) fn to_owned_cell(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Integer(number) => Cell::Integer(number),
            Self::Text(text) => Cell::Text(text.to_owned().into()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.to_vec().into()),
        }
    }
}
