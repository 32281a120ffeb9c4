//! Values on their way to the server and back, in its binary formats.

use bytes::BytesMut;
use postgres_protocol::types as protocol;
use tokio_postgres::{
    Row as FoundRow,
    types::{FromSql, IsNull, ToSql, Type, WrongType},
};

use super::request::Value;
use crate::{
    cell::{Cell, CellRef, ColumnType, Corrupt},
    error::StoreError,
    row::Row,
};

type Encoded = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

/// The type of one value; the server finds out itself what nothing is.
pub(super) const fn single(cell: &Cell<'_>) -> Type {
    match cell {
        Cell::Null => Type::UNKNOWN,
        Cell::Boolean(_) => Type::BOOL,
        Cell::Integer(_) => Type::INT8,
        Cell::Text(_) => Type::TEXT,
        Cell::Bytes(_) | Cell::Short(_) => Type::BYTEA,
    }
}

/// The type of a list of a column's values.
pub(super) const fn column_array(column: ColumnType) -> Type {
    match column {
        ColumnType::BigInt => Type::INT8_ARRAY,
        ColumnType::Text => Type::TEXT_ARRAY,
        ColumnType::Bytea => Type::BYTEA_ARRAY,
        ColumnType::Boolean => Type::BOOL_ARRAY,
    }
}

const fn element(column: ColumnType) -> Type {
    match column {
        ColumnType::BigInt => Type::INT8,
        ColumnType::Text => Type::TEXT,
        ColumnType::Bytea => Type::BYTEA,
        ColumnType::Boolean => Type::BOOL,
    }
}

fn encode(cell: &Cell<'_>, out: &mut BytesMut) -> IsNull {
    match cell {
        Cell::Null => return IsNull::Yes,
        Cell::Boolean(truth) => protocol::bool_to_sql(*truth, out),
        Cell::Integer(number) => protocol::int8_to_sql(*number, out),
        Cell::Text(text) => protocol::text_to_sql(text, out),
        Cell::Bytes(bytes) => protocol::bytea_to_sql(bytes, out),
        Cell::Short(bytes) => protocol::bytea_to_sql(bytes, out),
    }
    IsNull::No
}

impl ToSql for Value<'_> {
    fn to_sql(&self, _type: &Type, out: &mut BytesMut) -> Encoded {
        let (column, cells) = match self {
            Value::One(cell) => return Ok(encode(cell, out)),
            Value::Column(column, cells) => (column, cells),
        };
        let dimension = protocol::ArrayDimension { len: i32::try_from(cells.len())?, lower_bound: 1 };
        let write = |cell: &Cell<'_>, out: &mut BytesMut| {
            Ok(match encode(cell, out) {
                IsNull::Yes => postgres_protocol::IsNull::Yes,
                IsNull::No => postgres_protocol::IsNull::No,
            })
        };
        protocol::array_to_sql([dimension], element(column.column_type).oid(), cells, write, out)?;
        Ok(IsNull::No)
    }

    /// Types are always those of the request itself.
    fn accepts(_type: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        self.to_sql(ty, out)
    }
}

/// A found value, borrowed from its row.
struct Found<'a>(CellRef<'a>);

impl<'a> FromSql<'a> for Found<'a> {
    fn from_sql(found: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let cell = match *found {
            Type::INT8 => CellRef::Integer(protocol::int8_from_sql(raw)?),
            Type::INT4 => CellRef::Integer(protocol::int4_from_sql(raw)?.into()),
            Type::BOOL => CellRef::Integer(protocol::bool_from_sql(raw)?.into()),
            Type::TEXT | Type::NAME | Type::VARCHAR => CellRef::Text(protocol::text_from_sql(raw)?),
            Type::BYTEA => CellRef::Bytes(raw),
            _ => return Err(Box::new(WrongType::new::<String>(found.clone()))),
        };
        Ok(Self(cell))
    }

    fn from_sql_null(_type: &Type) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(CellRef::Null))
    }

    fn accepts(_type: &Type) -> bool {
        true
    }
}

/// The value in one place of a row. What is of no type of ours is no column's value.
pub(crate) fn cell_ref(row: &FoundRow, place: usize) -> CellRef<'_> {
    row.try_get::<_, Found<'_>>(place).map_or(CellRef::Null, |Found(cell)| cell)
}

/// A whole row of a table.
pub(crate) fn read_row<R: Row>(row: &FoundRow) -> Result<R, StoreError> {
    R::from_cells(&mut |place| cell_ref(row, place))
        .map_err(|source: Corrupt| StoreError::Corrupt { table: R::TABLE.name, source })
}
