//! The database as it was at one moment, for queries.

use rusqlite::{CachedStatement, Connection};

use crate::{
    cell::{Cell, CellRef, Column, Corrupt},
    error::StoreError,
    row::{Row, RowKey, Table},
    sqlite::{self, Statements},
};

/// All tables at one moment: what is committed meanwhile is not seen. Hold it briefly, because the
/// write-ahead log cannot be folded away beneath it.
#[derive(Debug)]
pub struct Snapshot<'c>(&'c Connection);

/// Lets go of the snapshot however the reading ends, by a panic too.
struct EndOnDrop<'c>(&'c Connection);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        let ended = self.0.prepare_cached("ROLLBACK").and_then(|mut statement| statement.raw_execute());
        if let Err(error) = ended {
            tracing::error!(code = "store/snapshot-kept", %error, "a snapshot could not be let go");
        }
    }
}

/// The columns of one row that a query found.
#[derive(Debug)]
pub struct Cells<'r>(&'r rusqlite::Row<'r>);

impl<'c> Snapshot<'c> {
    /// Runs `read` on one snapshot.
    pub(crate) fn take<T>(
        connection: &'c Connection,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        connection.prepare_cached("BEGIN")?.raw_execute()?;
        let _ended = EndOnDrop(connection);
        read(&Snapshot(connection))
    }

    /// The row with this key.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn get<R: Row>(&self, key: &R::Key) -> Result<Option<R>, StoreError> {
        sqlite::select_row(self.0, &Statements::kept(R::TABLE).select, &key.cells())
    }

    /// The rows of `R`'s table for which `condition` holds: SQL from `WHERE` on, with `$1` for values.
    ///
    /// # Errors
    /// When the engine fails, or holds what no program of ours wrote.
    pub fn rows<R: Row>(&self, condition: &str, values: &[Cell<'_>]) -> Result<Vec<R>, StoreError> {
        let names: Vec<_> = R::TABLE.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let condition = condition.replace('$', "?");
        let sql = format!("SELECT {} FROM {} {condition}", names.join(", "), R::TABLE.name);
        sqlite::select_rows(self.0, &sql, values)
    }

    /// Every row of a table, all columns, in key order, as the engine has them.
    pub(crate) fn table_rows(&self, table: &Table) -> Result<CachedStatement<'c>, StoreError> {
        let names: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let keys = names[..table.key_columns].join(", ");
        let sql = format!("SELECT {} FROM {} ORDER BY {keys}", names.join(", "), table.name);
        Ok(self.0.prepare_cached(&sql)?)
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
        let mut statement = self.0.prepare_cached(&sql.replace('$', "?"))?;
        for (place, value) in values.iter().enumerate() {
            statement.raw_bind_parameter(place + 1, value)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            each(&Cells(row))?;
        }
        Ok(())
    }
}

impl Cells<'_> {
    /// The value in one place, counted from nought.
    ///
    /// # Errors
    /// When it is not a `T`.
    pub fn read<T: Column>(&self, place: usize) -> Result<T, StoreError> {
        let cell = self.0.get_ref(place).map_or(CellRef::Null, sqlite::cell_ref);
        T::from_cell(cell).ok_or_else(|| StoreError::Corrupt {
            table: "a query",
            source: Corrupt { column: place.to_string(), expected: T::EXPECTED },
        })
    }
}
