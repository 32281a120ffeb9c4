//! What this service has to know of people, from whoever knows them.

use std::sync::Arc;

use authz::Person;
use board::Election;
use futures_util::future::BoxFuture;
use ids::Id;
use problem::Problem;
use seal::Keys;

/// Whoever knows people by name. The server implements it with its service of identities.
pub trait People: Send + Sync + 'static {
    /// The keyed hash under which a sign-in name is known.
    ///
    /// # Errors
    /// When it can be nobody's name.
    fn index_of_name(&self, name: &str) -> Result<[u8; 32], Problem>;

    /// The keyed hash of a person's sign-in name; nothing if they were erased.
    fn index_of(&self, person: Id<Person>) -> BoxFuture<'_, Result<Option<[u8; 32]>, Problem>>;

    /// The person whose sign-in name has this keyed hash.
    fn person_of(&self, index: [u8; 32]) -> BoxFuture<'_, Result<Option<Id<Person>>, Problem>>;
}

/// People, as handlers share them.
pub type SharedPeople = Arc<dyn People>;

/// How an election's roll knows somebody: by another hash in each election.
pub(crate) fn voter_hash(keys: &Keys, election: Id<Election>, index: &[u8; 32]) -> [u8; 32] {
    let key = keys.derive("election roll", &election.to_bytes());
    *blake3::keyed_hash(key.as_bytes(), index).as_bytes()
}
