//! Votes, and what came of checking them. Taking one costs no more than reading and writing two rows: whether it holds
//! is the workers' to say.

use board::{BallotEntry, OpenBallotEntry, Turn, Verdicts};
use clock::Timestamp;
use store::{Keys, Tx};

use super::{PostError, Rule, json};
use crate::board_rows::{BoardState, Phase, VerdictRow, VoteRow};

/// Puts a vote in its place, once.
fn put_vote(
    tx: &mut Tx<'_>,
    state: &mut BoardState,
    tracker: [u8; 32],
    turn: Turn,
    at: Timestamp,
) -> Result<(), PostError> {
    state.must_be(Phase::Open)?;
    // Whoever closes the election may be late; the time that was announced is not.
    if state.closes_at.is_some_and(|closes_at| closes_at <= at) {
        return Err(PostError::NotNow(Phase::Closed));
    }
    if let Some(known) = tx.get::<VoteRow>(tracker)? {
        return Err(PostError::AlreadyCast { index: known.index });
    }
    let Turn { voter, sequence } = turn;
    tx.put(VoteRow { tracker, index: state.entries, voter, sequence });
    state.votes += 1;
    Ok(())
}

impl Rule for BallotEntry {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<VoteRow>(self.tracker().0);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, at: Timestamp) -> Result<(), PostError> {
        put_vote(tx, state, self.tracker().0, (&self).into(), at)
    }
}

impl Rule for OpenBallotEntry {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<VoteRow>(self.tracker().0);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, at: Timestamp) -> Result<(), PostError> {
        put_vote(tx, state, self.tracker().0, (&self).into(), at)
    }
}

impl Rule for Verdicts {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<VerdictRow>(self.from);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        if !matches!(state.phase(), Phase::Open | Phase::Closed) {
            return Err(PostError::NotNow(state.phase()));
        }
        if tx.get::<VerdictRow>(self.from)?.is_some() {
            return Err(PostError::AlreadyThere);
        }
        state.checked += u64::from(self.votes);
        state.refused += self.refused.len() as u64;
        let Self { from: first, to: past, refused, .. } = self;
        tx.put(VerdictRow { first, past, index: state.entries, refused: json(&refused) });
        Ok(())
    }
}
