//! In which trace a job was asked for, so that the trace of the job can point there.

use ids::Id;
use store::{StoreError, Tx};

use crate::rows::{AnyJob, CauseRow};

/// Causes that a queue remembers, so that they do not grow with jobs that nobody runs: a job takes the slot that its
/// identifier says, and whoever had it before is not linked.
const SLOTS: u64 = 16_384;

/// Where the cause of a job is kept.
pub(crate) fn place(queue: &str, id: Id<AnyJob>) -> (String, u64) {
    let random = u64::try_from(id.as_u128() & u128::from(u64::MAX)).unwrap_or_default();
    (queue.to_owned(), random % SLOTS)
}

/// Remembers in which trace a job is asked for, if the command that asks is traced.
pub(crate) fn remember(tx: &mut Tx<'_>, queue: &str, id: Id<AnyJob>) {
    if let Some(trace) = tx.trace().map(str::to_owned) {
        let (queue, slot) = place(queue, id);
        tx.put(CauseRow { queue, slot, id, trace });
    }
}

/// Nobody will ask for it any more.
pub(crate) fn forget(tx: &mut Tx<'_>, queue: &str, id: Id<AnyJob>) -> Result<(), StoreError> {
    if let Some(cause) = tx.get::<CauseRow>(place(queue, id))?.filter(|cause| cause.id == id) {
        tx.delete(cause);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clock::{Clock, Timestamp};
    use store::Memory;

    use super::*;

    #[test]
    fn causes_of_jobs_that_nobody_runs_do_not_grow_with_them() {
        let (clock, mut memory) =
            (Clock::manual(Timestamp::from_millis(1_772_357_400_000), 7), Memory::default());
        let mut batch = memory.batch();
        let trace: Arc<str> = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into();
        for _ in 0..SLOTS * 3 {
            remember(&mut batch.tx().within(Some(trace.clone())), "unload", clock.id());
            batch.keep();
        }
        let newest = clock.id();
        remember(&mut batch.tx().within(Some(trace)), "unload", newest);
        batch.keep();
        let kept = batch.changes().of::<CauseRow>().filter(|(_, row)| row.is_some()).count();
        assert!((SLOTS / 2..=SLOTS).contains(&(kept as u64)), "{kept}");
        let known = batch.tx().get::<CauseRow>(place("unload", newest)).expect("memory does not fail");
        assert_eq!(known.map(|row| row.id), Some(newest), "who came last is remembered");
    }
}
