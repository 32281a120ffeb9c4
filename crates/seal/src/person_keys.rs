//! The store of persons' data keys: a database of its own, outside the services' and their backups.

use std::{
    fmt,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

use authz::Person;
use clock::Clock;
use ids::Id;
use problem::Problem;
use store::{Databases, Group, Readers, Schema, Store, StoreError, TakerGuard, Writer};
use tokio::sync::oneshot;

use crate::{Keys, PersonKey, UnwrapError};

store::table! {
    /// One person's data key, wrapped.
    pub(crate) struct WrappedKey in "person_keys", Operational {
        key { pub(crate) person: Id<Person> }
        pub(crate) wrapped: Vec<u8>,
    }
}

/// The name of the database.
pub(crate) const DATABASE: &str = "person-keys";

/// The store's one table.
pub(crate) fn schema() -> Schema {
    Schema::new()
        .migration("seal/0001_person_keys", include_str!("../migrations/0001_person_keys.sql"))
        .table::<WrappedKey>()
}

/// Changes that may wait for the disk.
const WAITING_MAX: usize = 10_000;

/// Why a person's key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PersonKeyError {
    #[error("the store of persons' keys failed")]
    Store(#[from] StoreError),
    #[error("a person's key cannot be unwrapped")]
    Unwrap(#[from] UnwrapError),
    #[error("too many keys are being made")]
    Busy,
    #[error("the store of persons' keys has stopped")]
    Stopped,
    #[error("a thread of the store of persons' keys does not start")]
    Thread(#[from] std::io::Error),
}

/// Makes, finds and destroys persons' data keys. Cheap to clone.
#[derive(Clone)]
pub struct PersonKeys(Arc<Shared>);

struct Shared {
    keys: Keys,
    clock: Clock,
    readers: Readers,
    waiting: Arc<Group<Change>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Change {
    row: WrappedKey,
    kind: Kind,
    done: oneshot::Sender<Result<(), StoreError>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Keep,
    Destroy,
}

impl PersonKeys {
    /// Opens the store among `databases`, and makes it if it is not there.
    ///
    /// # Errors
    /// When the database does not open.
    pub fn open(databases: &Databases, keys: Keys, clock: Clock) -> Result<Self, PersonKeyError> {
        let Store { writer, readers } = databases.open(DATABASE, &schema())?;
        let waiting = Arc::new(Group::new(WAITING_MAX));
        let changes = Arc::clone(&waiting);
        let thread =
            thread::Builder::new().name("person-keys".to_owned()).spawn(move || run(writer, &changes))?;
        Ok(Self(Arc::new(Shared { keys, clock, readers, waiting, thread: Mutex::new(Some(thread)) })))
    }

    /// Makes a key for a new person. It is durable before it is returned, so nothing is ever sealed under
    /// a key that could be lost.
    ///
    /// # Errors
    /// When the key could not be made durable.
    pub async fn create(&self, person: Id<Person>) -> Result<PersonKey, PersonKeyError> {
        let key = PersonKey::generate(&self.0.clock);
        let wrapped = self.0.keys.wrap(person, &key);
        self.change(WrappedKey { person, wrapped }, Kind::Keep).await?;
        Ok(key)
    }

    /// The key of this person; nothing if they have none, or it was destroyed.
    ///
    /// # Errors
    /// When the store fails, or the key was wrapped under a generation that is gone.
    pub async fn find(&self, person: Id<Person>) -> Result<Option<PersonKey>, PersonKeyError> {
        let row = self.0.readers.read(move |snapshot| snapshot.get::<WrappedKey>(&person)).await?;
        Ok(row.map(|row| self.0.keys.unwrap(person, &row.wrapped)).transpose()?)
    }

    /// Destroys the key of this person: what was sealed under it says nothing any more, wherever a copy is.
    /// Destroying twice is destroying once.
    ///
    /// # Errors
    /// When the destruction could not be made durable.
    pub async fn destroy(&self, person: Id<Person>) -> Result<(), PersonKeyError> {
        self.change(WrappedKey { person, wrapped: Vec::new() }, Kind::Destroy).await
    }

    async fn change(&self, row: WrappedKey, kind: Kind) -> Result<(), PersonKeyError> {
        let (done, answered) = oneshot::channel();
        self.0.waiting.join(Change { row, kind, done }).map_err(|_| PersonKeyError::Busy)?;
        Ok(answered.await.map_err(|_| PersonKeyError::Stopped)??)
    }

    /// Finishes what waits and ends. Blocks; call it from a thread that may wait.
    pub fn stop(&self) {
        self.0.waiting.close();
        let thread = self.0.thread.lock().expect("nobody panics holding the thread").take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(code = "seal/thread-panicked", "the thread of the key store had panicked");
        }
    }
}

/// Writes changes as they come, all that wait with one sync.
fn run(mut writer: Writer, waiting: &Arc<Group<Change>>) {
    let _guard = TakerGuard(Arc::clone(waiting));
    let mut batch = Vec::new();
    while waiting.take(&mut batch, WAITING_MAX) {
        let written = write(&mut writer, &batch);
        let failed = written.as_ref().err().map(ToString::to_string);
        if let Some(error) = &failed {
            tracing::error!(code = "seal/keys-not-durable", %error, "persons' keys could not be written");
        }
        for change in batch.drain(..) {
            // Whoever asked may have gone away meanwhile.
            drop(change.done.send(if failed.is_some() { Err(StoreError::Stopped) } else { Ok(()) }));
        }
    }
    if let Err(error) = writer.fold_log() {
        tracing::warn!(code = "seal/log-not-folded", %error, "the write-ahead log stays for the next start");
    }
}

fn write(writer: &mut Writer, changes: &[Change]) -> Result<(), StoreError> {
    let mut batch = writer.begin()?;
    for change in changes {
        match change.kind {
            Kind::Keep => batch.tx().put(change.row.clone()),
            Kind::Destroy => batch.tx().delete(change.row.clone()),
        }
        batch.keep();
    }
    batch.flush()?;
    batch.commit()?;
    drop(batch);
    if changes.iter().any(|change| change.kind == Kind::Destroy) {
        // The destroyed key still stands in the write-ahead log: fold that away too.
        writer.fold_log()?;
    }
    Ok(())
}

impl From<PersonKeyError> for Problem {
    fn from(error: PersonKeyError) -> Self {
        let soon = Duration::from_secs(1);
        match error {
            PersonKeyError::Busy => {
                Self::unavailable("seal/busy", "the server is busy; try again soon", soon)
            }
            PersonKeyError::Stopped => Self::unavailable("seal/stopped", "the server is stopping", soon),
            PersonKeyError::Store(error) => error.into(),
            PersonKeyError::Unwrap(_) | PersonKeyError::Thread(_) => Self::internal(&error),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl fmt::Debug for PersonKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PersonKeys(..)")
    }
}
