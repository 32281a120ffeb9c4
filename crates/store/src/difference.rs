//! Where two databases that should hold the same rows do not.

use std::{cmp::Ordering, fmt};

use crate::{cell::Cell, error::StoreError, row::Table, snapshot::Snapshot};

/// The first row, in key order, that two databases do not have alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: &'static str,
    /// The row's key, each column as text: numbers in decimal, bytes in hexadecimal.
    pub key: String,
    /// The columns that differ; empty when one side has no such row.
    pub columns: Vec<&'static str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, columns } = self;
        match columns.as_slice() {
            [] => write!(f, "table {table}: row {key} is in one and not in the other"),
            columns => write!(f, "table {table}: row {key} differs in {}", columns.join(", ")),
        }
    }
}

/// Compares one table of two databases, row by row in key order.
///
/// # Errors
/// When either engine fails.
pub fn first_difference(
    left: &Snapshot<'_>,
    right: &Snapshot<'_>,
    table: &'static Table,
) -> Result<Option<Difference>, StoreError> {
    let (mut left, mut right) = (Rows::of(left, table), Rows::of(right, table));
    loop {
        let (left, right) = (left.next()?, right.next()?);
        let key = |row: &[Cell<'static>]| row[..table.key_columns].to_vec();
        let (key, columns) = match (&left, &right) {
            (None, None) => return Ok(None),
            (Some(row), None) | (None, Some(row)) => (key(row), Vec::new()),
            (Some(left), Some(right)) if left == right => continue,
            (Some(left), Some(right)) => match compare_keys(&key(left), &key(right)) {
                Ordering::Less => (key(left), Vec::new()),
                Ordering::Greater => (key(right), Vec::new()),
                Ordering::Equal => (key(left), differing(table, left, right)),
            },
        };
        return Ok(Some(Difference { table: table.name, key: told(&key), columns }));
    }
}

/// The rows of a table in key order, read a chunk at a time: two engines cannot both be asked row by row.
struct Rows<'s> {
    snapshot: &'s Snapshot<'s>,
    table: &'static Table,
    chunk: std::vec::IntoIter<Vec<Cell<'static>>>,
    last: Option<Vec<Cell<'static>>>,
    ended: bool,
}

impl<'s> Rows<'s> {
    fn of(snapshot: &'s Snapshot<'s>, table: &'static Table) -> Self {
        Self { snapshot, table, chunk: Vec::new().into_iter(), last: None, ended: false }
    }

    fn next(&mut self) -> Result<Option<Vec<Cell<'static>>>, StoreError> {
        if self.chunk.as_slice().is_empty() && !self.ended {
            let chunk = self.snapshot.rows_after(self.table, self.last.as_deref())?;
            self.last = chunk.last().map(|row| row[..self.table.key_columns].to_vec());
            self.ended = chunk.is_empty();
            self.chunk = chunk.into_iter();
        }
        Ok(self.chunk.next())
    }
}

fn differing(table: &'static Table, left: &[Cell<'static>], right: &[Cell<'static>]) -> Vec<&'static str> {
    let pairs = table.columns.iter().zip(left.iter().zip(right));
    pairs.filter(|(_, (left, right))| left != right).map(|(column, _)| column.name).collect()
}

fn compare_keys(left: &[Cell<'static>], right: &[Cell<'static>]) -> Ordering {
    left.iter().zip(right).map(|(left, right)| left.order(right)).fold(Ordering::Equal, Ordering::then)
}

fn told(key: &[Cell<'static>]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let columns = key.iter().map(|value| match value {
        Cell::Null => "nothing".to_owned(),
        Cell::Boolean(truth) => truth.to_string(),
        Cell::Integer(number) => number.to_string(),
        Cell::Text(text) => text.clone().into_owned(),
        Cell::Bytes(bytes) => hex(bytes),
        Cell::Short(bytes) => hex(bytes),
    });
    columns.collect::<Vec<_>>().join("/")
}
