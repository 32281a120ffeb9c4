//! What the public reads of an election.

use std::sync::Arc;

use board::{
    ContestResult, Counted, Election, Hex, IssuedCount, Issuer, RefusedBallot, TrusteeFault, WhyRefused,
};
use clock::Timestamp;
use ids::Id;
use ledger::{LogError, merkle::Hash};
use problem::Problem;

use crate::{
    board_rows::{BoardState, CountedRow, Phase, VerdictRow, VoidRow, VoteRow, kept},
    boards::{Agreed, Board},
    create_election::no_such_election,
    elections::Reading,
    http::{ElectionBody, ResultBody, TurnoutBody},
    rows::{ElectionRow, Stage},
    sql,
    tokens::issuers,
};

/// An election as it is known now.
pub(crate) struct Known {
    pub(crate) row: ElectionRow,
    pub(crate) board: Option<Arc<Board>>,
    pub(crate) agreed: Option<Arc<Agreed>>,
    pub(crate) state: BoardState,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) faults: Vec<TrusteeFault>,
}

/// Where a vote stands.
pub(crate) struct Found {
    pub(crate) index: u64,
    pub(crate) at: Timestamp,
    pub(crate) verdict: Option<VerdictRow>,
    pub(crate) leaf_bytes: Vec<u8>,
    pub(crate) leaf: Hash,
    /// With the checkpoint that it leads to, and that checkpoint's size.
    pub(crate) proof: Option<(Vec<Hash>, String, u64)>,
}

impl Found {
    /// Why it was refused, if it was.
    pub(crate) fn refused(&self) -> Result<Option<WhyRefused>, Problem> {
        let Some(verdict) = &self.verdict else { return Ok(None) };
        let refused: Vec<RefusedBallot> = kept(&verdict.refused, "board_verdicts")?;
        Ok(refused.into_iter().find(|refused| refused.index == self.index).map(|refused| refused.reason))
    }
}

/// In one word, how an election stands.
pub(crate) fn state_word(row: &ElectionRow, phase: Phase, secret: bool) -> &'static str {
    match (row.stage(), phase) {
        (Stage::Draft, _) => "draft",
        (Stage::Abandoned, _) | (_, Phase::Abandoned) => "abandoned",
        (_, Phase::New | Phase::Ceremony | Phase::Void) => "ceremony",
        (_, Phase::Ready) => "ready",
        (_, Phase::Open) => "open",
        (Stage::Tally, Phase::Closed) if secret => "mixing",
        (_, Phase::Closed) => "closed",
        (_, Phase::Decrypting) => "decrypting",
        (_, Phase::Counted) => "counted",
        (_, Phase::Published) => "published",
    }
}

impl Reading {
    /// An election, also a draft.
    pub(crate) async fn known(&self, election: Id<Election>) -> Result<Option<Known>, Problem> {
        let Some(row) = self.row(election).await? else { return Ok(None) };
        self.known_of(row).await.map(Some)
    }

    /// What is known of the election of a row.
    pub(crate) async fn known_of(&self, row: ElectionRow) -> Result<Known, Problem> {
        let definition = row.definition()?;
        let issuers = issuers(&self.keys, row.id, &definition.weights, definition.secret);
        if !row.is_announced() {
            let (board, agreed, state, faults) = (None, None, BoardState::new(), Vec::new());
            return Ok(Known { row, board, agreed, state, issuers, faults });
        }
        let board = self.boards.of(row.id).await?;
        let state = board.ledger.readers().read(sql::board_state).await?;
        let agreed = board.agreed().await?;
        let attempt = state.attempt;
        let void = board.ledger.readers().read(move |snapshot| snapshot.get::<VoidRow>(&attempt)).await?;
        let faults = void.map_or(Ok(Vec::new()), |void| kept(&void.faults, "board_voids"))?;
        Ok(Known { row, board: Some(board), agreed, state, issuers, faults })
    }

    /// What is listed of the election of a row. A page of elections that are over opens no boards.
    pub(crate) async fn listed(&self, row: ElectionRow) -> Result<Known, Problem> {
        let phase = match row.stage() {
            Stage::Published => Phase::Published,
            Stage::Abandoned => Phase::Abandoned,
            Stage::Draft | Stage::Ceremony | Stage::Open | Stage::Closed | Stage::Tally => {
                return self.known_of(row).await;
            }
        };
        if self.boards.opened(row.id).is_some() {
            return self.known_of(row).await;
        }
        let definition = row.definition()?;
        let issuers = issuers(&self.keys, row.id, &definition.weights, definition.secret);
        let state = BoardState { phase: phase as u8, ..BoardState::new() };
        Ok(Known { row, board: None, agreed: None, state, issuers, faults: Vec::new() })
    }

    /// What the public sees of an election, as JSON.
    pub(crate) async fn shown(self, election: Id<Election>) -> Result<Option<String>, Problem> {
        match self.known(election).await?.filter(|known| known.row.is_announced()) {
            Some(known) => json(&ElectionBody::of(&known)?).map(Some),
            None => Ok(None),
        }
    }

    /// How many votes there are, as JSON.
    pub(crate) async fn turnout(self, election: Id<Election>) -> Result<Option<String>, Problem> {
        match self.known(election).await?.filter(|known| known.row.is_announced()) {
            Some(known) => {
                let issued = self.issued(&known.row).await?;
                json(&TurnoutBody::of(&known, issued)?).map(Some)
            }
            None => Ok(None),
        }
    }

    /// How many tokens were given out, by weight.
    pub(crate) async fn issued(&self, row: &ElectionRow) -> Result<Vec<IssuedCount>, Problem> {
        let election = row.id;
        let counts =
            self.ledger.readers().read(move |snapshot| sql::token_counts(snapshot, election)).await?;
        let of = |weight: &u32| {
            let count = counts.iter().find(|count| count.weight == *weight);
            IssuedCount { weight: *weight, issued: count.map_or(0, |count| count.issued) }
        };
        Ok(row.definition()?.weights.iter().map(of).collect())
    }

    /// The results, once they are published, as JSON.
    pub(crate) async fn published_results(self, election: Id<Election>) -> Result<Option<String>, Problem> {
        match self.board(election).await? {
            Some(board) if board.phase_for(&[Phase::Published]).await? == Phase::Published => {
                json(&self.results(&board).await?).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The results, once they are counted.
    pub(crate) async fn results(&self, board: &Board) -> Result<ResultBody, Problem> {
        let row = board.ledger.readers().read(|snapshot| snapshot.get::<CountedRow>(&0)).await?;
        let row = row.ok_or_else(not_published)?;
        let counted: Counted = kept(&row.counted, "board_counted")?;
        let contests = board.named_blob(counted.results).await?;
        let contests: Vec<ContestResult> = kept(&contests, "board_blobs")?;
        let agreed = board.agreed().await?.ok_or_else(no_such_election)?;
        Ok(ResultBody::of(board.election, agreed.hash, row.at, &counted, contests))
    }
}

pub(crate) fn not_published() -> Problem {
    Problem::not_found("elections/not-published", "the results of this election are not published")
}

pub(crate) fn json<T: serde::Serialize>(body: &T) -> Result<String, Problem> {
    serde_json::to_string(body).map_err(|error| Problem::internal(&error))
}

impl Board {
    /// The vote with this tracker.
    pub(crate) async fn find(&self, tracker: Hex<32>) -> Result<Found, Problem> {
        let read = move |snapshot: &store::Snapshot<'_>| {
            let Some(vote) = snapshot.get::<VoteRow>(&tracker.0)? else { return Ok(None) };
            Ok(Some((vote.index, sql::verdict_on(snapshot, vote.index)?)))
        };
        let found = self.ledger.readers().read(read).await?;
        let (index, verdict) = found.ok_or_else(no_such_ballot)?;
        let (entry, proof) = match self.ledger.proven(index).await {
            Ok(proven) => {
                let size = proven.published.checkpoint.size();
                (proven.entry, Some((proven.proof, proven.published.note.clone(), size)))
            }
            Err(LogError::NotCovered { .. }) => (self.ledger.entry(index).await?, None),
            Err(error) => return Err(error.into()),
        };
        let (leaf_bytes, leaf) = (entry.leaf_bytes(), entry.leaf());
        Ok(Found { index, at: entry.at, verdict, leaf_bytes, leaf, proof })
    }
}

fn no_such_ballot() -> Problem {
    Problem::not_found("elections/no-such-ballot", "no vote of this election has this tracker")
}
