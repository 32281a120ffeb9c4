//! An attempt failed, or was not begun: the job goes back in line.

use clock::Timestamp;
use ledger::Operation;
use store::{Keys, StoreError, Tx};

use crate::{
    backoff::pause_after,
    claim::{Held, held, let_go},
    rows::{Delayed, Lease, QueueRow, Ready},
};

/// Gives a job back.
#[derive(Debug, Clone)]
pub struct Release {
    pub lease: Lease,
    /// Why the attempt failed; nothing if it was not begun, and does not count.
    pub failure: Option<String>,
}

impl Operation for Release {
    /// Was it still this worker's?
    type Done = bool;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Lease>((self.lease.queue.clone(), self.lease.expires_at, self.lease.id));
        keys.want::<QueueRow>(self.lease.queue.clone());
    }

    fn apply(self, tx: &mut Tx<'_>, at: Timestamp) -> Result<bool, StoreError> {
        let Lease { queue, expires_at, id, token, .. } = self.lease;
        let Some(lease) = held(tx, &queue, Held { expires_at, id, token })? else { return Ok(false) };
        let Lease { turn, attempts, .. } = lease;
        let_go(tx, lease)?;
        match self.failure {
            Some(failure) => {
                let run_at = at.plus(pause_after(attempts, id));
                tx.put(Delayed { queue, run_at, id, turn, attempts, failure: Some(failure) });
            }
            None => tx.put(Ready { queue, turn, id, attempts: attempts.saturating_sub(1) }),
        }
        Ok(true)
    }
}
