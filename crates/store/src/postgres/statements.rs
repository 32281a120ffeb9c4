//! The few statements that a table needs, for many rows at a time.

use crate::row::{ColumnDef, Table};

/// The statements of one table, written out once. Values are lists, one for each column.
#[derive(Debug)]
pub(crate) struct Statements {
    /// Finds the rows of a list of keys.
    pub(crate) select: String,
    /// Finds the rows whose keys begin with each of a list, at most `{limit}` of each.
    pub(crate) ranges: String,
    /// Adds rows, and fails if one is there already.
    pub(crate) insert: String,
    /// Puts rows, new or in the place of old ones.
    pub(crate) put: String,
    pub(crate) delete: String,
}

impl Statements {
    pub(crate) fn of(table: &Table) -> Self {
        let names = table.names();
        let keys = &names[..table.key_columns];
        let (all, all_keys) = (names.join(", "), keys.join(", "));
        let wanted = lists(&table.columns[..table.key_columns]);
        let matches: Vec<_> = keys.iter().map(|key| format!("{}.{key} = wanted.{key}", table.name)).collect();
        let matches = matches.join(" AND ");
        let found: Vec<_> = names.iter().map(|name| format!("{}.{name}", table.name)).collect();
        let insert = format!(
            "INSERT INTO {} ({all}) SELECT {all} FROM UNNEST({}) AS wanted ({all})",
            table.name,
            lists(table.columns),
        );
        Self {
            select: format!(
                "SELECT {} FROM {} JOIN UNNEST({wanted}) AS wanted ({all_keys}) ON {matches}",
                found.join(", "),
                table.name,
            ),
            ranges: format!(
                "SELECT found.* FROM UNNEST({}) AS wanted (first) CROSS JOIN LATERAL \
                 (SELECT {all} FROM {} WHERE {} = wanted.first ORDER BY {all_keys} LIMIT {{limit}}) AS found",
                lists(&table.columns[..1]),
                table.name,
                keys[0],
            ),
            put: format!("{insert} {}", table.on_conflict()),
            insert,
            delete: format!(
                "DELETE FROM {} USING UNNEST({wanted}) AS wanted ({all_keys}) WHERE {matches}",
                table.name,
            ),
        }
    }
}

fn lists(columns: &[ColumnDef]) -> String {
    let lists: Vec<_> = (1..)
        .zip(columns)
        .map(|(place, column)| format!("${place}::{}[]", column.column_type.sql()))
        .collect();
    lists.join(", ")
}
