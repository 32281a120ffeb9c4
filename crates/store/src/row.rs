//! Tables and their rows, declared once.

use std::hash::Hash;

use crate::{
    cell::{Cell, CellRef, Column, ColumnType, Corrupt, decode},
    error::StoreError,
};

/// A table as the program knows it.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub durability: Durability,
    /// The key's columns first.
    pub columns: &'static [ColumnDef],
    pub key_columns: usize,
}

impl Table {
    /// The names of its columns as SQL has them, those of the key first.
    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect()
    }

    /// What an insert does where a row with its key is there already: it takes that one's place.
    pub(crate) fn on_conflict(&self) -> String {
        let names = self.names();
        let (keys, fields) = names.split_at(self.key_columns);
        let set: Vec<_> = fields.iter().map(|field| format!("{field} = excluded.{field}")).collect();
        let action =
            if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
        format!("ON CONFLICT ({}) DO {action}", keys.join(", "))
    }

    /// Compares what a database says of the table with what the program takes it for.
    pub(crate) fn check_found(&'static self, found: &str) -> Result<(), StoreError> {
        let columns = self.columns.iter().enumerate().map(|(place, column)| {
            let key = if place < self.key_columns { " key" } else { "" };
            format!("{} {}{key}", column.name, column.column_type.sql())
        });
        let expected = columns.collect::<Vec<_>>().join(", ");
        if found == expected {
            return Ok(());
        }
        Err(StoreError::Schema { table: self.name, found: found.to_owned(), expected })
    }
}

/// A column as the program knows it.
#[derive(Debug)]
pub struct ColumnDef {
    pub name: &'static str,
    pub column_type: ColumnType,
}

/// Where a table's rows come from, should they be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// From the ledger: a replay of its entries writes the same rows.
    Replayed,
    /// From nowhere: claims, caches and keys of the moment, which a replay leaves out.
    Operational,
    /// It is the ledger: the log that the others are replayed from.
    Log,
}

/// A row of one table. [`table!`](crate::table) writes this.
pub trait Row: Clone + Send + Sync + 'static {
    type Key: RowKey;
    const TABLE: &'static Table;

    fn key(&self) -> Self::Key;

    /// Every column's value, in the order of the table's columns.
    fn cells(&self) -> Vec<Cell<'_>>;

    /// What a ledger commits to, column by column.
    fn committed(&self) -> Vec<Cell<'_>>;

    /// The row that was stored, from its columns in the same order.
    ///
    /// # Errors
    /// When a column holds something that its type never stored.
    fn from_cells<'c>(cell: &mut dyn FnMut(usize) -> CellRef<'c>) -> Result<Self, Corrupt>;
}

/// What a row is found by: one column, or several in order.
pub trait RowKey: Clone + Eq + Ord + Hash + Send + Sync + 'static {
    fn cells(&self) -> Vec<Cell<'_>>;

    /// The key that has these columns, if one can.
    fn from_cells<'c>(cell: &mut dyn FnMut(usize) -> CellRef<'c>) -> Option<Self>;
}

impl<T: Column + Clone + Eq + Ord + Hash + Send + Sync + 'static> RowKey for T {
    fn cells(&self) -> Vec<Cell<'_>> {
        vec![self.cell()]
    }

    fn from_cells<'c>(cell: &mut dyn FnMut(usize) -> CellRef<'c>) -> Option<Self> {
        Self::from_cell(cell(0))
    }
}

macro_rules! tuple_keys {
    ($($($name:ident $place:tt),+;)+) => {$(
        impl<$($name: Column + Clone + Eq + Ord + Hash + Send + Sync + 'static),+> RowKey for ($($name,)+) {
            fn cells(&self) -> Vec<Cell<'_>> {
                vec![$(self.$place.cell()),+]
            }

            fn from_cells<'c>(cell: &mut dyn FnMut(usize) -> CellRef<'c>) -> Option<Self> {
                Some(($($name::from_cell(cell($place))?,)+))
            }
        }
    )+};
}

tuple_keys! {
    A 0, B 1;
    A 0, B 1, C 2;
}

/// Reads one column of a row; [`table!`](crate::table) calls this.
///
/// # Errors
/// When it holds something that its type never stored.
pub fn read_column<T: Column>(cell: CellRef<'_>, name: &str) -> Result<T, Corrupt> {
    T::from_cell(cell).ok_or_else(|| Corrupt { column: name.to_owned(), expected: T::EXPECTED })
}

/// Adds a row to `bytes` in its canonical encoding, column by column.
pub fn encode_row<R: Row>(row: &R, bytes: &mut Vec<u8>) {
    row.cells().iter().for_each(|cell| cell.encode(&mut |part| bytes.extend_from_slice(part)));
}

/// The row that [`encode_row`] wrote; nothing if it did not.
#[must_use]
pub fn decode_row<R: Row>(bytes: &[u8]) -> Option<R> {
    let cells = decode(bytes)?;
    let exactly = cells.len() == R::TABLE.columns.len();
    exactly.then(|| R::from_cells(&mut |place| cells.get(place).copied().unwrap_or(CellRef::Null)).ok())?
}

/// Declares a row once: its struct, its key, its table and whether a replay writes it.
///
/// ```
/// store::table! {
///     /// A boat and where it lies.
///     pub struct Boat in "boats", Replayed {
///         key { pub number: u32 }
///         pub berth: Option<String>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! table {
    (
        $(#[$doc:meta])*
        $vis:vis struct $row:ident in $table:literal, $durability:ident {
            key { $($(#[$key_doc:meta])* $key_vis:vis $key:ident: $key_type:ty),+ $(,)? }
            $($(#[$field_doc:meta])* $field_vis:vis $field:ident: $field_type:ty),* $(,)?
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $vis struct $row {
            $($(#[$key_doc])* $key_vis $key: $key_type,)+
            $($(#[$field_doc])* $field_vis $field: $field_type,)*
        }

        impl $crate::Row for $row {
            type Key = $crate::table!(@key_type $($key_type),+);
            const TABLE: &'static $crate::Table = &$crate::Table {
                name: $table,
                durability: $crate::Durability::$durability,
                columns: &[
                    $($crate::table!(@column $key, $key_type),)+
                    $($crate::table!(@column $field, $field_type),)*
                ],
                key_columns: [$(stringify!($key)),+].len(),
            };

            fn key(&self) -> Self::Key {
                $crate::table!(@key_value self, $($key),+)
            }

            fn cells(&self) -> Vec<$crate::Cell<'_>> {
                vec![
                    $($crate::Column::cell(&self.$key),)+
                    $($crate::Column::cell(&self.$field),)*
                ]
            }

            fn committed(&self) -> Vec<$crate::Cell<'_>> {
                vec![
                    $($crate::Column::committed(&self.$key),)+
                    $($crate::Column::committed(&self.$field),)*
                ]
            }

            fn from_cells<'c>(
                cell: &mut dyn FnMut(usize) -> $crate::CellRef<'c>,
            ) -> Result<Self, $crate::Corrupt> {
                let mut places = 0..;
                let mut next = move || places.next().unwrap_or(usize::MAX);
                Ok(Self {
                    $($key: $crate::read_column(cell(next()), stringify!($key))?,)+
                    $($field: $crate::read_column(cell(next()), stringify!($field))?,)*
                })
            }
        }
    };
    (@column $name:ident, $type:ty) => {
        $crate::ColumnDef { name: stringify!($name), column_type: <$type as $crate::Column>::TYPE }
    };
    (@key_type $only:ty) => { $only };
    (@key_type $($several:ty),+) => { ($($several,)+) };
    (@key_value $self:ident, $only:ident) => { ::std::clone::Clone::clone(&$self.$only) };
    (@key_value $self:ident, $($several:ident),+) => { ($(::std::clone::Clone::clone(&$self.$several),)+) };
}
