//! Looking up what may be shown of somebody, and what is shown of them while the database is away.

use authz::{PersonKind, Roles};
use cache::{Cache, Fallback, FallbackConfig, Found, Tag};
use clock::Timestamp;
use ids::Id;
use ledger::{Hearer, Watcher};
use problem::Problem;
use store::{Changes, ErasableKey, StoreError};

use crate::{Identity, login_name::LoginName, person::Person, register::no_such_person, sql};

/// What may be shown of a person. Nothing of it is sealed: only such things are kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: Id<authz::Person>,
    pub(crate) kind: PersonKind,
    pub(crate) roles: Roles,
    pub(crate) disabled: bool,
    pub(crate) has_password: bool,
    pub(crate) created_at: Timestamp,
}

impl Shown {
    pub(crate) const fn of(person: &Person) -> Self {
        Self {
            id: person.id,
            kind: person.kind,
            roles: person.roles,
            disabled: person.disabled,
            has_password: person.password.is_some(),
            created_at: person.created_at,
        }
    }
}

enum LookUpError {
    NoSuchPerson,
    Store(StoreError),
}

/// What was last shown of people.
#[derive(Debug)]
pub(crate) struct LastShown(Fallback<Shown>);

impl LastShown {
    pub(crate) fn new(cache: &Cache) -> Self {
        Self(Fallback::new(cache, "persons", FallbackConfig::default()))
    }

    /// Has a commit of this node take back what it changed, before it is answered.
    pub(crate) fn watch(cache: &Cache) -> Watcher {
        let cache = cache.clone();
        Box::new(move |changes: &Changes<'_>| {
            let tags: Vec<_> = changes.of::<Person>().map(|(id, _)| tag(*id)).collect();
            if !tags.is_empty() {
                cache.drop_here(&tags);
            }
        })
    }

    /// The same for what other nodes commit.
    pub(crate) fn hear(cache: &Cache) -> Hearer {
        let cache = cache.clone();
        Box::new(move |people| cache.drop_here(&people.iter().copied().map(tag).collect::<Vec<_>>()))
    }
}

fn tag(person: Id<authz::Person>) -> Tag {
    Tag::of(&format!("person:{person}"))
}

impl Identity {
    /// The keyed hash under which a sign-in name is known, whether or not anybody has it.
    ///
    /// # Errors
    /// When it can be nobody's name.
    pub fn index_of_name(&self, name: &str) -> Result<[u8; 32], Problem> {
        Ok(name.parse::<LoginName>()?.blind_index(self.keys()).0)
    }

    /// The keyed hash of a person's sign-in name; nothing if there is no such person.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn index_of(&self, person: Id<authz::Person>) -> Result<Option<[u8; 32]>, Problem> {
        let read = self.ledger().readers().read(move |snapshot| snapshot.get::<Person>(&person));
        let index = read.await?.and_then(|person| person.login.content()?.try_into().ok());
        Ok(index)
    }

    /// The person whose sign-in name has this keyed hash.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn person_of(&self, index: [u8; 32]) -> Result<Option<Id<authz::Person>>, Problem> {
        let read = move |snapshot: &store::Snapshot<'_>| sql::person_named(snapshot, ErasableKey(index));
        Ok(self.ledger().readers().read(read).await?.map(|person| person.id))
    }

    /// What may be shown of a person: as it is, or while the database is away, as it was when it was last
    /// shown here. `seen` is the newest entry that the caller knows of: what may be older is not shown.
    ///
    /// # Errors
    /// When there is no such person, or the store fails.
    pub(crate) async fn look_up(
        &self,
        person: Id<authz::Person>,
        seen: Option<u64>,
    ) -> Result<Found<Shown>, Problem> {
        let reading = async {
            let read = self.ledger().readers().read(move |snapshot| snapshot.get::<Person>(&person));
            match read.await {
                Ok(Some(person)) => Ok(Shown::of(&person)),
                Ok(None) => Err(LookUpError::NoSuchPerson),
                Err(error) => Err(LookUpError::Store(error)),
            }
        };
        let may_be_old = |error: &LookUpError| match error {
            LookUpError::NoSuchPerson => false,
            LookUpError::Store(error) => {
                error.is_away() && seen.is_none_or(|seen| self.ledger().has_heard(seen))
            }
        };
        let LastShown(last) = self.last_shown();
        let bytes = |_: &Shown| size_of::<Shown>();
        let found = last.read(&person.to_string(), &[tag(person)], reading, bytes, may_be_old).await;
        found.map_err(|error| match error {
            LookUpError::NoSuchPerson => no_such_person(),
            LookUpError::Store(error) => error.into(),
        })
    }
}
