//! All persons' keys at one moment, wrapped as they are, for a backup of their own.

use clock::Clock;
use store::{Databases, StoreError, pack_row, unpack_rows};

use crate::{
    Deployment, Keys,
    person_keys::{DATABASE, PersonKeyError, WrappedKey, schema},
};

/// Every wrapped key, packed.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonKeysCopy(pub Vec<u8>);

/// Reads all keys that there are.
///
/// # Errors
/// When the store fails.
pub fn read_person_keys(databases: &Databases) -> Result<PersonKeysCopy, StoreError> {
    let reader = databases.open_to_read(DATABASE, &schema())?;
    let rows = reader.read(|snapshot| snapshot.rows::<WrappedKey>("ORDER BY person", &[]))?;
    let mut packed = Vec::new();
    rows.iter().for_each(|row| pack_row(row, &mut packed));
    Ok(PersonKeysCopy(packed))
}

/// Puts the keys of a copy into the store, but for those that `leave_out` names. Answers how many they were,
/// and the deployment that other databases are to be marked with; nothing if it is no copy.
///
/// # Errors
/// When the store fails, or was made with other keys.
pub fn write_person_keys(
    databases: &Databases,
    keys: &Keys,
    clock: &Clock,
    copy: &PersonKeysCopy,
    leave_out: impl Fn(&ids::Id<authz::Person>) -> bool,
) -> Result<Option<(u64, Deployment)>, PersonKeyError> {
    let Some(rows) = unpack_rows::<WrappedKey>(&copy.0) else { return Ok(None) };
    let mut store = databases.open(DATABASE, &schema())?;
    let deployment = Deployment::found(&mut store.writer, DATABASE, keys, clock)?;
    let mut batch = store.writer.begin()?;
    let mut written = 0;
    for row in rows.into_iter().filter(|row| !leave_out(&row.person)) {
        batch.replace(row);
        written += 1;
    }
    batch.flush()?;
    batch.commit()?;
    drop(batch);
    store.writer.fold_log()?;
    Ok(Some((written, deployment)))
}

impl std::fmt::Debug for PersonKeysCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKeysCopy(..)")
    }
}
