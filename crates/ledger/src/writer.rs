//! The one thread that writes a ledger: it takes whatever commands wait, applies them in order, and
//! answers all of them after one sync.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;
use store::{Batch, Cell, Changes, Group, StoreError, TakerGuard, Writer};
use tokio::sync::watch;

use crate::{
    entry::Entry,
    idempotency::{Answered, Once, day, first_day_kept},
    instruments::Instruments,
    ledger::Head,
    merkle::Hash,
    pending::{Draft, Pending, Settled, Verdict},
    tree::Tree,
};

/// Somebody who keeps a view of some tables in memory, told of each batch after its sync and before its
/// answers. Runs on the writer's thread: it must be quick and must not panic.
pub type Watcher = Box<dyn Fn(&Changes<'_>) + Send>;

/// Keys forgotten at a time, so that a day's worth of them never holds up a batch.
const FORGOTTEN_MAX: i64 = 1000;

pub(crate) struct LedgerWriter {
    pub(crate) store: Writer,
    pub(crate) waiting: Arc<Group<Box<dyn Pending>>>,
    pub(crate) batch_max: usize,
    pub(crate) tree: Tree,
    pub(crate) last_at: Timestamp,
    pub(crate) forgot_at: Timestamp,
    /// The first day that has keys of requests: earlier ones need not be looked for.
    pub(crate) keys_since: u64,
    pub(crate) clock: Clock,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) head: watch::Sender<Head>,
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
            if let Err(error) = self.write(&mut batch)
                && error.leaves_doubt()
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
    fn write(&mut self, pending: &mut Vec<Box<dyn Pending>>) -> Result<(), StoreError> {
        let before = self.tree.clone();
        let at = self.last_at.max(self.clock.now());
        match self.commit(pending, at) {
            Ok(settled) => {
                self.last_at = at;
                for (pending, settled) in pending.drain(..).zip(settled) {
                    self.instruments.count(&settled);
                    pending.settle(settled);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(code = "ledger/batch-lost", commands = pending.len(), %error, cause = ?error, "a batch could not be written");
                self.tree = before;
                let settled = if error.leaves_doubt() { Settled::InDoubt } else { Settled::NotDurable };
                for pending in pending.drain(..) {
                    self.instruments.count(&settled);
                    pending.settle(settled.clone());
                }
                Err(error)
            }
        }
    }

    fn commit(
        &mut self,
        pending: &mut [Box<dyn Pending>],
        at: Timestamp,
    ) -> Result<Vec<Settled>, StoreError> {
        let mut batch = self.store.begin()?;
        let keys_since = self.keys_since.min(day(at));
        for command in pending.iter() {
            command.reads(&mut batch.keys());
            for place in command.once().iter().flat_map(|once| once.places(at, keys_since)) {
                batch.keys().want::<Answered>(place);
            }
        }
        batch.load()?;
        let first = self.tree.size();
        let mut round = Round { first, at, keys_since, leaves: Vec::new(), erased: Vec::new() };
        let mut settled = Vec::with_capacity(pending.len());
        for command in pending.iter_mut() {
            let outcome = match round.answered_before(command.once(), &mut batch)? {
                Some(outcome) => outcome,
                None => round.apply(command.as_mut(), &mut batch),
            };
            settled.push(outcome);
        }
        let Round { leaves, erased, .. } = round;
        if leaves.is_empty() {
            return Ok(settled);
        }
        self.tree.append(&leaves, &mut batch);
        let forgets = at.seconds() > self.forgot_at.seconds();
        finish(&mut batch, &erased, forgets.then_some(at))?;
        let stopwatch = self.clock.stopwatch();
        batch.commit()?;
        self.instruments.synced(leaves.len(), batch.unplanned_reads(), stopwatch.elapsed());
        self.forgot_at = at;
        self.keys_since = keys_since;
        self.watchers.iter().for_each(|watcher| watcher(&batch.changes()));
        self.head.send_replace(Head { size: self.tree.size(), root: self.tree.root(), at });
        Ok(settled)
    }
}

/// A batch while its commands are applied.
struct Round {
    /// The place of its first entry.
    first: u64,
    at: Timestamp,
    keys_since: u64,
    /// Leaves of its entries so far.
    leaves: Vec<Hash>,
    /// People whom it erases.
    erased: Vec<Id<Person>>,
}

impl Round {
    /// What a request with an idempotency key got when it came before; nothing if it is new.
    fn answered_before(
        &self,
        once: Option<Once>,
        batch: &mut Batch<'_>,
    ) -> Result<Option<Settled>, StoreError> {
        let Some(once) = once else { return Ok(None) };
        for place in once.places(self.at, self.keys_since) {
            let answered = batch.tx().get::<Answered>(place)?.filter(|answered| answered.holds(self.at));
            let Some(Answered { body, entry: index, done, .. }) = answered else { continue };
            if body != once.body {
                return Ok(Some(Settled::KeyReused));
            }
            let leaf = self.leaf(index, batch)?;
            return Ok(leaf.map(|leaf| Settled::Repeated { index, leaf, done }));
        }
        Ok(None)
    }

    /// The leaf of an entry, of this batch or an earlier one. Keys do not keep it, because hardly any
    /// request comes twice.
    fn leaf(&self, index: u64, batch: &mut Batch<'_>) -> Result<Option<Hash>, StoreError> {
        let in_batch = index.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        match in_batch {
            Some(place) => Ok(self.leaves.get(place).copied()),
            None => Ok(batch.tx().get::<Entry>(index)?.map(|entry| entry.leaf())),
        }
    }

    /// Applies one command to the batch.
    fn apply(&mut self, command: &mut dyn Pending, batch: &mut Batch<'_>) -> Settled {
        // A panic in one command is that command's alone: its changes are dropped, the batch goes on.
        let verdict = catch_unwind(AssertUnwindSafe(|| command.apply(&mut batch.tx(), self.at)));
        let (subject, erases) = match verdict {
            Ok(Verdict::Accepted { subject, erases }) => (subject, erases),
            Ok(Verdict::Refused) => {
                batch.discard();
                return Settled::Refused;
            }
            Err(_) => {
                batch.discard();
                return Settled::Panicked;
            }
        };
        let effect = batch.keep().0;
        let Draft { command: name, actor, salt, body, erasable } = command.draft();
        let (index, at) = (self.first + self.leaves.len() as u64, self.at);
        let entry =
            Entry { index, at, command: name.to_owned(), actor, subject, salt, body, erasable, effect };
        let leaf = entry.leaf();
        self.leaves.push(leaf);
        batch.append(entry);
        self.erased.extend(subject.filter(|_| erases));
        if let Some(once) = command.once() {
            batch.tx().put(once.answered(at, index, command.done()));
            batch.keep();
        }
        Settled::Durable { index, leaf }
    }
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
    }
    Ok(())
}
