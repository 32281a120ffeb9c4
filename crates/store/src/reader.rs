//! Threads that read, each with its own connection, so that a slow disk never holds up a core that serves.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::{
    engine::Engine,
    error::StoreError,
    group::{Full, Group},
    instruments::Instruments,
    migrate::Landmarks,
    place::Place,
    postgres::Kind,
    snapshot::Snapshot,
    sources::Sources,
};

/// How many threads read, and how many reads may wait for them.
#[derive(Debug, Clone, Deserialize, Serialize)]
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

/// Takes what to read from, or why there is nothing.
type Read = Box<dyn FnOnce(Result<&Engine, StoreError>) + Send>;

/// Reads that a thread takes at a time: few, so that the other readers find some too.
const TAKEN_MAX: usize = 8;

/// A handle to the reading threads; they end when the last handle is gone.
#[derive(Clone)]
pub struct Readers(Arc<Pool>);

struct Pool {
    place: Place,
    waiting: Arc<Group<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(
        place: &Place,
        landmarks: Option<Landmarks>,
        config: &ReaderConfig,
        instruments: &Instruments,
    ) -> Result<Self, StoreError> {
        let waiting = Arc::new(Group::<Read>::new(config.waiting_max.get()));
        let mut threads = Vec::new();
        for number in 0..config.threads.get() {
            let sources = Sources::open(place, landmarks, number, instruments)?;
            let (waiting, instruments) = (Arc::clone(&waiting), instruments.clone());
            let thread = thread::Builder::new().name("store-reader".to_owned());
            let running = thread.spawn(move || run(sources, &waiting, &instruments));
            threads.push(running.map_err(|_| StoreError::Stopped)?);
        }
        Ok(Self(Arc::new(Pool { place: place.clone(), waiting, threads })))
    }

    /// Runs `read` on a snapshot of the database that holds whatever was acknowledged before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] at once when too many reads wait already; otherwise what `read` failed with.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Snapshot<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let _span = telemetry::span("read");
        let (answer, answered) = oneshot::channel();
        let work: Read = Box::new(move |engine| {
            let snapshot = match engine.and_then(|engine| Snapshot::take(engine, Kind::Snapshot)) {
                Ok(snapshot) => snapshot,
                Err(error) => return drop(answer.send(Err(error))),
            };
            // Whoever asked may have gone away meanwhile. Nobody waits for the snapshot's end.
            drop(answer.send(read(&snapshot)));
        });
        self.0.waiting.join(work).map_err(|full| match full {
            Full::Crowded(_) => StoreError::Busy,
            Full::Closed(_) => StoreError::Stopped,
        })?;
        answered.await.map_err(|_| StoreError::Stopped)?.map_err(|error| error.at(&self.0.place))
    }

    /// How long the database is left alone because it failed too often, if it is: reads are refused then.
    #[must_use]
    pub fn rests(&self) -> Option<Duration> {
        match &self.0.place {
            Place::File { .. } => None,
            Place::Schema { server, .. } => server.refuses(),
        }
    }

    /// How many reads wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.len()
    }
}

fn run(mut sources: Sources, waiting: &Group<Read>, instruments: &Instruments) {
    let _reader = instruments.reader();
    let mut batch = Vec::new();
    while waiting.take(&mut batch, TAKEN_MAX) {
        let _busy = instruments.busy();
        let chosen = sources.choose(batch.len() as u64);
        for read in batch.drain(..) {
            // There is an error only while the database is away.
            let engine = chosen.as_ref().copied().map_err(|error| error.away().unwrap_or(StoreError::Lost));
            // A read that panics is answered by the closing of its channel; the thread reads on.
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(engine))));
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
