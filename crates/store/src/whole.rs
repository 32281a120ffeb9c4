//! Whole tables on their way to another place and back, as rows in their canonical encoding.

use crate::{
    cell::{Cell, CellRef, ColumnType, Corrupt, decode},
    engine::Engine,
    error::StoreError,
    postgres::{self, Request},
    row::Table,
    snapshot::Snapshot,
    sqlite::{self, Statements},
};

/// Calls `each` for every row of a table, in the order of its keys, encoded as
/// [`encode_row`](crate::encode_row) does.
///
/// # Errors
/// When the engine or `each` fails.
pub fn each_encoded_row<E: From<StoreError>>(
    snapshot: &Snapshot<'_>,
    table: &'static Table,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut last: Option<Vec<Cell<'static>>> = None;
    let mut encoded = Vec::new();
    loop {
        let rows = snapshot.rows_after(table, last.as_deref())?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = Some(end[..table.key_columns].to_vec());
        for row in rows {
            encoded.clear();
            row.iter().for_each(|cell| cell.encode(&mut |part| encoded.extend_from_slice(part)));
            each(&encoded)?;
        }
    }
}

/// Has a table no row?
///
/// # Errors
/// When the engine fails.
pub fn is_empty(snapshot: &Snapshot<'_>, table: &'static Table) -> Result<bool, StoreError> {
    Ok(snapshot.rows_after(table, None)?.is_empty())
}

impl Engine {
    /// Adds rows in their canonical encoding.
    pub(crate) fn fill(&self, table: &'static Table, rows: &[&[u8]]) -> Result<(), StoreError> {
        let cells = rows.iter().map(|row| cells_of(table, row)).collect::<Result<Vec<_>, _>>()?;
        match self {
            Self::Sqlite(connection) => {
                let mut insert = connection.prepare_cached(&Statements::kept(table).insert)?;
                cells.iter().try_for_each(|row| sqlite::run(&mut insert, row).map(drop))
            }
            Self::Postgres(session) => {
                let insert = postgres::Statements::of(table).insert;
                let request = Request::of_columns(&insert, table.columns, cells.into_iter());
                session.ask(&[request]).map(drop)
            }
        }
    }
}

/// The values of a row, each of its column's type.
fn cells_of<'r>(table: &'static Table, row: &'r [u8]) -> Result<Vec<Cell<'r>>, StoreError> {
    let corrupt = |column: &str, expected| StoreError::Corrupt {
        table: table.name,
        source: Corrupt { column: column.to_owned(), expected },
    };
    let found = decode(row).filter(|found| found.len() == table.columns.len());
    let found = found.ok_or_else(|| corrupt("all", "a row of this table"))?;
    let typed = table.columns.iter().zip(found).map(|(column, cell)| match (column.column_type, cell) {
        (_, CellRef::Null) => Ok(Cell::Null),
        (ColumnType::BigInt, CellRef::Integer(number)) => Ok(Cell::Integer(number)),
        (ColumnType::Boolean, CellRef::Integer(truth @ (0 | 1))) => Ok(Cell::Boolean(truth == 1)),
        (ColumnType::Text, CellRef::Text(text)) => Ok(Cell::Text(text.into())),
        (ColumnType::Bytea, CellRef::Bytes(bytes)) => Ok(Cell::Bytes(bytes.into())),
        (wanted, _) => Err(corrupt(column.name, wanted.sql())),
    });
    typed.collect()
}
