//! A command on its way through the ledger: encoded by whoever gave it, applied by the writer, answered
//! after the sync.

use std::sync::Arc;

use authz::{By, Person};
use clock::{Clock, Timestamp};
use ids::Id;
use store::{Keys, Tx};
use tokio::sync::oneshot;

use crate::{
    command::{Applied, BODY_BYTES_MAX, Command},
    entry::pack,
    idempotency::Once,
    merkle::Hash,
    receipt::{Receipt, SubmitError},
};

/// What a ledger needs to know of a command whose type it does not.
pub(crate) trait Pending: Send {
    /// Who gave it; nobody if the process itself did.
    fn by(&self) -> Option<&By>;
    fn reads(&self, keys: &mut Keys<'_>);
    /// The trace that it is part of, if there is one.
    fn trace(&self) -> Option<Arc<str>>;
    fn apply(&mut self, tx: &mut Tx<'_>, at: Timestamp) -> Verdict;
    fn once(&self) -> Option<Once>;
    fn draft(&mut self) -> Draft;
    /// What was done, as JSON, to be kept under an idempotency key.
    fn done(&self) -> Vec<u8>;
    fn settle(self: Box<Self>, settled: Settled);
}

/// What the writer learns from applying a command.
pub(crate) enum Verdict {
    Accepted {
        subject: Option<Id<Person>>,
        erases: bool,
    },
    /// It changed operational rows, which no entry tells of.
    Operated,
    Refused,
}

/// The parts of an entry that are ready before it has a place.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) command: &'static str,
    pub(crate) actor: String,
    pub(crate) salt: [u8; 16],
    pub(crate) body: Vec<u8>,
    pub(crate) erasable: Option<Vec<u8>>,
}

/// How a command ended.
#[derive(Debug, Clone)]
pub(crate) enum Settled {
    /// It was applied, and what it decided is durable.
    Durable { index: u64, leaf: Hash },
    /// An operation without an entry was applied, and is durable.
    Operated,
    /// Its rule refused it, on grounds that are durable.
    Refused,
    /// Whoever gave it may not give commands any more.
    Withdrawn,
    /// It had been done before, under the same idempotency key.
    Repeated { index: u64, leaf: Hash, done: Vec<u8> },
    /// The idempotency key belongs to a request with another body.
    KeyReused,
    /// It panicked.
    Panicked,
    /// The batch could not be made durable; nothing of it happened.
    NotDurable,
    /// The disk failed while it synced: only a restart can tell whether the batch happened.
    InDoubt,
}

type Answer<C> = Result<Receipt<<C as Command>::Done>, SubmitError<<C as Command>::Refused>>;

/// A command that can wait, and where its answer will come.
type Prepared<C> = (Waiting<C>, oneshot::Receiver<Answer<C>>);

/// A command of a known type, waiting.
pub(crate) struct Waiting<C: Command> {
    ledger: Arc<str>,
    by: By,
    draft: Draft,
    once: Option<Once>,
    trace: Option<Arc<str>>,
    stage: Stage<C>,
    answer: oneshot::Sender<Answer<C>>,
}

enum Stage<C: Command> {
    Given(C),
    Applied(C::Done),
    Refused(C::Refused),
    /// Taken by an `apply` that has not come back: while it runs, or for good if it panicked.
    Taken,
}

impl<C: Command> Waiting<C> {
    /// Encodes the command, on the thread of whoever gives it.
    pub(crate) fn new(
        ledger: Arc<str>,
        by: By,
        mut command: C,
        once: Option<Once>,
        clock: &Clock,
    ) -> Result<Prepared<C>, SubmitError<C::Refused>> {
        let mut contents = Vec::new();
        command.erasables(&mut |field| contents.push(field.to_held_bytes()));
        let body = serde_json::to_vec(&command).map_err(SubmitError::Encoding)?;
        let erasable = (!contents.is_empty()).then(|| pack(&contents));
        if body.len() + erasable.as_ref().map_or(0, Vec::len) > BODY_BYTES_MAX {
            return Err(SubmitError::TooLarge);
        }
        let draft = Draft { command: C::NAME, actor: by.to_string(), salt: clock.random(), body, erasable };
        let (answer, answered) = oneshot::channel();
        let stage = Stage::Given(command);
        Ok((Self { ledger, by, draft, once, trace: None, stage, answer }, answered))
    }

    /// The command is part of this trace.
    pub(crate) fn within(self, trace: Option<Arc<str>>) -> Self {
        Self { trace, ..self }
    }
}

impl<C: Command> Pending for Waiting<C> {
    fn by(&self) -> Option<&By> {
        Some(&self.by)
    }

    fn reads(&self, keys: &mut Keys<'_>) {
        if let Stage::Given(command) = &self.stage {
            command.reads(keys);
        }
    }

    fn trace(&self) -> Option<Arc<str>> {
        self.trace.clone()
    }

    fn apply(&mut self, tx: &mut Tx<'_>, at: Timestamp) -> Verdict {
        let Stage::Given(command) = std::mem::replace(&mut self.stage, Stage::Taken) else {
            return Verdict::Refused;
        };
        let applied = command.admit(tx, at).and_then(|()| command.apply(&self.by, tx, at));
        match applied {
            Ok(Applied { done, subject, erases }) => {
                self.stage = Stage::Applied(done);
                Verdict::Accepted { subject, erases }
            }
            Err(refused) => {
                self.stage = Stage::Refused(refused);
                Verdict::Refused
            }
        }
    }

    fn once(&self) -> Option<Once> {
        self.once
    }

    fn draft(&mut self) -> Draft {
        std::mem::take(&mut self.draft)
    }

    fn done(&self) -> Vec<u8> {
        match &self.stage {
            Stage::Applied(done) => serde_json::to_vec(done).unwrap_or_default(),
            Stage::Given(_) | Stage::Refused(_) | Stage::Taken => Vec::new(),
        }
    }

    fn settle(self: Box<Self>, settled: Settled) {
        let Self { ledger, stage, answer, .. } = *self;
        let answered = match (settled, stage) {
            (Settled::Durable { index, leaf }, Stage::Applied(done)) => {
                Ok(Receipt { done, ledger, index, leaf })
            }
            (Settled::Refused, Stage::Refused(refused)) => Err(SubmitError::Refused(refused)),
            (Settled::Repeated { index, leaf, done }, _) => serde_json::from_slice(&done)
                .map(|done| Receipt { done, ledger, index, leaf })
                .map_err(SubmitError::Encoding),
            (Settled::Withdrawn, _) => Err(SubmitError::Withdrawn),
            (Settled::KeyReused, _) => Err(SubmitError::KeyReused),
            (Settled::Panicked, _) => Err(SubmitError::Panicked),
            (Settled::InDoubt, _) => Err(SubmitError::InDoubt),
            (Settled::NotDurable | Settled::Durable { .. } | Settled::Operated | Settled::Refused, _) => {
                Err(SubmitError::NotDurable)
            }
        };
        // Whoever asked may have gone away meanwhile; what was done stays done.
        drop(answer.send(answered));
    }
}
