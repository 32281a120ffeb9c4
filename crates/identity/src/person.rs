//! A person as this service knows them: a number and a few facts in the clear, the rest sealed.

use authz::{PersonKind, Roles};
use clock::Timestamp;
use ids::Id;
use store::{Erasable, ErasableKey, StoreError, Tx, table};

/// The name under which this service seals, derives and counts.
pub const SERVICE: &str = "identity";

table! {
    /// Someone who can sign in.
    pub struct Person in "persons", Replayed {
        key { pub id: Id<authz::Person> }
        /// Counts up from one, without gaps: an index into tables in memory.
        pub number: u32,
        pub kind: PersonKind,
        pub roles: Roles,
        /// May not sign in until enabled again.
        pub disabled: bool,
        /// The blind index of their sign-in name.
        pub login: Erasable,
        /// Their sign-in name, sealed.
        pub name: Erasable,
        /// Their password's Argon2id verifier, sealed.
        pub password: Option<Erasable>,
        pub created_at: Timestamp,
    }
}

table! {
    /// A sign-in name that is taken.
    pub struct TakenName in "login_names", Replayed {
        key { pub name: ErasableKey }
        pub held: Erasable,
        pub person: Id<authz::Person>,
    }
}

table! {
    /// How often all tokens of the person with this number were ended at once.
    pub struct PersonEpoch in "person_epochs", Replayed {
        key { pub number: u32 }
        pub epoch: u32,
    }
}

table! {
    /// How many of a thing there have been.
    pub struct Counter in "identity_counters", Replayed {
        key { pub name: String }
        pub value: u32,
    }
}

/// The counter of persons.
pub(crate) const PERSONS: &str = "persons";

/// The epoch of someone who was erased: no token has it.
pub(crate) const EPOCH_ERASED: u32 = u32::MAX;

/// The epoch that tokens of the person with this number must have.
///
/// # Errors
/// When the store fails.
pub(crate) fn epoch_of(tx: &mut Tx<'_>, number: u32) -> Result<u32, StoreError> {
    Ok(tx.get::<PersonEpoch>(number)?.map_or(0, |row| row.epoch))
}

/// Ends all tokens of the person with this number.
///
/// # Errors
/// When the store fails.
pub(crate) fn end_all_tokens(tx: &mut Tx<'_>, number: u32) -> Result<(), StoreError> {
    // The last epoch before the erased one would take four billion sign-outs.
    let epoch = epoch_of(tx, number)?.saturating_add(1).min(EPOCH_ERASED - 1);
    tx.put(PersonEpoch { number, epoch });
    Ok(())
}
