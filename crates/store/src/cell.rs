//! One value of one row: how a field goes to the engine and comes back.

use std::{borrow::Cow, cmp::Ordering};

use authz::{PersonKind, Roles};
use clock::Timestamp;
use ids::Id;

/// A value on its way to the engine; borrowed where it can be, so that binding a row allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    /// Sixteen bytes held in place: an identifier.
    Short([u8; 16]),
}

/// A value as the engine holds it; true and false come as 1 and 0 from either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellRef<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// The types that columns may have, by the names both engines know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    BigInt,
    Text,
    Bytea,
    Boolean,
}

/// A stored value that no program of ours wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column `{column}` is not {expected}")]
pub struct Corrupt {
    pub column: String,
    pub expected: &'static str,
}

/// A type that a column can hold.
pub trait Column: Sized {
    /// The column's type in SQL.
    const TYPE: ColumnType;
    /// What a reader is told when the stored value is something else.
    const EXPECTED: &'static str;

    /// The value as stored.
    fn cell(&self) -> Cell<'_>;

    /// The value that was stored, or nothing if it is not one of this type.
    fn from_cell(cell: CellRef<'_>) -> Option<Self>;

    /// What a ledger commits to: the value itself, unless an erasure may take the value away.
    fn committed(&self) -> Cell<'_> {
        self.cell()
    }
}

impl ColumnType {
    /// The name of the type in SQL.
    #[must_use]
    pub const fn sql(self) -> &'static str {
        match self {
            Self::BigInt => "BIGINT",
            Self::Text => "TEXT",
            Self::Bytea => "BYTEA",
            Self::Boolean => "BOOLEAN",
        }
    }
}

impl Cell<'_> {
    /// The order that both engines sort values of one column by.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.cmp(right),
            (Self::Text(left), Self::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            _ => self.bytes().cmp(&other.bytes()),
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Short(bytes) => Some(bytes),
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Text(_) => None,
        }
    }

    /// The same value on its own.
    pub(crate) fn into_owned(self) -> Cell<'static> {
        match self {
            Self::Null => Cell::Null,
            Self::Boolean(truth) => Cell::Boolean(truth),
            Self::Integer(number) => Cell::Integer(number),
            Self::Text(text) => Cell::Text(text.into_owned().into()),
            Self::Bytes(bytes) => Cell::Bytes(bytes.into_owned().into()),
            Self::Short(bytes) => Cell::Short(bytes),
        }
    }

    /// Feeds the value to `sink` in its canonical encoding: a tag, the length where it varies, the bytes.
    pub fn encode(&self, sink: &mut impl FnMut(&[u8])) {
        match self {
            Self::Null => sink(&[0]),
            Self::Boolean(truth) => encode_integer((*truth).into(), sink),
            Self::Integer(number) => encode_integer(*number, sink),
            Self::Text(text) => encode_bytes(2, text.as_bytes(), sink),
            Self::Bytes(bytes) => encode_bytes(3, bytes, sink),
            Self::Short(bytes) => encode_bytes(3, bytes, sink),
        }
    }
}

fn encode_integer(number: i64, sink: &mut impl FnMut(&[u8])) {
    let mut bytes = [1; 9];
    bytes[1..].copy_from_slice(&number.to_be_bytes());
    sink(&bytes);
}

fn encode_bytes(tag: u8, bytes: &[u8], sink: &mut impl FnMut(&[u8])) {
    let mut head = [tag; 9];
    head[1..].copy_from_slice(&(bytes.len() as u64).to_be_bytes());
    sink(&head);
    sink(bytes);
}

/// The cells that [`Cell::encode`] wrote one after the other; nothing if it did not write them.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<CellRef<'_>>> {
    let mut cells = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        bytes = rest;
        cells.push(match tag {
            0 => CellRef::Null,
            1 => CellRef::Integer(i64::from_be_bytes(*take_array(&mut bytes)?)),
            2 => CellRef::Text(std::str::from_utf8(take_run(&mut bytes)?).ok()?),
            3 => CellRef::Bytes(take_run(&mut bytes)?),
            _ => return None,
        });
    }
    Some(cells)
}

fn take_array<'b, const N: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (array, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(array)
}

fn take_run<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = u64::from_be_bytes(*take_array(bytes)?);
    let (run, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(run)
}

/// Columns that are stored as whole numbers.
macro_rules! integers {
    ($($type:ty, $expected:literal;)+) => {$(
        impl Column for $type {
            const TYPE: ColumnType = ColumnType::BigInt;
            const EXPECTED: &'static str = $expected;

            fn cell(&self) -> Cell<'_> {
                Cell::Integer(i64::from(*self))
            }

            fn from_cell(cell: CellRef<'_>) -> Option<Self> {
                let CellRef::Integer(number) = cell else { return None };
                Self::try_from(number).ok()
            }
        }
    )+};
}

integers! {
    u8, "a whole number from 0 to 255";
    u16, "a whole number from 0 to 65535";
    u32, "a whole number of 32 bits";
    i64, "a whole number";
}

impl Column for u64 {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "a whole number of 63 bits";

    /// Counts and indexes; none of ours comes near 2^63, and one that did would stop here, not wrap.
    fn cell(&self) -> Cell<'_> {
        Cell::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        let CellRef::Integer(number) = cell else { return None };
        Self::try_from(number).ok()
    }
}

impl Column for bool {
    const TYPE: ColumnType = ColumnType::Boolean;
    const EXPECTED: &'static str = "true or false";

    fn cell(&self) -> Cell<'_> {
        Cell::Boolean(*self)
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        match cell {
            CellRef::Integer(0) => Some(false),
            CellRef::Integer(1) => Some(true),
            CellRef::Null | CellRef::Integer(_) | CellRef::Text(_) | CellRef::Bytes(_) => None,
        }
    }
}

impl Column for Timestamp {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "milliseconds since 1970";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(i64::try_from(self.millis()).expect("a timestamp ends with the year 9999"))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        u64::from_cell(cell).map(Self::from_millis)
    }
}

impl<Kind> Column for Id<Kind> {
    const TYPE: ColumnType = ColumnType::Bytea;
    const EXPECTED: &'static str = "the 16 bytes of an identifier";

    fn cell(&self) -> Cell<'_> {
        Cell::Short(self.to_bytes())
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        <[u8; 16]>::from_cell(cell).map(Self::from_bytes)
    }
}

impl<const N: usize> Column for [u8; N] {
    const TYPE: ColumnType = ColumnType::Bytea;
    const EXPECTED: &'static str = "bytes of the right number";

    fn cell(&self) -> Cell<'_> {
        Cell::Bytes(Cow::Borrowed(self))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        let CellRef::Bytes(bytes) = cell else { return None };
        bytes.try_into().ok()
    }
}

impl Column for Vec<u8> {
    const TYPE: ColumnType = ColumnType::Bytea;
    const EXPECTED: &'static str = "bytes";

    fn cell(&self) -> Cell<'_> {
        Cell::Bytes(Cow::Borrowed(self))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        let CellRef::Bytes(bytes) = cell else { return None };
        Some(bytes.to_vec())
    }
}

impl Column for String {
    const TYPE: ColumnType = ColumnType::Text;
    const EXPECTED: &'static str = "text";

    fn cell(&self) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(self))
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        let CellRef::Text(text) = cell else { return None };
        Some(text.to_owned())
    }
}

impl Column for PersonKind {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "the number of a kind of person";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(self.number().into())
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        u8::from_cell(cell).and_then(Self::from_number)
    }
}

impl Column for Roles {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "the bits of roles";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(self.bits().into())
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        u32::from_cell(cell).and_then(Self::from_bits)
    }
}

impl<T: Column> Column for Option<T> {
    const TYPE: ColumnType = T::TYPE;
    const EXPECTED: &'static str = T::EXPECTED;

    fn cell(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, T::cell)
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        match cell {
            CellRef::Null => Some(None),
            CellRef::Integer(_) | CellRef::Text(_) | CellRef::Bytes(_) => T::from_cell(cell).map(Some),
        }
    }

    fn committed(&self) -> Cell<'_> {
        self.as_ref().map_or(Cell::Null, T::committed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cell() -> impl Strategy<Value = Cell<'static>> {
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Integer),
            any::<String>().prop_map(|text| Cell::Text(text.into())),
            any::<Vec<u8>>().prop_map(|bytes| Cell::Bytes(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(cells in prop::collection::vec(any_cell(), 0..8)) {
            let mut bytes = Vec::new();
            cells.iter().for_each(|cell| cell.encode(&mut |part| bytes.extend_from_slice(part)));
            let decoded: Vec<_> = decode(&bytes).expect("it was encoded").into_iter().map(CellRef::to_owned_cell).collect();
            prop_assert_eq!(decoded, cells);
        }

        #[test]
        fn any_bytes_are_cells_or_are_not(bytes: Vec<u8>) {
            decode(&bytes);
        }
    }
}
