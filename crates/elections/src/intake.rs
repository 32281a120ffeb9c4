//! Votes are taken: no more than what is durable is done before the answer. Nobody's session comes this far.

use board::{BallotEntry, Election, Hex, OpenBallotEntry};
use clock::Timestamp;
use ids::Id;
use ledger::{SubmitError, merkle::Hash};
use problem::Problem;

use crate::{
    Elections,
    board_rows::Phase,
    boards::{Agreed, Board},
    issue_token::IssueTokenError,
    post::{PostError, Rule},
    selections::{Selection, answers},
    tokens::read_open_token,
};

/// A vote that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) tracker: Hex<32>,
    pub(crate) index: u64,
    pub(crate) leaf: Hash,
    pub(crate) at: Timestamp,
}

impl Elections {
    /// Takes a secret vote. Whether it holds is found out later.
    ///
    /// # Errors
    /// When the election is not open, or it cannot be a vote in it.
    pub(crate) async fn take(&self, election: Id<Election>, vote: BallotEntry) -> Result<Received, Problem> {
        let (board, agreed) = self.open_board(election).await?;
        if !agreed.manifest.secret {
            let detail = "this election's votes are not secret: send `token` and `selections`";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        check_shape(&vote, &agreed)?;
        let tracker = vote.tracker();
        self.put(&board, tracker, vote).await
    }

    /// Takes a vote that is not secret.
    ///
    /// # Errors
    /// When the election is not open, the token is none, or the selections are no answers.
    pub(crate) async fn take_open(
        &self,
        election: Id<Election>,
        token: &str,
        selections: &[Selection],
    ) -> Result<Received, Problem> {
        let (board, agreed) = self.open_board(election).await?;
        if agreed.manifest.secret {
            let detail = "this election's votes are secret: send an encrypted ballot for each contest";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        let (weight, voter) = read_open_token(self.keys(), election, token).ok_or_else(|| {
            Problem::forbidden("elections/token-unfit", "this is no token of this election; get one")
        })?;
        let answers = answers(&agreed.manifest, selections)?;
        let vote = OpenBallotEntry { voter, weight, salt: Hex(self.clock().random()), answers };
        let tracker = vote.tracker();
        self.put(&board, tracker, vote).await
    }

    /// The board's signature for a vote that was taken, which holds whoever runs the server to it before a checkpoint does.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn promise(&self, election: Id<Election>, received: &Received) -> Result<Vec<u8>, Problem> {
        let statement = board::received(election, received.index, &received.leaf.0);
        self.keys().signing().sign_ed25519(&statement).map_err(|error| Problem::internal(&error))
    }

    async fn open_board(
        &self,
        election: Id<Election>,
    ) -> Result<(std::sync::Arc<Board>, std::sync::Arc<Agreed>), Problem> {
        let board = self.board(election).await?;
        let phase = board.phase_for(&[Phase::Open]).await?;
        let agreed = board.agreed().await?.filter(|_| phase == Phase::Open);
        let agreed = agreed.ok_or(IssueTokenError::NotOpen)?;
        // Those who close it may be a moment late.
        if agreed.manifest.closes_at.is_some_and(|closes_at| closes_at <= self.clock().now()) {
            return Err(IssueTokenError::NotOpen.into());
        }
        Ok((board, agreed))
    }

    async fn put<E: Rule>(&self, board: &Board, tracker: Hex<32>, vote: E) -> Result<Received, Problem> {
        let stopwatch = self.clock().stopwatch();
        let posted = board.post(vote.clone()).await;
        self.instruments().processing.observe(stopwatch.elapsed().as_secs_f64());
        let received = match posted {
            Ok(receipt) => {
                let at = board.ledger.last_at();
                Received { tracker, index: receipt.done, leaf: receipt.leaf, at }
            }
            Err(SubmitError::Refused(PostError::AlreadyCast { index })) => {
                let entry = board.ledger.entry(index).await?;
                // The same ballot with another signature: whoever sent it before is not to be taken for this voter.
                if entry.body != serde_json::to_vec(&vote).map_err(|error| Problem::internal(&error))? {
                    return Err(PostError::AlreadyThere.into());
                }
                Received { tracker, index, leaf: entry.leaf(), at: entry.at }
            }
            Err(error) => {
                self.instruments().submitted("refused");
                let late = matches!(error, SubmitError::Refused(PostError::NotNow(_)));
                return Err(if late { IssueTokenError::NotOpen.into() } else { error.into() });
            }
        };
        self.instruments().submitted("received");
        Ok(received)
    }
}

/// One ballot of the right length for each contest: what is longer could fill a board.
fn check_shape(vote: &BallotEntry, agreed: &Agreed) -> Result<(), Problem> {
    let contests = &agreed.manifest.contests;
    let width = |question: &board::Question| question.contest().map_or(0, |contest| contest.width());
    let fits = vote.ballots.len() == contests.len()
        && contests
            .iter()
            .zip(&vote.ballots)
            .all(|(question, ballot)| ballot.0.len() == 65 + 64 * width(question));
    if fits {
        return Ok(());
    }
    let detail = "send one ballot for each contest, in order, each of its contest's width";
    Err(Problem::unprocessable("elections/malformed", detail))
}
