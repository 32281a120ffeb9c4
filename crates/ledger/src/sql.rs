//! Queries that are more than a key or a range of rows.

use authz::Person;
use ids::Id;
use store::{Cell, Snapshot, StoreError};

/// How many entries there are.
pub(crate) fn size(snapshot: &Snapshot<'_>) -> Result<u64, StoreError> {
    let mut size = 0;
    snapshot.query("SELECT \"index\" FROM entries ORDER BY \"index\" DESC LIMIT 1", &[], |cells| {
        size = cells.read::<u64>(0)? + 1;
        Ok(())
    })?;
    Ok(size)
}

/// Whom the entries from `from` to before `to` are about.
pub(crate) fn subjects(snapshot: &Snapshot<'_>, from: u64, to: u64) -> Result<Vec<Id<Person>>, StoreError> {
    let bounds = [from, to].map(|bound| Cell::Integer(i64::try_from(bound).unwrap_or(i64::MAX)));
    let sql = "SELECT DISTINCT subject FROM entries WHERE \"index\" >= $1 AND \"index\" < $2 AND subject IS NOT NULL";
    let mut found = Vec::new();
    snapshot.query(sql, &bounds, |cells| {
        found.push(cells.read(0)?);
        Ok(())
    })?;
    Ok(found)
}

/// How many people were erased.
pub(crate) fn erased(snapshot: &Snapshot<'_>) -> Result<u64, StoreError> {
    let mut erased = 0;
    snapshot.query("SELECT count(*) FROM erased", &[], |cells| {
        erased = cells.read(0)?;
        Ok(())
    })?;
    Ok(erased)
}
