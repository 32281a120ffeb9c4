//! Every query of this service, on its own database and on those of boards.

use board::{Election, TRACKER_PREFIX_BYTES, tracker_prefix};
use ids::Id;
use store::{Cell, Column, Snapshot, StoreError};

use crate::{
    board_rows::{BlobRow, BoardState, DecryptedRow, MixRow, Phase, SaidRow, VerdictRow, VoteRow},
    rows::{ElectionRow, WeightCount},
};

/// Elections in the order in which they were made, the newest first.
pub(crate) fn elections_before(
    snapshot: &Snapshot<'_>,
    before: Option<Id<Election>>,
    drafts: bool,
    limit: u32,
) -> Result<Vec<ElectionRow>, StoreError> {
    let before = before.unwrap_or(Id::from_bytes([0xff; 16]));
    let values = [before.cell(), Cell::Integer(i64::from(!drafts)), Cell::Integer(limit.into())];
    snapshot.rows("WHERE id < $1 AND attempt >= $2 ORDER BY id DESC LIMIT $3", &values)
}

/// Elections that are not over.
pub(crate) fn elections_at_work(snapshot: &Snapshot<'_>) -> Result<Vec<Id<Election>>, StoreError> {
    let mut at_work = Vec::new();
    let mut read = |sql| {
        snapshot.query(sql, &[], |cells| {
            at_work.push(cells.read(0)?);
            Ok(())
        })
    };
    read("SELECT id FROM elections WHERE stage >= 1 AND stage <= 4 ORDER BY id")?;
    // Of those that are over, the last few: their boards may lag behind. Whoever asks again for another has it looked after too.
    read("SELECT id FROM elections WHERE stage >= 5 AND attempt >= 1 ORDER BY id DESC LIMIT 10")?;
    Ok(at_work)
}

/// Elections that were ever shown to anybody but officers: each has a board.
///
/// # Errors
/// When the store fails.
pub fn announced(snapshot: &Snapshot<'_>) -> Result<Vec<Id<Election>>, StoreError> {
    // Asked every second by whoever ships: definitions stay where they are.
    let mut announced = Vec::new();
    snapshot.query("SELECT id FROM elections WHERE attempt >= 1 ORDER BY id", &[], |cells| {
        announced.push(cells.read(0)?);
        Ok(())
    })?;
    Ok(announced)
}

/// Is this board one on which nothing more will stand?
///
/// # Errors
/// When the store fails.
pub fn board_is_over(snapshot: &Snapshot<'_>) -> Result<bool, StoreError> {
    Ok(board_state(snapshot)?.phase() >= Phase::Published)
}

/// How many voters of each weight there are, and how many have got a token.
pub(crate) fn weight_counts(
    snapshot: &Snapshot<'_>,
    election: Id<Election>,
) -> Result<Vec<WeightCount>, StoreError> {
    snapshot.rows("WHERE election = $1 ORDER BY weight", &[election.cell()])
}

/// How a board stands.
pub(crate) fn board_state(snapshot: &Snapshot<'_>) -> Result<BoardState, StoreError> {
    Ok(snapshot.get::<BoardState>(&0)?.unwrap_or(BoardState::new()))
}

/// What trustees said in an attempt at a ceremony, step by step.
pub(crate) fn said(snapshot: &Snapshot<'_>, attempt: u16) -> Result<Vec<SaidRow>, StoreError> {
    snapshot.rows("WHERE attempt = $1 ORDER BY step, trustee", &[attempt.cell()])
}

/// The votes of whoever made this one, so many at most, the one that counts first, if all of them hold.
pub(crate) fn votes_of(
    snapshot: &Snapshot<'_>,
    voter: [u8; 32],
    most: u32,
) -> Result<Vec<VoteRow>, StoreError> {
    let (mut first, mut last) = ([0; 32], [0xff; 32]);
    for end in [&mut first, &mut last] {
        end[..TRACKER_PREFIX_BYTES].copy_from_slice(&tracker_prefix(&voter));
    }
    let order = "WHERE tracker >= $1 AND tracker <= $2 AND voter = $3 ORDER BY sequence DESC, \"index\" DESC LIMIT $4";
    snapshot.rows(order, &[first.cell(), last.cell(), voter.cell(), most.cell()])
}

/// The verdict on the vote at this place, if there is one.
pub(crate) fn verdict_on(snapshot: &Snapshot<'_>, index: u64) -> Result<Option<VerdictRow>, StoreError> {
    let rows: Vec<VerdictRow> =
        snapshot.rows("WHERE first <= $1 ORDER BY first DESC LIMIT 1", &[index.cell()])?;
    Ok(rows.into_iter().find(|row| index < row.past))
}

/// What mixers made, list by list.
pub(crate) fn mixes(snapshot: &Snapshot<'_>) -> Result<Vec<MixRow>, StoreError> {
    snapshot.rows("ORDER BY list, mixer", &[])
}

/// Trustees' parts of the decryption.
pub(crate) fn decrypted(snapshot: &Snapshot<'_>) -> Result<Vec<DecryptedRow>, StoreError> {
    snapshot.rows("ORDER BY trustee", &[])
}

/// The pieces of a blob, in order.
pub(crate) fn blob(snapshot: &Snapshot<'_>, hash: [u8; 32]) -> Result<Vec<BlobRow>, StoreError> {
    snapshot.rows("WHERE hash = $1 ORDER BY piece", &[hash.cell()])
}
