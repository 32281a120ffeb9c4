//! The store of persons' data keys: a database of its own, outside the services' and their backups.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use authz::Person;
use clock::Clock;
use ids::Id;
use problem::Problem;
use store::{Databases, Group, Readers, Schema, Store, StoreError, TakerGuard, Writer};
use tokio::sync::oneshot;

use crate::{Deployment, DeploymentError, Keys, PersonKey, UnwrapError, deployment_schema};

store::table! {
    /// One person's data key, wrapped.
    pub(crate) struct WrappedKey in "person_keys", Operational {
        key { pub(crate) person: Id<Person> }
        pub(crate) wrapped: Vec<u8>,
    }
}

/// The name of the database.
pub(crate) const DATABASE: &str = "person-keys";

/// Changes that may wait for the disk.
const WAITING_MAX: usize = 10_000;

/// Why a person's key is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum PersonKeyError {
    #[error("the store of persons' keys failed")]
    Store(#[from] StoreError),
    #[error("a person's key cannot be unwrapped")]
    Unwrap(#[from] UnwrapError),
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    #[error("too many keys are being made")]
    Busy,
    #[error("a person's key could not be written to disk, so nothing was done; try again")]
    NotDurable,
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
    deployment: Deployment,
    failing: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Change {
    row: WrappedKey,
    kind: Kind,
    done: oneshot::Sender<Result<(), PersonKeyError>>,
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
    /// When the database does not open, or was made with other keys.
    pub fn open(databases: &Databases, keys: Keys, clock: Clock) -> Result<Self, PersonKeyError> {
        let Store { mut writer, readers } = databases.open(DATABASE, &schema())?;
        let deployment = Deployment::found(&mut writer, DATABASE, &keys, &clock)?;
        let (waiting, failing) = (Arc::new(Group::new(WAITING_MAX)), Arc::new(AtomicBool::new(false)));
        let keeping = Keeping { writer, waiting: Arc::clone(&waiting), failing: Arc::clone(&failing) };
        let thread = thread::Builder::new().name(DATABASE.to_owned()).spawn(move || keeping.run())?;
        let thread = Mutex::new(Some(thread));
        Ok(Self(Arc::new(Shared { keys, clock, readers, waiting, deployment, failing, thread })))
    }

    /// Looks at a store that must be there and must not change: was it made with these keys?
    ///
    /// # Errors
    /// When it is not there, or was made with other keys.
    pub fn look(databases: &Databases, keys: &Keys) -> Result<Deployment, PersonKeyError> {
        let reader = databases.open_to_read(DATABASE, &schema())?;
        Ok(Deployment::of(&reader, DATABASE, keys)?)
    }

    /// Has a store been made among these databases?
    ///
    /// # Errors
    /// When they cannot be asked.
    pub fn exist(databases: &Databases) -> Result<bool, PersonKeyError> {
        Ok(databases.exists(DATABASE)?)
    }

    /// The deployment that the store belongs to.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        self.0.deployment
    }

    /// Could the last change not be written?
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// Writes a key of nobody and destroys it: does the disk take it?
    ///
    /// # Errors
    /// When it does not.
    pub async fn probe(&self) -> Result<(), PersonKeyError> {
        let nobody = self.0.clock.id();
        self.create(nobody).await?;
        self.destroy(nobody).await
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
        answered.await.map_err(|_| PersonKeyError::Stopped)?
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

/// Every table of the store.
pub(crate) fn schema() -> Schema {
    let person_keys = Schema::new()
        .migration("seal/0001_person_keys", include_str!("../migrations/0001_person_keys.sql"))
        .table::<WrappedKey>();
    person_keys.and(deployment_schema())
}

/// Owns the loop that writes.
struct Keeping {
    writer: Writer,
    waiting: Arc<Group<Change>>,
    failing: Arc<AtomicBool>,
}

impl Keeping {
    /// Writes changes as they come, all that wait with one sync.
    fn run(mut self) {
        let _guard = TakerGuard(Arc::clone(&self.waiting));
        let mut batch = Vec::new();
        while self.waiting.take(&mut batch, WAITING_MAX) {
            let written = write(&mut self.writer, &batch);
            self.tell(written.as_ref().err());
            for change in batch.drain(..) {
                // Whoever asked may have gone away meanwhile.
                drop(change.done.send(if written.is_ok() {
                    Ok(())
                } else {
                    Err(PersonKeyError::NotDurable)
                }));
            }
        }
        if let Err(error) = self.writer.fold_log() {
            tracing::warn!(code = "seal/log-not-folded", %error, "the write-ahead log stays for the next start");
        }
    }

    /// Says once that keys cannot be written, and once that they can again.
    fn tell(&self, failed: Option<&StoreError>) {
        let failed_before = self.failing.swap(failed.is_some(), Ordering::Relaxed);
        match failed {
            Some(error) if !failed_before => {
                tracing::error!(code = "seal/keys-not-durable", %error, cause = ?error, "persons' keys cannot be written");
            }
            None if failed_before => {
                tracing::info!(code = "seal/keys-durable", "persons' keys can be written again");
            }
            Some(_) | None => {}
        }
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
            PersonKeyError::NotDurable => {
                Self::unavailable("seal/not-durable", error, Duration::from_secs(5))
            }
            PersonKeyError::Store(error) => error.into(),
            PersonKeyError::Unwrap(_) | PersonKeyError::Deployment(_) | PersonKeyError::Thread(_) => {
                Self::internal(&error)
            }
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
