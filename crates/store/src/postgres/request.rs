//! What is asked of the server, and what it answered.

use std::borrow::Cow;

use tokio_postgres::{Row, types::Type};

use super::values::{column_array, single};
use crate::{cell::Cell, row::ColumnDef};

/// One statement with its values.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) sql: Cow<'a, str>,
    pub(crate) values: Vec<Value<'a>>,
}

/// A value of a statement: one, or a column of them.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    One(Cell<'a>),
    Column(&'static ColumnDef, Vec<Cell<'a>>),
}

/// What a statement found, and how many rows it touched.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    pub(crate) touched: u64,
}

impl<'a> Request<'a> {
    pub(crate) fn new(sql: impl Into<Cow<'a, str>>, values: &[Cell<'a>]) -> Self {
        Self { sql: sql.into(), values: values.iter().cloned().map(Value::One).collect() }
    }

    /// One statement for many rows: their cells, turned into a list for each column.
    pub(crate) fn of_columns(
        sql: impl Into<Cow<'a, str>>,
        columns: &'static [ColumnDef],
        rows: impl Iterator<Item = Vec<Cell<'a>>>,
    ) -> Self {
        let mut lists: Vec<Vec<Cell<'a>>> = columns.iter().map(|_| Vec::new()).collect();
        for row in rows {
            lists.iter_mut().zip(row).for_each(|(list, cell)| list.push(cell));
        }
        let values = columns.iter().zip(lists).map(|(column, list)| Value::Column(column, list));
        Self { sql: sql.into(), values: values.collect() }
    }

    pub(super) fn types(&self) -> Vec<Type> {
        let types = self.values.iter().map(|value| match value {
            Value::One(cell) => single(cell),
            Value::Column(column, _) => column_array(column.column_type),
        });
        types.collect()
    }
}
