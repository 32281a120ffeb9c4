//! Changes that no entry tells of: claims, leases and the like, in the same batches as commands, so that
//! they stand in the same order.

use std::{sync::Arc, time::Duration};

use authz::By;
use clock::Timestamp;
use problem::Problem;
use store::{Keys, StoreError, Tx};
use tokio::sync::oneshot;

use crate::{
    idempotency::Once,
    ledger::Ledger,
    pending::{Draft, Pending, Settled, Verdict},
};

/// A change of operational rows. It is never replayed; it may only touch tables declared so.
pub trait Operation: Send + 'static {
    type Done: Send + 'static;

    /// The rows it is going to read.
    fn reads(&self, keys: &mut Keys<'_>);

    /// Changes the rows.
    ///
    /// # Errors
    /// When the store fails; nothing has changed then.
    fn apply(self, tx: &mut Tx<'_>, at: Timestamp) -> Result<Self::Done, StoreError>;
}

/// Why an operation was not done. Nothing of it has happened, or it happened and nobody will be told.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    #[error("too many changes are waiting to be written; try again soon")]
    Busy,
    #[error("the server is stopping")]
    Stopped,
    #[error("the change could not be written to disk")]
    NotDurable,
    #[error("the operation has a bug; the log says which")]
    Panicked,
    #[error(transparent)]
    Store(#[from] StoreError),
}

struct WaitingOperation<O: Operation> {
    stage: Stage<O>,
    answer: oneshot::Sender<Result<O::Done, OperateError>>,
}

enum Stage<O: Operation> {
    Given(O),
    Applied(O::Done),
    Failed(StoreError),
    Taken,
}

impl Ledger {
    /// Has the operation applied in the order of commands, and answers once it is durable.
    ///
    /// # Errors
    /// When the ledger cannot take or keep it.
    pub async fn operate<O: Operation>(&self, operation: O) -> Result<O::Done, OperateError> {
        let (answer, answered) = oneshot::channel();
        self.join(Box::new(WaitingOperation { stage: Stage::Given(operation), answer })).map_err(|full| {
            match full {
                store::Full::Crowded(_) => OperateError::Busy,
                store::Full::Closed(_) => OperateError::Stopped,
            }
        })?;
        answered.await.unwrap_or(Err(OperateError::Stopped))
    }
}

impl<O: Operation> Pending for WaitingOperation<O> {
    fn by(&self) -> Option<&By> {
        None
    }

    fn reads(&self, keys: &mut Keys<'_>) {
        if let Stage::Given(operation) = &self.stage {
            operation.reads(keys);
        }
    }

    fn trace(&self) -> Option<Arc<str>> {
        None
    }

    fn apply(&mut self, tx: &mut Tx<'_>, at: Timestamp) -> Verdict {
        let Stage::Given(operation) = std::mem::replace(&mut self.stage, Stage::Taken) else {
            return Verdict::Refused;
        };
        match operation.apply(tx, at) {
            Ok(done) => {
                self.stage = Stage::Applied(done);
                Verdict::Operated
            }
            Err(error) => {
                self.stage = Stage::Failed(error);
                Verdict::Refused
            }
        }
    }

    fn once(&self) -> Option<Once> {
        None
    }

    fn draft(&mut self) -> Draft {
        Draft::default()
    }

    fn done(&self) -> Vec<u8> {
        Vec::new()
    }

    fn settle(self: Box<Self>, settled: Settled) {
        let answered = match (settled, self.stage) {
            (Settled::Operated, Stage::Applied(done)) => Ok(done),
            (Settled::Refused, Stage::Failed(error)) => Err(error.into()),
            (Settled::Panicked, _) => Err(OperateError::Panicked),
            _ => Err(OperateError::NotDurable),
        };
        // Whoever asked may have gone away meanwhile.
        drop(self.answer.send(answered));
    }
}

impl From<OperateError> for Problem {
    fn from(error: OperateError) -> Self {
        let soon = Duration::from_secs(1);
        match error {
            OperateError::Busy => Self::unavailable("ledger/busy", error, soon),
            OperateError::Stopped => Self::unavailable("ledger/stopped", error, Duration::from_secs(5)),
            OperateError::NotDurable => {
                Self::unavailable("ledger/not-durable", error, Duration::from_secs(5))
            }
            OperateError::Store(error) => error.into(),
            OperateError::Panicked => Self::internal(&error),
        }
    }
}
