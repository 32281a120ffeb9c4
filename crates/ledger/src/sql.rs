//! Queries that are more than a key or a range of rows.

use store::{Snapshot, StoreError};

/// How many entries there are.
pub(crate) fn size(snapshot: &Snapshot<'_>) -> Result<u64, StoreError> {
    let mut size = 0;
    snapshot.query("SELECT \"index\" FROM entries ORDER BY \"index\" DESC LIMIT 1", &[], |cells| {
        size = cells.read::<u64>(0)? + 1;
        Ok(())
    })?;
    Ok(size)
}
