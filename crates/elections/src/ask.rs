//! Workers are asked to check votes and trustees' parts, to mix and to count. Each is asked once, whoever notices first
//! that it is time.

use authz::{Actor, By, Guarded};
use board::{Election, ListBlob};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use queue::{AnyJob, Enqueue, EnqueueError, enqueue};
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

use crate::{
    create_election::no_such_election,
    jobs::{CheckBallots, CheckPart, Count, Mix},
    rows::ElectionRow,
};

/// Asks for checks of a run of a board's votes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AskForChecks {
    pub(crate) election: Id<Election>,
    /// Where each piece ends, and the job that checks it. The first begins where the last one asked for ended.
    pub(crate) pieces: Vec<(u64, Id<AnyJob>)>,
    pub(crate) from: u64,
    /// Votes on the board, up to the end.
    pub(crate) votes: u64,
}

/// Asks a mixer to mix.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AskToMix {
    pub(crate) election: Id<Election>,
    pub(crate) mixer: u16,
    pub(crate) job: Id<AnyJob>,
}

/// Asks for the check of a trustee's part of the decryption.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AskToCheckPart {
    pub(crate) election: Id<Election>,
    pub(crate) trustee: u16,
    pub(crate) partials: Vec<ListBlob>,
    pub(crate) job: Id<AnyJob>,
}

/// Asks for the count.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AskToCount {
    pub(crate) election: Id<Election>,
    pub(crate) job: Id<AnyJob>,
}

/// Why nobody was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("there is no such election")]
    NoSuchElection,
    #[error("somebody was asked already")]
    AskedAlready,
    #[error(transparent)]
    Enqueue(#[from] EnqueueError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an election's row says of what was asked for.
pub(crate) const MIX: u8 = 1;
pub(crate) const COUNT: u8 = 2;

/// Notes that it was asked for, once.
fn note_asked(tx: &mut Tx<'_>, election: Id<Election>, what: u8) -> Result<(), AskError> {
    let mut row = tx.get::<ElectionRow>(election)?.ok_or(AskError::NoSuchElection)?;
    if row.asked_tally >= what {
        return Err(AskError::AskedAlready);
    }
    row.asked_tally = what;
    tx.put(row);
    Ok(())
}

/// Only the service itself asks.
macro_rules! by_itself {
    ($($command:ident),+) => { $(
        impl Guarded for $command {
            fn allows(&self, actor: &Actor) -> bool {
                actor.is_service()
            }
        }
    )+ };
}

by_itself!(AskForChecks, AskToMix, AskToCheckPart, AskToCount);

impl Command for AskForChecks {
    const NAME: &'static str = "elections/ask-for-checks";
    type Done = ();
    type Refused = AskError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, AskError> {
        let election = self.election;
        let mut row = tx.get::<ElectionRow>(election)?.ok_or(AskError::NoSuchElection)?;
        if row.asked_to != self.from {
            return Err(AskError::AskedAlready);
        }
        for (to, job) in self.pieces {
            let check = CheckBallots { election, from: row.asked_to, to };
            enqueue(tx, at, &check, Enqueue::now(job))?;
            row.asked_to = to;
        }
        row.asked_votes = self.votes;
        tx.put(row);
        Ok(Applied::new(()))
    }
}

impl Command for AskToMix {
    const NAME: &'static str = "elections/ask-to-mix";
    type Done = ();
    type Refused = AskError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, AskError> {
        let Self { election, mixer, job } = self;
        if mixer == 1 {
            note_asked(tx, election, MIX)?;
        }
        let known = enqueue(
            tx,
            at,
            &Mix { election, mixer },
            Enqueue::now(job).unique(format!("{election}/{mixer}")),
        )?;
        if known == job { Ok(Applied::new(())) } else { Err(AskError::AskedAlready) }
    }
}

impl Command for AskToCheckPart {
    const NAME: &'static str = "elections/ask-to-check-part";
    type Done = ();
    type Refused = AskError;

    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, AskError> {
        let Self { election, trustee, partials, job } = self;
        let check = CheckPart { election, trustee, partials };
        let known = enqueue(tx, at, &check, Enqueue::now(job).unique(CheckPart::key(election, trustee)))?;
        if known == job { Ok(Applied::new(())) } else { Err(AskError::AskedAlready) }
    }
}

impl Command for AskToCount {
    const NAME: &'static str = "elections/ask-to-count";
    type Done = ();
    type Refused = AskError;

    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<ElectionRow>(self.election);
    }

    fn apply(self, _: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, AskError> {
        let Self { election, job } = self;
        note_asked(tx, election, COUNT)?;
        let known =
            enqueue(tx, at, &Count { election }, Enqueue::now(job).unique(format!("{election}/count")))?;
        if known == job { Ok(Applied::new(())) } else { Err(AskError::AskedAlready) }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        match error {
            AskError::NoSuchElection => no_such_election(),
            AskError::AskedAlready => Self::conflict("elections/already-there", error),
            AskError::Enqueue(error) => error.into(),
            AskError::Store(error) => error.into(),
        }
    }
}
