//! A ledger as others hold it: a handle that takes commands and gives receipts.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use authz::Permitted;
use clock::{Clock, Timestamp};
use seal::Keys;
use serde::{Deserialize, Serialize};
use store::{Full, Group, Readers, Store, StoreError, Told};
use telemetry::Metrics;
use tokio::sync::watch;

use crate::{
    checkpoint::LogKeys,
    command::Command,
    idempotency::{self, Once},
    instruments::{Covered, Instruments},
    merkle::Hash,
    pace::{Pace, Times},
    pending::{Pending, Waiting},
    publisher::{PublishError, Published, Publisher, read_published},
    receipt::{Receipt, SubmitError},
    standing::Standing,
    tail::{Ears, Tail},
    tree::{self, Tree, TreeError},
    writer::{Hearer, LedgerWriter, Watcher},
};

/// How a ledger works.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LedgerConfig {
    /// Commands that may wait for the writer; more are refused at once.
    pub waiting_max: NonZeroUsize,
    /// Commands that become durable together, at most.
    pub batch_max: NonZeroUsize,
    /// The shortest time between two published checkpoints.
    pub checkpoint_interval_ms: u32,
    /// How far ahead of the clock the newest entry may be at a start, and how far the clock may run ahead of
    /// a stopwatch later, in seconds: entries' times never go back.
    pub ahead_s_max: u32,
}

impl Default for LedgerConfig {
    fn default() -> Self {
        let positive = |number| NonZeroUsize::new(number).expect("a positive constant");
        Self {
            waiting_max: positive(65_536),
            batch_max: positive(16_384),
            checkpoint_interval_ms: 500,
            ahead_s_max: 24 * 60 * 60,
        }
    }
}

/// How far a ledger has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Entries that are durable.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Hash,
    /// When the last of them was applied.
    pub at: Timestamp,
}

/// What a ledger is opened with.
pub struct Opening {
    /// The service's name, and the ledger's.
    pub name: Arc<str>,
    /// The origin line of its checkpoints: a schema-less URL that no other ledger has.
    pub origin: String,
    pub store: Store,
    pub keys: Keys,
    pub clock: Clock,
    pub config: LedgerConfig,
    /// Who may still give commands.
    pub standing: Standing,
    /// Where the newest checkpoint is kept, apart from the database, to notice if that goes back in time.
    pub checkpoint_path: PathBuf,
    pub watchers: Vec<Watcher>,
    /// The tables that watchers follow: nodes that share the database tell each other of these.
    pub told: Told,
    /// How exactly its entries tell when they were applied.
    pub times: Times,
    pub metrics: Metrics,
}

/// Why a ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the ledger's database cannot be read")]
    Store(#[from] StoreError),
    #[error("the ledger's tree is damaged")]
    Tree(#[from] TreeError),
    #[error("the ledger does not fit its newest checkpoint")]
    Checkpoint(#[from] PublishError),
    #[error(
        "the newest entry is of {last_at}, and the clock says {now}: set the clock right; if the entry's time is \
         wrong and must be lived with, allow it with `ahead-s-max` in the table [ledger]"
    )]
    Ahead { last_at: Timestamp, now: Timestamp },
    #[error("a thread of the ledger does not start")]
    Thread(#[from] std::io::Error),
}

/// A running ledger. Cheap to clone.
#[derive(Clone)]
pub struct Ledger(Arc<Shared>);

struct Shared {
    name: Arc<str>,
    log_keys: LogKeys,
    clock: Clock,
    waiting: Arc<Group<Box<dyn Pending>>>,
    readers: Readers,
    head: watch::Receiver<Head>,
    published: watch::Receiver<Option<Arc<Published>>>,
    failing: Arc<AtomicBool>,
    ears: Arc<Ears>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Ledger {
    /// Opens the ledger, checks it against its newest checkpoint, and starts its threads.
    ///
    /// # Errors
    /// When the database is damaged, is older than its own checkpoint, or cannot be read.
    pub fn open(opening: Opening) -> Result<Self, OpenError> {
        let Opening { name, origin, store, keys, clock, config, .. } = opening;
        let Opening { standing, checkpoint_path, watchers, told, times, metrics, .. } = opening;
        let (tree, last_at) = store.writer.read(|snapshot| Ok(Tree::load(snapshot)))??;
        let head = Head { size: tree.size(), root: tree.root(), at: last_at };
        let ahead_max = Duration::from_secs(config.ahead_s_max.into());
        check_time(last_at, clock.now(), ahead_max)?;
        let log_keys = Publisher::log_keys(&origin, &keys)?;
        let newest = check_published(&store, &head, &checkpoint_path, &log_keys)?;
        let keys_since = store.writer.read(idempotency::first_day)?;
        let (waiting, failing) = (Arc::new(Group::new(config.waiting_max.get())), Arc::default());
        let shared = store.writer.is_shared();
        let ears = Arc::new(Ears::new(shared.then_some(head.size)));
        let (head_sender, head) = watch::channel(head);
        let head_sender = Arc::new(head_sender);
        let watchers: Arc<[Watcher]> = watchers.into();
        let (end, ended) = watch::channel(false);
        let root_every = Duration::from_millis(config.checkpoint_interval_ms.into());
        let tail = shared.then(|| Tail {
            readers: store.readers.clone(),
            told: told.clone(),
            watchers: Arc::clone(&watchers),
            head: Arc::clone(&head_sender),
            ears: Arc::clone(&ears),
            root_every,
        });
        let writer = LedgerWriter {
            store: store.writer,
            waiting: Arc::clone(&waiting),
            batch_max: config.batch_max.get(),
            standing,
            tree,
            last_at,
            forgot_at: last_at,
            keys_since,
            pace: Pace::new(&clock, ahead_max, times),
            failing: Arc::clone(&failing),
            clock: clock.clone(),
            watchers,
            told,
            head: head_sender,
            instruments: metrics.register(|registry| Instruments::register(registry, &name)),
        };
        let (sender, published) = watch::channel(newest.map(Arc::new));
        metrics.register(|registry| Covered::register(registry, &name, &head, &published));
        let publisher = Publisher {
            origin,
            path: checkpoint_path,
            keys,
            clock: clock.clone(),
            interval: root_every,
            heads: published_heads(&head),
            published: sender,
        };
        let checkpoints = alone(publisher.run())?;
        let writes = move || {
            writer.run();
            // The tail holds the head too, and the publisher ends when nobody does.
            end.send_replace(true);
        };
        let mut threads = vec![
            thread::Builder::new().name(format!("{name}-writer")).spawn(writes)?,
            thread::Builder::new().name(format!("{name}-checkpoints")).spawn(checkpoints)?,
        ];
        if let Some(tail) = tail {
            let follows = alone(tail.run(ended))?;
            threads.push(thread::Builder::new().name(format!("{name}-tail")).spawn(follows)?);
        }
        let (threads, readers) = (Mutex::new(threads), store.readers);
        let shared =
            Shared { name, log_keys, clock, waiting, readers, head, published, failing, ears, threads };
        Ok(Self(Arc::new(shared)))
    }

    /// Has the command applied, and answers once it is durable.
    ///
    /// # Errors
    /// When the command's rule refuses it, or the ledger cannot take or keep it; nothing has happened then.
    pub async fn submit<C: Command>(
        &self,
        permitted: Permitted<C>,
    ) -> Result<Receipt<C::Done>, SubmitError<C::Refused>> {
        self.submit_once(permitted, None).await
    }

    /// As [`Ledger::submit`]; a request that was sent before gets the answer it got then.
    ///
    /// # Errors
    /// As [`Ledger::submit`], and when the key was used with another body.
    pub async fn submit_once<C: Command>(
        &self,
        permitted: Permitted<C>,
        once: Option<Once>,
    ) -> Result<Receipt<C::Done>, SubmitError<C::Refused>> {
        let (by, command) = permitted.into_parts();
        let shared = &self.0;
        let mut span = telemetry::span("command");
        if let Some(span) = &mut span {
            span.say("holdfast.command", C::NAME);
            span.say("holdfast.ledger", shared.name.to_string());
        }
        if let Some(after) = shared.readers.rests() {
            return Err(SubmitError::Resting { after });
        }
        let (waiting, answered) = Waiting::new(Arc::clone(&shared.name), by, command, once, &shared.clock)?;
        let trace = span.as_ref().map(|span| span.traceparent().into());
        self.join(Box::new(waiting.within(trace))).map_err(|full| match full {
            Full::Crowded(_) => SubmitError::Busy,
            Full::Closed(_) => SubmitError::Stopped,
        })?;
        answered.await.unwrap_or(Err(SubmitError::Stopped))
    }

    pub(crate) fn join(&self, pending: Box<dyn Pending>) -> Result<(), Full<Box<dyn Pending>>> {
        self.0.waiting.join(pending)
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// What its checkpoints are signed with; the keys' name is its origin.
    #[must_use]
    pub fn log_keys(&self) -> &LogKeys {
        &self.0.log_keys
    }

    /// What time the ledger goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Reads of the ledger's database.
    #[must_use]
    pub fn readers(&self) -> &Readers {
        &self.0.readers
    }

    /// How far it has come.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.0.head.borrow()
    }

    /// Tells how far it has come, after every batch.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Head> {
        self.0.head.clone()
    }

    /// The newest checkpoint, once there is one.
    #[must_use]
    pub fn published(&self) -> Option<Arc<Published>> {
        self.0.published.borrow().clone()
    }

    /// Tells of every checkpoint that is published.
    #[must_use]
    pub fn checkpoints(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.0.published.clone()
    }

    /// From now on tells `hearer` whom the entries of a shared database are about, its own and others'.
    pub fn tell_subjects(&self, hearer: Hearer) {
        self.0.ears.add(hearer);
    }

    /// Do those who keep what was read about people know of the entry with this index, and all before it?
    /// Another node may have written it.
    #[must_use]
    pub fn has_heard(&self, index: u64) -> bool {
        index < self.0.ears.heard()
    }

    /// Can it take commands?
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.0.waiting.is_closed()
    }

    /// Could the last batch not be written?
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Relaxed)
    }

    /// Takes no more commands, writes those that wait, publishes a last checkpoint and ends. Blocks
    /// until then; call it from a thread that may wait.
    pub fn stop(&self) {
        self.0.waiting.close();
        let threads = std::mem::take(&mut *self.0.threads.lock().expect("nobody panics holding the threads"));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(code = "ledger/thread-panicked", "a thread of the ledger had panicked");
            }
        }
    }
}

/// What a thread does that has nothing else to do.
fn alone(work: impl Future<Output = ()> + Send + 'static) -> std::io::Result<impl FnOnce() + Send + 'static> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    Ok(move || runtime.block_on(work))
}

/// The first thing the publisher sees is the head at the start: entries may have come after the newest
/// checkpoint before the process ended.
fn published_heads(head: &watch::Receiver<Head>) -> watch::Receiver<Head> {
    let mut heads = head.clone();
    heads.mark_changed();
    heads
}

/// Entries of a day that is still to come would date all that follow.
fn check_time(last_at: Timestamp, now: Timestamp, ahead_max: Duration) -> Result<(), OpenError> {
    if last_at > now.plus(ahead_max) { Err(OpenError::Ahead { last_at, now }) } else { Ok(()) }
}

/// The newest checkpoint. A database that holds less than it, or something else, has lost what was
/// acknowledged.
fn check_published(
    store: &Store,
    head: &Head,
    path: &Path,
    keys: &LogKeys,
) -> Result<Option<Published>, OpenError> {
    let Some(newest) = read_published(path, keys)? else {
        if head.size > 0 {
            tracing::warn!(
                code = "ledger/checkpoint-missing",
                path = %path.display(),
                "the newest checkpoint is missing: whether entries were lost with it cannot be told; restore it, or run `holdfast verify`"
            );
        }
        return Ok(None);
    };
    let (path, have, published) = (path.to_owned(), head.size, newest.checkpoint.size());
    if published > have {
        return Err(PublishError::Behind { path, have, published }.into());
    }
    let root = store.writer.read(|snapshot| Ok(tree::ask(snapshot, |tree| tree.root(published))))??;
    if root == newest.checkpoint.root() {
        Ok(Some(newest))
    } else {
        Err(PublishError::Rewritten { path }.into())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("name", &self.0.name)
            .field("head", &self.head())
            .finish_non_exhaustive()
    }
}
