//! A worker takes jobs whose turn it is.

use std::{collections::HashMap, time::Duration};

use clock::Timestamp;
use ids::Id;
use ledger::Operation;
use store::{Cell, Column, Keys, Scan, StoreError, Tx};

use crate::{
    cause,
    rows::{AnyJob, CauseRow, Delayed, JobRow, Lease, QueueRow, Ready},
};

/// Jobs whose time has come, or whose worker is gone, that one claim puts back in line.
const MOVED_MAX: usize = 500;

/// What holds for a queue over all its workers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueLimits {
    /// Jobs that are worked at the same time.
    pub concurrency: u32,
    /// Jobs that are taken in one second; nothing if that does not matter.
    pub per_second: Option<u32>,
}

impl Default for QueueLimits {
    /// As the original guides have it for orders.
    fn default() -> Self {
        Self { concurrency: 50, per_second: None }
    }
}

/// Takes up to `wanted` jobs of a queue.
#[derive(Debug, Clone)]
pub struct Claim {
    pub queue: &'static str,
    pub worker: String,
    pub wanted: u32,
    pub limits: QueueLimits,
    /// How long the worker is believed to be at them before it must renew.
    pub lease: Duration,
    /// Fresh and random: it makes the tokens of the attempts.
    pub token: [u8; 16],
    /// Is the worker to be told in which traces the jobs were asked for?
    pub traced: bool,
}

/// A job that was taken, and under what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub lease: Lease,
    pub name: String,
    pub payload: Vec<u8>,
    /// It may not be tried again after this attempt.
    pub last: bool,
    /// Its worker was lost with its last attempt: it is to be given up, not run.
    pub exhausted: bool,
    /// The trace (a `traceparent`) in which it was asked for, if that was traced and the worker wants to know.
    pub cause: Option<String>,
}

impl Operation for Claim {
    type Done = Vec<Claimed>;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<QueueRow>(self.queue.to_owned());
    }

    fn apply(self, tx: &mut Tx<'_>, at: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        let before = tx.get::<QueueRow>(self.queue.to_owned())?;
        let mut state = before.clone().unwrap_or_else(|| QueueRow::new(self.queue));
        self.take_back_expired(tx, at, &mut state)?;
        self.move_due(tx, at)?;
        let room = if state.paused || state.held { 0 } else { self.room(&state, at) };
        let claimed = if room > 0 { self.take(tx, at, room, &mut state)? } else { Vec::new() };
        if before.as_ref() != Some(&state) {
            tx.put(state);
        }
        Ok(claimed)
    }
}

impl Claim {
    /// How many may be taken now.
    fn room(&self, state: &QueueRow, at: Timestamp) -> u32 {
        let free = self.limits.concurrency.saturating_sub(state.leased);
        let taken = if state.second == at.seconds() { state.taken_in_second } else { 0 };
        let left = self.limits.per_second.map_or(u32::MAX, |rate| rate.saturating_sub(taken));
        self.wanted.min(free).min(left)
    }

    /// Jobs whose workers did not renew in time go back in line: those workers are gone.
    fn take_back_expired(
        &self,
        tx: &mut Tx<'_>,
        at: Timestamp,
        state: &mut QueueRow,
    ) -> Result<(), StoreError> {
        for lease in tx.scan::<Lease>(&self.below(at))? {
            let Lease { queue, id, turn, attempts, .. } = lease.clone();
            tx.delete(lease);
            state.leased = state.leased.saturating_sub(1);
            tx.put(Ready { queue, turn, id, attempts });
        }
        Ok(())
    }

    fn move_due(&self, tx: &mut Tx<'_>, at: Timestamp) -> Result<(), StoreError> {
        for delayed in tx.scan::<Delayed>(&self.below(at))? {
            let Delayed { queue, id, turn, attempts, .. } = delayed.clone();
            tx.delete(delayed);
            tx.put(Ready { queue, turn, id, attempts });
        }
        Ok(())
    }

    fn take(
        &self,
        tx: &mut Tx<'_>,
        at: Timestamp,
        room: u32,
        state: &mut QueueRow,
    ) -> Result<Vec<Claimed>, StoreError> {
        let queue = self.queue.to_owned();
        let limit = usize::try_from(room).unwrap_or(usize::MAX);
        let ready = tx.scan::<Ready>(&Scan { prefix: vec![queue.cell()], below: None, limit })?;
        let keys: Vec<_> = ready.iter().map(|ready| (queue.clone(), ready.id)).collect();
        let jobs = tx.get_all::<JobRow>(&keys)?;
        let mut jobs = jobs.into_iter().peekable();
        let mut causes = self.causes(tx, &ready)?;
        let mut claimed = Vec::with_capacity(ready.len());
        for place in ready {
            let (id, turn, attempts) = (place.id, place.turn, place.attempts);
            tx.delete(place);
            // A job that was purged meanwhile has only its place left.
            let Some(job) = jobs.next_if(|job| job.id == id) else { continue };
            let exhausted = attempts >= job.attempts_max;
            let lease = Lease {
                queue: queue.clone(),
                expires_at: at.plus(self.lease),
                id,
                token: self.token,
                worker: self.worker.clone(),
                turn,
                attempts: if exhausted { attempts } else { attempts + 1 },
                started_at: at,
            };
            tx.put(lease.clone());
            let last = lease.attempts >= job.attempts_max;
            let cause = causes.remove(&id);
            claimed.push(Claimed { lease, name: job.name, payload: job.payload, last, exhausted, cause });
        }
        let taken = u32::try_from(claimed.len()).unwrap_or(u32::MAX);
        state.leased += taken;
        state.taken_in_second = if state.second == at.seconds() { state.taken_in_second } else { 0 } + taken;
        state.second = at.seconds();
        Ok(claimed)
    }

    /// In which traces the jobs were asked for, of those of which that is known.
    fn causes(&self, tx: &mut Tx<'_>, ready: &[Ready]) -> Result<HashMap<Id<AnyJob>, String>, StoreError> {
        if !self.traced {
            return Ok(HashMap::new());
        }
        let places: Vec<_> = ready.iter().map(|ready| cause::place(self.queue, ready.id)).collect();
        let known = tx.get_all::<CauseRow>(&places)?;
        Ok(known.into_iter().map(|cause| (cause.id, cause.trace)).collect())
    }

    fn below(&self, at: Timestamp) -> Scan<'_> {
        // The very moment has come, too.
        let bound = i64::try_from(at.millis() + 1).unwrap_or(i64::MAX);
        let prefix = vec![Cell::Text(self.queue.into())];
        Scan { prefix, below: Some(Cell::Integer(bound)), limit: MOVED_MAX }
    }
}

/// What a worker must show to end an attempt or go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) expires_at: Timestamp,
    pub(crate) id: Id<AnyJob>,
    pub(crate) token: [u8; 16],
}

/// The lease of this attempt, if it still is the one that counts.
pub(crate) fn held(tx: &mut Tx<'_>, queue: &str, held: Held) -> Result<Option<Lease>, StoreError> {
    let lease = tx.get::<Lease>((queue.to_owned(), held.expires_at, held.id))?;
    Ok(lease.filter(|lease| lease.token == held.token))
}

/// Ends a lease, whatever for.
pub(crate) fn let_go(tx: &mut Tx<'_>, lease: Lease) -> Result<(), StoreError> {
    if let Some(mut state) = tx.get::<QueueRow>(lease.queue.clone())? {
        state.leased = state.leased.saturating_sub(1);
        tx.put(state);
    }
    tx.delete(lease);
    Ok(())
}
