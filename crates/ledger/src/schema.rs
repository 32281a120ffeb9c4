//! The tables that every ledger has.

use store::{Schema, news_schema};

use crate::{entry::Entry, erased::Erased, idempotency::Answered, tree::StoredTile};

/// The ledger's own tables; a service adds its own with [`Schema::and`].
#[must_use]
pub fn schema() -> Schema {
    news_schema()
        .migration("ledger/0001_entries", include_str!("../migrations/0001_entries.sql"))
        .log::<Entry>("salt")
        .table::<StoredTile>()
        .table::<Erased>()
        .table::<Answered>()
}
