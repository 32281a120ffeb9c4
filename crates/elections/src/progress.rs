//! Brings each board after what its election's row says is wanted, and asks workers for what is to be done. Any node
//! may do it at any time: what was done already is not done again.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use board::{
    Abandoned, BeginCeremony, Closed, Defined, Election, Manifest, Opened, Published, TrusteesNamed, Void,
};
use futures_util::{StreamExt, stream};
use ids::Id;
use ledger::{Command, SubmitError};
use mixnet::{Encoded, Ristretto, TrusteeKeys};
use problem::Problem;
use tokio::sync::watch;

use crate::{
    AdvanceElection, Elections,
    advance_election::AdvanceError,
    ask::{AskError, AskForChecks, AskToCount, AskToMix, COUNT, MIX},
    board_rows::{BoardState, Phase},
    boards::Board,
    ceremony::{Spoken, Standing},
    post::{PostError, Rule},
    read::roll_counts,
    rows::{ElectionRow, Stage},
    sql,
    tokens::issuers,
};

/// Steps that one look takes, at most: more than there are phases.
const STEPS_MAX: usize = 12;

/// Elections that are looked after at the same time.
const LOOKED_AFTER_AT_ONCE: usize = 8;

/// Pieces of a board that workers are asked to check at once: they are one entry of the ledger.
const PIECES_MAX: usize = 200;

/// Did something happen, so that more may be to do?
type Moved = bool;

impl Elections {
    /// Looks after all elections until told to stop.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let look = Duration::from_millis(self.config().look_ms.get().into());
        let mut quiet = true;
        loop {
            let changed = self.changed().notified();
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = changed => {}
                () = tokio::time::sleep(look) => {}
            }
            match self.look_after_all().await {
                Ok(()) => quiet = true,
                Err(problem) if quiet => {
                    tracing::warn!(code = problem.code(), "elections cannot be looked after for now");
                    quiet = false;
                }
                Err(_) => {}
            }
        }
    }

    async fn look_after_all(&self) -> Result<(), Problem> {
        let at_work = self.ledger().readers().read(sql::elections_at_work).await?;
        // What is wrong with one election, or takes long, is not the others' business.
        let looked = stream::iter(at_work).map(|election| self.look_after(election));
        let looked: Vec<_> = looked.buffer_unordered(LOOKED_AFTER_AT_ONCE).collect().await;
        looked.into_iter().find(Result::is_err).unwrap_or(Ok(()))
    }

    /// Brings an election's board as far as it can come now.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub(crate) async fn look_after(&self, election: Id<Election>) -> Result<(), Problem> {
        for _ in 0..STEPS_MAX {
            let row = self.row(election).await?;
            if !row.is_announced() {
                return Ok(());
            }
            let board = self.boards().of(election).await?;
            if !self.step(&row, &board).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Takes one step, if there is one to take.
    async fn step(&self, row: &ElectionRow, board: &Arc<Board>) -> Result<Moved, Problem> {
        let state = board.ledger.readers().read(sql::board_state).await?;
        let phase = state.phase();
        if row.stage() == Stage::Abandoned {
            return if phase < Phase::Counted { tried(board, Abandoned {}).await } else { Ok(false) };
        }
        match phase {
            Phase::New | Phase::Void => self.begin(row, board, &state).await,
            Phase::Ceremony => self.follow_ceremony(row, board, &state).await,
            Phase::Ready => self.open_in_time(row, board).await,
            Phase::Open => {
                self.ask_for_checks(row, &state).await?;
                self.close_in_time(row, board).await
            }
            Phase::Closed => {
                self.ask_for_checks(row, &state).await?;
                self.tally(row, &state).await
            }
            Phase::Decrypting => self.count_in_time(row, board, &state).await,
            Phase::Counted if row.stage() == Stage::Published => tried(board, Published {}).await,
            Phase::Counted | Phase::Published | Phase::Abandoned => Ok(false),
        }
    }

    async fn begin(&self, row: &ElectionRow, board: &Board, state: &BoardState) -> Result<Moved, Problem> {
        let Some(TrusteesNamed { threshold, names }) = row.trustees_named()? else {
            return self.define(row, board, None).await;
        };
        if state.attempt >= row.attempt {
            return Ok(false);
        }
        let (election, attempt) = (row.id, state.attempt + 1);
        tried(board, BeginCeremony { election, attempt, threshold, trustees: names }).await
    }

    async fn follow_ceremony(
        &self,
        row: &ElectionRow,
        board: &Board,
        state: &BoardState,
    ) -> Result<Moved, Problem> {
        if row.attempt > state.attempt {
            // The officer gave this attempt up.
            return tried(board, Void { attempt: state.attempt, faults: Vec::new() }).await;
        }
        // Nothing was said since it was last looked.
        if board.judged.load(Ordering::Relaxed) == state.entries {
            return Ok(false);
        }
        let (spoken, election) = (Spoken::read(board).await?, row.id);
        let attempt = spoken.attempt;
        let moved = match self.judge(move || spoken.judge(election)).await? {
            Standing::Waiting(_) => Ok(false),
            Standing::Void(faults) => tried(board, Void { attempt, faults }).await,
            Standing::Concluded(keys) => self.define(row, board, Some(&keys)).await,
        };
        // Only now: who gave up on the way, or could not say it, has to look again.
        if moved.is_ok() {
            board.judged.store(state.entries, Ordering::Relaxed);
        }
        moved
    }

    async fn define(
        &self,
        row: &ElectionRow,
        board: &Board,
        keys: Option<&TrusteeKeys<Ristretto>>,
    ) -> Result<Moved, Problem> {
        let definition = row.definition()?;
        let issuers = issuers(self.keys(), row.id, &definition.weights, definition.secret);
        let key = match (row.trustees_named()?, keys) {
            (Some(trustees), Some(keys)) => {
                let keys = keys.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                Some((trustees, row.attempt, keys))
            }
            (Some(_) | None, _) => None,
        };
        let manifest = Manifest::of(row.id, &definition, issuers, key);
        let manifest = serde_json::to_string(&manifest).map_err(|error| Problem::internal(&error))?;
        tried(board, Defined { manifest }).await
    }

    async fn open_in_time(&self, row: &ElectionRow, board: &Board) -> Result<Moved, Problem> {
        if row.stage() >= Stage::Open {
            return tried(board, Opened {}).await;
        }
        let opens_at = row.definition()?.opens_at;
        self.advance_at(row, opens_at, Stage::Open).await
    }

    async fn close_in_time(&self, row: &ElectionRow, board: &Board) -> Result<Moved, Problem> {
        if row.stage() >= Stage::Closed {
            let election = row.id;
            let counts =
                self.ledger().readers().read(move |snapshot| sql::weight_counts(snapshot, election)).await?;
            let issued = roll_counts(&row.definition()?.weights, &counts);
            return tried(board, Closed { issued }).await;
        }
        let closes_at = row.definition()?.closes_at;
        self.advance_at(row, closes_at, Stage::Closed).await
    }

    /// Brings the row to a stage when the time has come for it.
    async fn advance_at(
        &self,
        row: &ElectionRow,
        at: Option<clock::Timestamp>,
        to: Stage,
    ) -> Result<Moved, Problem> {
        if at.is_none_or(|at| at > self.clock().now()) {
            return Ok(false);
        }
        let command = AdvanceElection { election: row.id, to, attempt: 0 };
        let permitted = authz::Actor::service(crate::SERVICE).permit(command)?;
        match self.ledger().submit(permitted).await {
            Ok(_) | Err(SubmitError::Refused(AdvanceError::NotNow)) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    async fn ask_for_checks(&self, row: &ElectionRow, state: &BoardState) -> Result<(), Problem> {
        if state.votes <= row.asked_votes {
            return Ok(());
        }
        let piece = u64::from(self.config().check_entries_max.get());
        let ends = (1..=PIECES_MAX as u64).map(|place| (row.asked_to + place * piece).min(state.entries));
        let mut ends: Vec<_> = ends.collect();
        ends.dedup();
        // If not all of it is asked for, the rest is asked for next time: some of the votes are left then.
        let all = ends.last() == Some(&state.entries);
        let votes = if all { state.votes } else { row.asked_votes };
        let pieces = ends.into_iter().map(|end| (end, self.clock().id())).collect();
        self.ask_once(AskForChecks { election: row.id, from: row.asked_to, pieces, votes }).await
    }

    async fn tally(&self, row: &ElectionRow, state: &BoardState) -> Result<Moved, Problem> {
        if row.stage() < Stage::Tally || state.checked < state.votes {
            return Ok(false);
        }
        let (election, job) = (row.id, self.clock().id());
        if !row.definition()?.secret {
            if row.asked_tally < COUNT {
                self.ask_once(AskToCount { election, job }).await?;
            }
        } else if row.asked_tally < MIX {
            self.ask_once(AskToMix { election, mixer: 1, job }).await?;
        }
        Ok(false)
    }

    async fn count_in_time(
        &self,
        row: &ElectionRow,
        board: &Board,
        state: &BoardState,
    ) -> Result<Moved, Problem> {
        let enough = state.decrypted >= state.threshold || self.lists(board).await?.is_empty();
        if enough && row.asked_tally < COUNT {
            self.ask_once(AskToCount { election: row.id, job: self.clock().id() }).await?;
        }
        Ok(false)
    }

    /// Asks workers, unless somebody has.
    pub(crate) async fn ask_once<C>(&self, ask: C) -> Result<(), Problem>
    where
        C: Command<Refused = AskError> + authz::Guarded,
    {
        let permitted = authz::Actor::service(crate::SERVICE).permit(ask)?;
        match self.ledger().submit(permitted).await {
            Ok(_) | Err(SubmitError::Refused(AskError::AskedAlready)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Puts something on a board; that another node was quicker is as good.
async fn tried<E: Rule>(board: &Board, entry: E) -> Result<Moved, Problem> {
    match board.post(entry).await {
        Ok(_)
        | Err(SubmitError::Refused(PostError::AlreadyThere | PostError::NotNow(_) | PostError::NotTheStep)) => {
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
