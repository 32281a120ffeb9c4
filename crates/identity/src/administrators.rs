//! How many administrators there are: never none, once there was one.

use authz::Role;
use store::{StoreError, Tx};

use crate::person::{Counter, Person};

/// The counter of administrators who may sign in.
pub(crate) const ADMINISTRATORS: &str = "administrators";

/// The sign-in name of the administrator whom the first start registers. Nobody else can take it.
pub const FIRST_ADMINISTRATOR: &str = "administrator";

/// Counts administrators anew when what somebody may do changes; says no when none would be left.
///
/// # Errors
/// When the store fails.
pub(crate) fn recount(
    tx: &mut Tx<'_>,
    before: Option<&Person>,
    after: Option<&Person>,
) -> Result<bool, StoreError> {
    let counts = |person: Option<&Person>| {
        person.is_some_and(|person| !person.disabled && person.roles.contains(Role::Administrator))
    };
    let counted = tx.get::<Counter>(ADMINISTRATORS.to_owned())?.map_or(0, |counter| counter.value);
    let value = match (counts(before), counts(after)) {
        (false, true) => counted.saturating_add(1),
        (true, false) if counted <= 1 => return Ok(false),
        (true, false) => counted - 1,
        (true, true) | (false, false) => return Ok(true),
    };
    tx.put(Counter { name: ADMINISTRATORS.to_owned(), value });
    Ok(true)
}
