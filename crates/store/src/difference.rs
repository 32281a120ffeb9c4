//! Where two databases that should hold the same rows do not.

use std::{cmp::Ordering, fmt};

use rusqlite::types::Value;

use crate::{error::StoreError, row::Table, snapshot::Snapshot};

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
    let mut left_rows = left.table_rows(table)?;
    let mut right_rows = right.table_rows(table)?;
    let (mut left_query, mut right_query) = (left_rows.raw_query(), right_rows.raw_query());
    let width = table.columns.len();
    loop {
        let left = left_query.next()?.map(|row| read_values(row, width)).transpose()?;
        let right = right_query.next()?.map(|row| read_values(row, width)).transpose()?;
        let key = |row: &[Value]| row[..table.key_columns].to_vec();
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

fn read_values(row: &rusqlite::Row<'_>, width: usize) -> Result<Vec<Value>, rusqlite::Error> {
    (0..width).map(|place| row.get(place)).collect()
}

fn differing(table: &'static Table, left: &[Value], right: &[Value]) -> Vec<&'static str> {
    let pairs = table.columns.iter().zip(left.iter().zip(right));
    pairs.filter(|(_, (left, right))| left != right).map(|(column, _)| column.name).collect()
}

fn compare_keys(left: &[Value], right: &[Value]) -> Ordering {
    let orders = left.iter().zip(right).map(|(left, right)| match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
        (Value::Blob(left), Value::Blob(right)) => left.cmp(right),
        _ => Ordering::Equal,
    });
    orders.fold(Ordering::Equal, Ordering::then)
}

fn told(key: &[Value]) -> String {
    let columns = key.iter().map(|value| match value {
        Value::Null => "nothing".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    columns.collect::<Vec<_>>().join("/")
}
