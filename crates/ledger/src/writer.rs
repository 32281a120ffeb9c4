//! The one thread that writes a ledger: it takes whatever commands wait, applies them in order, and
//! answers all of them after one sync.
//!
//! On a shared database other nodes write the same ledger. A batch that finds an entry where its own first
//! would stand has been overtaken: it takes up the tree as it is now and goes on.

mod round;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;
use round::Round;
use store::{Batch, Cell, Changes, Column, Group, StoreError, TakerGuard, Told, Writer};
use tokio::sync::watch;

use crate::{
    entry::Entry,
    idempotency::{Answered, day, first_day_kept},
    instruments::Instruments,
    ledger::Head,
    merkle::Hash,
    pace::Pace,
    pending::{Pending, Settled},
    standing::Standing,
    tree::{Tree, TreeError},
};

/// Somebody who keeps a view of some tables in memory, told of each batch after its sync and before its
/// answers. Runs on the writer's thread, and for batches of other nodes on another: it must be quick and
/// must not panic.
pub type Watcher = Box<dyn Fn(&Changes<'_>) + Send + Sync>;

/// Somebody who keeps what was read about people, told whom the entries of a shared database are about: those
/// of other nodes as soon as they are heard of, and once more its own.
pub type Hearer = Box<dyn Fn(&[Id<Person>]) + Send + Sync>;

/// Rows forgotten at a time, so that a day's worth of them never holds up a batch.
const FORGOTTEN_MAX: i64 = 1000;

/// How long other nodes may take to hear the news.
pub(crate) const NEWS_LIFE: Duration = Duration::from_hours(24);

/// How often, and how long after the other, it is asked whether a commit in doubt has happened.
const DOUBT_TRIES: u32 = 20;
const DOUBT_PAUSE: Duration = Duration::from_millis(250);

/// Why a batch was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the ledger's tree is damaged")]
    Tree(#[source] TreeError),
    /// The commit may have happened, and nobody can tell for now.
    #[error("it is not known whether the batch was committed")]
    InDoubt(#[source] StoreError),
}

impl From<TreeError> for WriteError {
    /// A tree that could not be read is not a damaged one.
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Lookup(error) => Self::Store(error),
            damaged @ (TreeError::OutOfRange { .. }
            | TreeError::NewestTile { .. }
            | TreeError::Tile { .. }) => Self::Tree(damaged),
        }
    }
}

pub(crate) struct LedgerWriter {
    pub(crate) store: Writer,
    pub(crate) waiting: Arc<Group<Box<dyn Pending>>>,
    pub(crate) batch_max: usize,
    pub(crate) standing: Standing,
    pub(crate) tree: Tree,
    pub(crate) last_at: Timestamp,
    pub(crate) forgot_at: Timestamp,
    /// The first day that has keys of requests: earlier ones need not be looked for. On a shared database
    /// nobody knows.
    pub(crate) keys_since: u64,
    pub(crate) pace: Pace,
    /// Told of each batch: could it not be written?
    pub(crate) failing: Arc<AtomicBool>,
    pub(crate) clock: Clock,
    pub(crate) watchers: Arc<[Watcher]>,
    pub(crate) told: Told,
    pub(crate) head: Arc<watch::Sender<Head>>,
    pub(crate) instruments: Instruments,
}

impl LedgerWriter {
    /// Writes until nobody can submit any more, or the disk has failed in a way that only a restart
    /// can make out.
    pub(crate) fn run(mut self) {
        let _guard = TakerGuard(Arc::clone(&self.waiting));
        let mut batch = Vec::new();
        while self.waiting.take(&mut batch, self.batch_max) {
            self.instruments.waiting.set(self.waiting.len().try_into().unwrap_or(i64::MAX));
            // A shared database tells, once it is back, what it holds.
            if let Err(WriteError::InDoubt(_)) = self.write(&mut batch)
                && !self.store.is_shared()
            {
                tracing::error!(
                    code = "ledger/stopped-in-doubt",
                    "the disk failed during a sync; restart to learn what it holds"
                );
                // Nor are those who wait written: a sync that succeeds after one that failed proves nothing,
                // and the log stays as it is for the next start.
                return;
            }
        }
        if let Err(error) = self.store.fold_log() {
            tracing::warn!(code = "ledger/log-not-folded", %error, "the write-ahead log stays for the next start");
        }
    }

    /// Applies, syncs and answers one batch.
    fn write(&mut self, pending: &mut Vec<Box<dyn Pending>>) -> Result<(), WriteError> {
        let before = (self.tree.clone(), self.last_at);
        match self.commit(pending) {
            Ok(settled) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(code = "ledger/batches-written", "batches can be written again");
                }
                for (pending, settled) in pending.drain(..).zip(settled) {
                    self.instruments.count(&settled);
                    pending.settle(settled);
                }
                Ok(())
            }
            Err(error) => {
                // Once, and not once a batch: a disk that is full stays so for a while.
                if !self.failing.swap(true, Ordering::Relaxed) || matches!(error, WriteError::InDoubt(_)) {
                    tracing::error!(code = "ledger/batch-lost", commands = pending.len(), %error, cause = ?error, "a batch could not be written, and more may follow");
                } else {
                    tracing::debug!(commands = pending.len(), cause = ?error, "another batch could not be written");
                }
                (self.tree, self.last_at) = before;
                let settled = match &error {
                    WriteError::InDoubt(_) => Settled::InDoubt,
                    WriteError::Store(_) | WriteError::Tree(_) => Settled::NotDurable,
                };
                if let WriteError::InDoubt(cause) | WriteError::Store(cause) = &error
                    && cause.leaves_doubt()
                {
                    self.store.failed(pending.len() as u64);
                }
                for pending in pending.drain(..) {
                    self.instruments.count(&settled);
                    pending.settle(settled.clone());
                }
                Err(error)
            }
        }
    }

    fn commit(&mut self, pending: &mut [Box<dyn Pending>]) -> Result<Vec<Settled>, WriteError> {
        let now = self.pace.now();
        self.store.make_room(self.tree.size());
        let mut batch = self.store.begin()?;
        let keys_since = if batch.is_shared() { 0 } else { self.keys_since.min(day(now.max(self.last_at))) };
        if batch.is_shared() {
            batch.keys().want::<Entry>(self.tree.size());
        }
        for command in pending.iter() {
            if let Some(by) = command.by() {
                (self.standing.reads)(by, &mut batch.keys());
            }
            command.reads(&mut batch.keys());
            for place in command.once().iter().flat_map(|once| once.places(now.max(self.last_at), keys_since))
            {
                batch.keys().want::<Answered>(place);
            }
        }
        batch.load()?;
        if batch.is_shared() && batch.tx().get::<Entry>(self.tree.size())?.is_some() {
            (self.tree, self.last_at) = batch.read(|snapshot| Ok(Tree::load(snapshot)))??;
        }
        let at = self.last_at.max(now);
        let first = self.tree.size();
        let mut round =
            Round { first, at, keys_since, leaves: Vec::new(), operations: 0, erased: Vec::new() };
        let mut settled = Vec::with_capacity(pending.len());
        for command in pending.iter_mut() {
            let stands = command.by().map_or(Ok(true), |by| (self.standing.holds)(by, &mut batch.tx()))?;
            settled.push(if stands {
                round.settle(command.as_mut(), &mut batch)?
            } else {
                Settled::Withdrawn
            });
        }
        let Round { leaves, operations, erased, .. } = round;
        if leaves.is_empty() && operations == 0 {
            return Ok(settled);
        }
        self.tree.append(&leaves, &mut batch);
        batch.tell(&self.told, first, at);
        let forgets = at.seconds() > self.forgot_at.seconds();
        finish(&mut batch, &erased, forgets.then_some(at))?;
        let stopwatch = self.clock.stopwatch();
        make_durable(&mut batch, first, leaves.first().copied())?;
        self.instruments.synced(leaves.len(), batch.unplanned_reads(), stopwatch.elapsed());
        (self.last_at, self.forgot_at, self.keys_since) = (at, at, keys_since);
        self.watchers.iter().for_each(|watcher| watcher(&batch.changes()));
        self.head.send_replace(Head { size: self.tree.size(), root: self.tree.root(), at });
        Ok(settled)
    }
}

/// Commits the batch. Where the engine lost its voice over it, the entries say whether it happened: that of
/// this batch has a salt that no other has.
#[expect(clippy::disallowed_methods, reason = "the writer's own thread has nothing else to do meanwhile")]
fn make_durable(batch: &mut Batch<'_>, first: u64, leaf: Option<Hash>) -> Result<(), WriteError> {
    let Err(doubt) = batch.commit() else { return Ok(()) };
    if !doubt.leaves_doubt() {
        return Err(doubt.into());
    }
    if !batch.is_shared() {
        return Err(WriteError::InDoubt(doubt));
    }
    // Operations alone leave no trace that would be known again: whoever gave them gives them again.
    let Some(leaf) = leaf else { return Err(doubt.into()) };
    for _ in 0..DOUBT_TRIES {
        match batch.look_again(|snapshot| snapshot.get::<Entry>(&first)) {
            Ok(Some(entry)) if entry.leaf() == leaf => return Ok(()),
            Ok(_) => return Err(doubt.into()),
            Err(_) => std::thread::sleep(DOUBT_PAUSE),
        }
    }
    Err(WriteError::InDoubt(doubt))
}

/// Sends the batch's rows to the engine, and takes away what was erased and what is out of date.
fn finish(
    batch: &mut Batch<'_>,
    erased: &[Id<Person>],
    forget_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    batch.flush()?;
    for person in erased {
        let subject = Cell::Short(person.to_bytes());
        batch.execute(
            "UPDATE entries SET erasable = NULL WHERE subject = $1 AND erasable IS NOT NULL",
            &[subject],
        )?;
    }
    if let Some(at) = forget_at {
        let day = i64::try_from(first_day_kept(at)).unwrap_or(i64::MAX);
        batch.execute(
            "DELETE FROM idempotency WHERE (day, key) IN \
             (SELECT day, key FROM idempotency WHERE day < $1 LIMIT $2)",
            &[Cell::Integer(day), Cell::Integer(FORGOTTEN_MAX)],
        )?;
        if batch.is_shared() {
            batch.execute(
                "DELETE FROM news WHERE at < $1 AND batch IN (SELECT batch FROM news ORDER BY batch, place LIMIT $2)",
                &[at.minus(NEWS_LIFE).cell(), Cell::Integer(FORGOTTEN_MAX)],
            )?;
        }
    }
    Ok(())
}
