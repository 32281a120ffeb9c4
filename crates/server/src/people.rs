//! What the service of elections has to know of people, from the service of identities.

use authz::Person;
use elections::People;
use futures_util::future::BoxFuture;
use identity::Identity;
use ids::Id;
use problem::Problem;

/// People, as the service of identities knows them.
pub(crate) struct Registered(pub(crate) Identity);

impl People for Registered {
    fn index_of_name(&self, name: &str) -> Result<[u8; 32], Problem> {
        self.0.index_of_name(name)
    }

    fn index_of(&self, person: Id<Person>) -> BoxFuture<'_, Result<Option<[u8; 32]>, Problem>> {
        Box::pin(self.0.index_of(person))
    }

    fn person_of(&self, index: [u8; 32]) -> BoxFuture<'_, Result<Option<Id<Person>>, Problem>> {
        Box::pin(self.0.person_of(index))
    }
}
