//! A log in parts: ranges of its numbers, each a table of its own, so that what is old can be moved or archived
//! whole and no index or vacuum ever has to cover all of it.
//!
//! Parts are made well ahead, beside the batches: attaching an empty one holds up neither readers nor writers.

use super::{
    request::Request,
    session::{Kind, Session},
    values::cell_ref,
};
use crate::{cell::CellRef, error::StoreError, migrate::Landmarks};

/// Parts that are kept ahead of the newest row.
const AHEAD: u64 = 4;

/// The statement that makes a log's table, as one that is kept in parts.
pub(super) fn in_parts(sql: &str, log: Landmarks) -> String {
    let begins = format!("CREATE TABLE {} (", log.table);
    let statements = sql.split_inclusive(';').map(|statement| match statement.trim_end().strip_suffix(';') {
        Some(makes) if makes.contains(&begins) => format!("{makes} PARTITION BY RANGE (\"{}\");", log.number),
        Some(_) | None => statement.to_owned(),
    });
    statements.collect()
}

/// Makes parts until there is room well beyond `rows` rows; tells how many rows there is room for.
pub(crate) fn make_room(session: &Session, log: Landmarks, rows: u64) -> Result<u64, StoreError> {
    session.begin(Kind::Batch);
    match make_room_inside(session, log, rows) {
        Ok(room) => session.commit(&[]).map(|()| room),
        Err(error) => {
            session.end();
            Err(error)
        }
    }
}

/// When this many rows more would not fit any more, it is time to make room again.
pub(crate) fn reserve(session: &Session) -> u64 {
    part_rows(session) * AHEAD / 2
}

/// The same in a transaction that has begun.
pub(super) fn make_room_inside(session: &Session, log: Landmarks, rows: u64) -> Result<u64, StoreError> {
    let Landmarks { table, number, .. } = log;
    let schema = session.schema();
    let kind = format!(
        "SELECT CASE WHEN relkind = 'p' THEN 1 ELSE 0 END::BIGINT FROM pg_class WHERE oid = to_regclass('\"{schema}\".{table}')"
    );
    // The table may not be made yet, or stem from before there were parts: there is room for all.
    if ask(session, &kind)? != 1 {
        return Ok(u64::MAX);
    }
    let ends = format!(
        "SELECT COALESCE(max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''?([0-9]+)')::BIGINT), 0) \
         FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = to_regclass('\"{schema}\".{table}')"
    );
    let (mut end, each) = (ask(session, &ends)?, part_rows(session));
    let newest = format!("SELECT COALESCE(max(\"{number}\") + 1, 0) FROM {table}");
    let wanted = rows.max(ask(session, &newest)?) + each * AHEAD;
    while end < wanted {
        let (from, to) = (end, end + each);
        session.execute_all(&format!(
            "CREATE TABLE {table}_from_{from} (LIKE {table} INCLUDING ALL); \
             ALTER TABLE {table} ATTACH PARTITION {table}_from_{from} FOR VALUES FROM ({from}) TO ({to})"
        ))?;
        end = to;
    }
    Ok(end)
}

fn part_rows(session: &Session) -> u64 {
    session.server().config().log_part_rows.get().into()
}

/// The one number that a query finds.
fn ask(session: &Session, sql: &str) -> Result<u64, StoreError> {
    let answers = session.ask(&[Request::new(sql, &[])])?;
    let found = answers.iter().flat_map(|answer| &answer.rows).next();
    Ok(match found.map(|row| cell_ref(row, 0)) {
        Some(CellRef::Integer(number)) => u64::try_from(number).unwrap_or_default(),
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_logs_own_table_is_kept_in_parts() {
        let log = Landmarks { table: "catches", number: "day", mark: "salt" };
        let sql = "-- Fish.\nCREATE TABLE catches (\n    day BIGINT PRIMARY KEY\n);\nCREATE TABLE boats (id BYTEA);\n";
        let parted = in_parts(sql, log);
        assert!(
            parted.contains("PRIMARY KEY\n) PARTITION BY RANGE (\"day\");\nCREATE TABLE boats (id BYTEA);")
        );
    }
}
