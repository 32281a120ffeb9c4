//! A worker is still at it.

use std::time::Duration;

use clock::Timestamp;
use ledger::Operation;
use store::{Keys, StoreError, Tx};

use crate::{
    claim::{Held, held},
    rows::{Lease, ProgressRow},
};

/// Keeps a lease for longer, and tells how far the job has come.
#[derive(Debug, Clone)]
pub struct Renew {
    pub lease: Lease,
    pub for_another: Duration,
    /// Percent and a word, if there is news.
    pub progress: Option<(u8, String)>,
}

impl Operation for Renew {
    /// The lease as it is now; nothing if it was given to another meanwhile: the worker must stop.
    type Done = Option<Lease>;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<Lease>((self.lease.queue.clone(), self.lease.expires_at, self.lease.id));
    }

    fn apply(self, tx: &mut Tx<'_>, at: Timestamp) -> Result<Option<Lease>, StoreError> {
        let Lease { queue, expires_at, id, token, .. } = self.lease;
        let Some(lease) = held(tx, &queue, Held { expires_at, id, token })? else { return Ok(None) };
        if let Some((percent, note)) = self.progress {
            tx.put(ProgressRow { queue, id, percent, note });
        }
        let renewed = Lease { expires_at: at.plus(self.for_another), ..lease.clone() };
        if renewed.expires_at != lease.expires_at {
            tx.delete(lease);
        }
        tx.put(renewed.clone());
        Ok(Some(renewed))
    }
}
