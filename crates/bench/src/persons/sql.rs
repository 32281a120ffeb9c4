//! What is asked of the database besides what the service asks.

use ids::Id;
use store::{Cell, Snapshot, StoreError};

/// How SQLite finds a page of people: one line for each of its steps.
pub(super) fn plan_of_a_page(snapshot: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    let sql = "EXPLAIN QUERY PLAN SELECT * FROM persons WHERE id > $1 ORDER BY id LIMIT $2";
    let mut steps = Vec::new();
    snapshot.query(sql, &[Cell::Bytes(vec![0; 16].into()), Cell::Integer(50)], |cells| {
        steps.push(cells.read(3)?);
        Ok(())
    })?;
    Ok(steps)
}

/// The person who came first, and the one who came last.
pub(super) fn first_and_last(snapshot: &Snapshot<'_>) -> Result<Vec<Id<authz::Person>>, StoreError> {
    let mut found = Vec::new();
    snapshot.query("SELECT min(id), max(id) FROM persons", &[], |cells| {
        found.extend([cells.read::<Id<authz::Person>>(0)?, cells.read(1)?]);
        Ok(())
    })?;
    Ok(found)
}
