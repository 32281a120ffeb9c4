//! Threads that read, each with its own connection, so that a slow disk never holds up a core that serves.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

use rusqlite::Connection;
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::{
    error::StoreError,
    group::{Full, Group},
    snapshot::Snapshot,
    sqlite::{self, SqliteConfig},
};

/// How many threads read, and how many reads may wait for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReaderConfig {
    pub threads: NonZeroUsize,
    pub waiting_max: NonZeroUsize,
}

impl Default for ReaderConfig {
    fn default() -> Self {
        Self {
            threads: NonZeroUsize::new(2).expect("two is positive"),
            waiting_max: NonZeroUsize::new(10_000).expect("ten thousand is positive"),
        }
    }
}

type Read = Box<dyn FnOnce(&Connection) + Send>;

/// A handle to the reading threads; they end when the last handle is gone.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    path: PathBuf,
    waiting: Arc<Group<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(
        path: &Path,
        sqlite: &SqliteConfig,
        config: &ReaderConfig,
    ) -> Result<Self, StoreError> {
        let waiting = Arc::new(Group::<Read>::new(config.waiting_max.get()));
        let mut threads = Vec::new();
        for _ in 0..config.threads.get() {
            let connection = sqlite::open_reader(path, sqlite)?;
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new().name("store-reader".to_owned());
            threads.push(thread.spawn(move || run(&connection, &waiting)).map_err(|_| StoreError::Stopped)?);
        }
        Ok(Self(Arc::new(Pool { path: path.to_owned(), waiting, threads })))
    }

    /// Runs `read` on a snapshot of the database.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too many reads wait already; otherwise what `read` failed with.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Read = Box::new(move |connection| {
            // Whoever asked may have gone away meanwhile.
            drop(answer.send(Snapshot::take(connection, read)));
        });
        self.0.waiting.join(work).map_err(|full| match full {
            Full::Crowded(_) => StoreError::Busy,
            Full::Closed(_) => StoreError::Stopped,
        })?;
        answered.await.map_err(|_| StoreError::Stopped)?.map_err(|error| error.of(&self.0.path))
    }

    /// How many reads wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.len()
    }
}

fn run(connection: &Connection, waiting: &Group<Read>) {
    let mut batch = Vec::new();
    // Few at a time, so that the other readers find some too.
    while waiting.take(&mut batch, 8) {
        for read in batch.drain(..) {
            // A read that panics is answered by the closing of its channel; the thread reads on.
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(connection))));
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.waiting.close();
        for thread in self.threads.drain(..) {
            // The last handle may be dropped by a reader itself, which cannot wait for its own end.
            if thread.thread().id() != thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
