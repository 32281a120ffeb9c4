//! A batch while its commands are applied, one after the other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use authz::Person;
use clock::Timestamp;
use ids::Id;
use store::{Batch, StoreError};

use crate::{
    entry::Entry,
    erased::Erased,
    idempotency::{Answered, Once},
    merkle::Hash,
    pending::{Draft, Pending, Settled, Verdict},
};

/// A batch while its commands are applied.
pub(super) struct Round {
    /// The place of its first entry.
    pub(super) first: u64,
    pub(super) at: Timestamp,
    pub(super) keys_since: u64,
    /// Leaves of its entries so far.
    pub(super) leaves: Vec<Hash>,
    /// Operations so far, which have none.
    pub(super) operations: usize,
    /// People whom it erases.
    pub(super) erased: Vec<Id<Person>>,
}

impl Round {
    /// Applies a command, unless it was done before.
    pub(super) fn settle(
        &mut self,
        command: &mut dyn Pending,
        batch: &mut Batch<'_>,
    ) -> Result<Settled, StoreError> {
        let before = self.answered_before(command.once(), batch)?;
        Ok(before.unwrap_or_else(|| self.apply(command, batch)))
    }

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

    /// An operation leaves no entry, so it must not have changed what entries are replayed into.
    fn operated(&mut self, batch: &mut Batch<'_>) -> Settled {
        if batch.changes_replayed_rows() {
            tracing::error!(
                code = "ledger/operation-refused",
                "an operation changed replayed rows; it was dropped"
            );
            batch.discard();
            return Settled::Panicked;
        }
        // One that changed nothing is no reason to wait for the disk.
        if batch.has_changes() {
            batch.keep();
            self.operations += 1;
        }
        Settled::Operated
    }

    /// Applies one command to the batch.
    fn apply(&mut self, command: &mut dyn Pending, batch: &mut Batch<'_>) -> Settled {
        // A panic in one command is that command's alone: its changes are dropped, the batch goes on.
        let trace = command.trace();
        let verdict =
            catch_unwind(AssertUnwindSafe(|| command.apply(&mut batch.tx().within(trace), self.at)));
        let (subject, erases) = match verdict {
            Ok(Verdict::Accepted { subject, erases }) => (subject, erases),
            Ok(Verdict::Operated) => return self.operated(batch),
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
        if let Some(person) = subject.filter(|_| erases) {
            batch.replace(Erased { person, entry: index });
            self.erased.push(person);
        }
        if let Some(once) = command.once() {
            batch.tx().put(once.answered(at, index, command.done()));
            batch.keep();
        }
        Settled::Durable { index, leaf }
    }
}
