//! What the public reads of an election.

use std::{collections::BTreeMap, sync::Arc};

use board::{
    ContestResult, Counted, Election, Hex, Issuer, RefusedBallot, RollCount, TrusteeFault, WhyRefused,
};
use ids::Id;
use ledger::{Entry, LogError, ProvenEntry, merkle::Hash};
use problem::Problem;
use store::{Snapshot, StoreError};

use crate::{
    board_rows::{BoardState, CountedRow, Phase, VerdictRow, VoidRow, VoteRow, kept},
    boards::{Agreed, Board},
    create_election::no_such_election,
    elections::Reading,
    http::{ElectionBody, ResultBody, TurnoutBody},
    rows::{ElectionRow, Stage, WeightCount},
    sql,
    tokens::issuers,
};

/// Votes of one key that are looked at to find the one that stands. Whoever knows a key can send votes in its name, which are
/// refused, but are there.
const VOTES_LOOKED_AT_MAX: u32 = 1000;

/// An election as it is known now.
pub(crate) struct Known {
    pub(crate) row: ElectionRow,
    pub(crate) board: Option<Arc<Board>>,
    pub(crate) agreed: Option<Arc<Agreed>>,
    pub(crate) state: BoardState,
    pub(crate) issuers: Vec<Issuer>,
    pub(crate) faults: Vec<TrusteeFault>,
}

/// An entry of a board, and that it is one if a checkpoint covers it.
pub(crate) struct Shown {
    pub(crate) entry: Entry,
    /// With the checkpoint that it leads to.
    pub(crate) proof: Option<(Vec<Hash>, String)>,
}

/// What came of a vote, under a checkpoint.
pub(crate) struct Judged {
    /// The entry that says so.
    pub(crate) shown: Shown,
    pub(crate) refused: Option<WhyRefused>,
    /// The tracker of the voter's vote that stands instead of this one.
    pub(crate) superseded_by: Option<Hex<32>>,
    /// Is it not known which of the voter's votes stands, because of too many that do not hold?
    pub(crate) is_buried: bool,
}

/// Where a vote stands.
pub(crate) struct Found {
    pub(crate) vote: Shown,
    pub(crate) judged: Option<Judged>,
}

/// Why votes were refused, by their places.
fn refusals(verdict: &VerdictRow) -> Result<BTreeMap<u64, WhyRefused>, StoreError> {
    let refused: Vec<RefusedBallot> = kept(&verdict.refused, "board_verdicts")?;
    Ok(refused.into_iter().map(|refused| (refused.index, refused.reason)).collect())
}

/// The vote that stands for whoever made this one: of those that were confirmed the first in their order. Nothing if too many
/// were sent in their name that do not hold.
fn standing(snapshot: &Snapshot<'_>, voter: [u8; 32]) -> Result<Option<VoteRow>, StoreError> {
    // Verdicts that were read already, by where they begin: up to where they go, and what they refuse.
    let mut verdicts = BTreeMap::new();
    for vote in sql::votes_of(snapshot, voter, VOTES_LOOKED_AT_MAX)? {
        let nearest = verdicts.range(..=vote.index).next_back();
        if nearest.is_none_or(|(_, (past, _))| *past <= vote.index) {
            let Some(verdict) = sql::verdict_on(snapshot, vote.index)? else { continue };
            verdicts.insert(verdict.first, (verdict.past, refusals(&verdict)?));
        }
        let verdict = verdicts.range(..=vote.index).next_back();
        if verdict.is_some_and(|(_, (_, refused))| !refused.contains_key(&vote.index)) {
            return Ok(Some(vote));
        }
    }
    Ok(None)
}

/// What is counted of each weight of an election.
pub(crate) fn roll_counts(weights: &[u32], counts: &[WeightCount]) -> Vec<RollCount> {
    let of = |weight: &u32| {
        let count = counts.iter().find(|count| count.weight == *weight);
        let (voters, issued) = count.map_or((0, 0), |count| (count.voters, count.issued));
        RollCount { weight: *weight, voters, issued }
    };
    weights.iter().map(of).collect()
}

/// In one word, how an election stands.
pub(crate) fn state_word(row: &ElectionRow, phase: Phase, secret: bool) -> &'static str {
    match (row.stage(), phase) {
        (Stage::Draft, _) => "draft",
        // A board that was counted in the moment in which its election was abandoned stays so.
        (Stage::Abandoned, Phase::Counted) => "counted",
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

    /// How many may vote, and how many tokens were given out, by weight.
    pub(crate) async fn issued(&self, row: &ElectionRow) -> Result<Vec<RollCount>, Problem> {
        let election = row.id;
        let counts =
            self.ledger.readers().read(move |snapshot| sql::weight_counts(snapshot, election)).await?;
        Ok(roll_counts(&row.definition()?.weights, &counts))
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
        let read = move |snapshot: &Snapshot<'_>| {
            let Some(vote) = snapshot.get::<VoteRow>(&tracker.0)? else { return Ok(None) };
            let verdict = sql::verdict_on(snapshot, vote.index)?;
            let standing = if verdict.is_some() { standing(snapshot, vote.voter)? } else { None };
            Ok(Some((vote, verdict, standing)))
        };
        let found = self.ledger.readers().read(read).await?;
        let (vote, verdict, standing) = found.ok_or_else(no_such_ballot)?;
        // Nothing is said to be decided before everybody could hold the server to it.
        let judged = match verdict {
            Some(verdict) => {
                let shown = self.shown(verdict.index).await?;
                let refused = refusals(&verdict)?.remove(&vote.index);
                let is_buried = standing.is_none() && refused.is_none();
                let other = standing.filter(|other| other.tracker != tracker.0 && refused.is_none());
                let superseded_by = other.map(|other| Hex(other.tracker));
                shown.proof.is_some().then_some(Judged { shown, refused, superseded_by, is_buried })
            }
            None => None,
        };
        Ok(Found { vote: self.shown(vote.index).await?, judged })
    }

    async fn shown(&self, index: u64) -> Result<Shown, Problem> {
        match self.ledger.proven(index).await {
            Ok(ProvenEntry { entry, proof, published }) => {
                Ok(Shown { entry, proof: Some((proof, published.note.clone())) })
            }
            Err(LogError::NotCovered { .. }) => {
                Ok(Shown { entry: self.ledger.entry(index).await?, proof: None })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn no_such_ballot() -> Problem {
    Problem::not_found("elections/no-such-ballot", "no vote of this election has this tracker")
}
