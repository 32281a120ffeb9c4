//! Who was erased: a list that outlives every backup, so that a restore erases them again.

use authz::Person;
use ids::Id;
use store::{Snapshot, StoreError, table};

use crate::sql;

table! {
    /// A person whose erasable parts are gone.
    pub struct Erased in "erased", Log {
        key { pub person: Id<Person> }
        /// The entry that erased them.
        pub entry: u64,
    }
}

/// Everybody who was erased.
///
/// # Errors
/// When the store fails.
pub fn all_erased(snapshot: &Snapshot<'_>) -> Result<Vec<Erased>, StoreError> {
    snapshot.rows("ORDER BY person", &[])
}

/// How many were erased.
///
/// # Errors
/// When the store fails.
pub fn count_erased(snapshot: &Snapshot<'_>) -> Result<u64, StoreError> {
    sql::erased(snapshot)
}
