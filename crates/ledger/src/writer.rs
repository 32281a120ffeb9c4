//! The one thread that writes a ledger: it takes whatever commands wait, applies them in order, and
//! answers all of them after one sync.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use authz::Person;
use clock::{Clock, Timestamp};
use ids::Id;
use store::{Batch, Cell, Changes, Group, StoreError, Writer};
use tokio::sync::watch;

use crate::{
    entry::Entry,
    idempotency::{Answered, first_day_kept},
    instruments::Instruments,
    ledger::Head,
    merkle::Hash,
    pending::{Pending, Settled, Verdict},
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
    pub(crate) clock: Clock,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) head: watch::Sender<Head>,
    pub(crate) instruments: Instruments,
}

impl LedgerWriter {
    /// Writes until nobody can submit any more, or the disk has failed in a way that only a restart
    /// can make out.
    pub(crate) fn run(mut self) {
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
                self.waiting.close();
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
        for command in pending.iter() {
            command.reads(&mut batch.keys());
            for place in command.once().iter().flat_map(|once| once.places(at)) {
                batch.keys().want::<Answered>(place);
            }
        }
        batch.load()?;
        let first = self.tree.size();
        let mut leaves = Vec::with_capacity(pending.len());
        let mut erased = Vec::new();
        let mut settled = Vec::with_capacity(pending.len());
        for command in pending.iter_mut() {
            let index = first + leaves.len() as u64;
            let outcome = apply(command.as_mut(), &mut batch, index, at, &mut erased)?;
            if let Settled::Durable { leaf, .. } = &outcome {
                leaves.push(*leaf);
            }
            settled.push(outcome);
        }
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
        self.watchers.iter().for_each(|watcher| watcher(&batch.changes()));
        self.head.send_replace(Head { size: self.tree.size(), root: self.tree.root(), at });
        Ok(settled)
    }
}

/// Applies one command to the batch, unless it was answered before.
fn apply(
    command: &mut dyn Pending,
    batch: &mut Batch<'_>,
    index: u64,
    at: Timestamp,
    erased: &mut Vec<Id<Person>>,
) -> Result<Settled, StoreError> {
    let once = command.once();
    for place in once.iter().flat_map(|once| once.places(at)) {
        let Some(answered) = batch.tx().get::<Answered>(place)?.filter(|answered| answered.holds(at)) else {
            continue;
        };
        let same = once.is_some_and(|once| once.body == answered.body);
        let Answered { entry, leaf, done, .. } = answered;
        return Ok(if same {
            Settled::Repeated { index: entry, leaf: Hash(leaf), done }
        } else {
            Settled::KeyReused
        });
    }
    // A panic in one command is that command's alone: its changes are dropped, the batch goes on.
    let verdict = catch_unwind(AssertUnwindSafe(|| command.apply(&mut batch.tx(), at)));
    let (subject, erases) = match verdict {
        Ok(Verdict::Accepted { subject, erases }) => (subject, erases),
        Ok(Verdict::Refused) => {
            batch.discard();
            return Ok(Settled::Refused);
        }
        Err(_) => {
            batch.discard();
            return Ok(Settled::Panicked);
        }
    };
    let effect = batch.keep().0;
    let draft = command.draft();
    let entry = Entry {
        index,
        at,
        command: draft.command.to_owned(),
        actor: draft.actor,
        subject,
        salt: draft.salt,
        body: draft.body,
        erasable: draft.erasable,
        effect,
    };
    let leaf = entry.leaf();
    batch.append(entry);
    erased.extend(subject.filter(|_| erases));
    if let Some(once) = once {
        batch.tx().put(once.answered(at, index, leaf.0, command.done()));
        batch.keep();
    }
    Ok(Settled::Durable { index, leaf })
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
