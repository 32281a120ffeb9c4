//! The job that checks votes: shape, signature, token, and all proofs together.

use std::{collections::HashMap, sync::Arc};

use board::{BallotEntry, Election, Event, Hex, OpenBallotEntry, RefusedBallot, Verdicts, WhyRefused};
use ids::Id;
use ledger::{ENTRIES_MAX, Entry};
use mixnet::{
    Ballot, Caster, Encoded, Ristretto, is_voter_key,
    tokens::{Token, TokenKey},
    verify_all,
};
use problem::Problem;
use queue::{Attempt, Job, JobError};
use rayon::prelude::*;
use seal::PublicKey;
use serde::{Deserialize, Serialize};

use super::{later, mix::behind};
use crate::{
    Elections,
    boards::{Agreed, Board},
    tokens::token_key,
};

/// Checks the votes that stand on a board from one place on and before another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckBallots {
    pub(crate) election: Id<Election>,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

impl Job for CheckBallots {
    const NAME: &'static str = "elections/check-ballots";
    const QUEUE: &'static str = "crypto";
    /// A vote that was taken is checked, however long that takes.
    const ATTEMPTS_MAX: u16 = 10_000;
    type Context = Elections;
    type Done = ();

    async fn run(self, elections: Elections, _: Attempt) -> Result<(), JobError> {
        elections.check_ballots(&self).await.map_err(|problem| later(&problem))
    }
}

/// A vote, and where it stands.
enum Vote {
    Secret(u64, Box<BallotEntry>),
    Open(u64, Box<OpenBallotEntry>),
}

impl Elections {
    async fn check_ballots(&self, job: &CheckBallots) -> Result<(), Problem> {
        let board = self.board(job.election).await?;
        let agreed = board.agreed().await?.ok_or_else(crate::create_election::no_such_election)?;
        let votes = read_votes(&board, job.from, job.to).await?;
        let count = u32::try_from(votes.len()).unwrap_or(u32::MAX);
        if count == 0 {
            return Ok(());
        }
        let issuers: HashMap<u32, TokenKey> = agreed
            .manifest
            .issuers
            .iter()
            .map(|issuer| (issuer.weight, token_key(self.keys(), job.election, issuer.weight)))
            .collect();
        let checked = Arc::clone(&agreed);
        let refused = self.work(move || refused(&votes, &checked, &issuers)).await?;
        let no = refused.len() as u64;
        board.post_once(Verdicts { from: job.from, to: job.to, votes: count, refused }).await?;
        self.instruments().verdict("refused", no);
        self.instruments().verdict("confirmed", u64::from(count) - no);
        Ok(())
    }
}

async fn read_votes(board: &Board, from: u64, to: u64) -> Result<Vec<Vote>, Problem> {
    let (mut votes, mut at) = (Vec::new(), from);
    while at < to {
        let limit = u32::try_from(to - at).unwrap_or(u32::MAX).min(ENTRIES_MAX);
        let entries = board.ledger.entries(at, limit).await?;
        // What was not read must not be called confirmed.
        let last = entries.last().ok_or_else(behind)?;
        at = last.index + 1;
        for Entry { index, command, body, .. } in entries {
            match Event::read(&command, &body) {
                Ok(Event::BallotEntry(vote)) => votes.push(Vote::Secret(index, Box::new(vote))),
                Ok(Event::OpenBallotEntry(vote)) => votes.push(Vote::Open(index, Box::new(vote))),
                Ok(_) => {}
                Err(error) => return Err(Problem::internal(&error)),
            }
        }
    }
    Ok(votes)
}

/// A vote whose shape, signature and token hold: its list numbers and ballots.
type Sound = Vec<(usize, Ballot<Ristretto>)>;

fn refused(votes: &[Vote], agreed: &Agreed, issuers: &HashMap<u32, TokenKey>) -> Vec<RefusedBallot> {
    let looked: Vec<(u64, Result<Sound, WhyRefused>)> = votes
        .par_iter()
        .map(|vote| match vote {
            Vote::Secret(index, entry) => (*index, look(entry, agreed, issuers)),
            Vote::Open(index, entry) => (*index, look_open(entry, agreed).map(|()| Vec::new())),
        })
        .collect();
    let mut refused: Vec<RefusedBallot> = Vec::new();
    let mut proofs = Vec::new();
    let mut owners = Vec::new();
    for ((index, sound), vote) in looked.iter().zip(votes) {
        match (sound, vote) {
            (Err(reason), _) => refused.push(RefusedBallot { index: *index, reason: *reason }),
            (Ok(ballots), Vote::Secret(_, entry)) => {
                let caster = Caster { voter: &entry.voter.0, token: &entry.token.0 };
                for (list, ballot) in ballots {
                    proofs.push((&agreed.pollings[*list], caster, ballot));
                    owners.push(*index);
                }
            }
            (Ok(_), Vote::Open(..)) => {}
        }
    }
    let mut lying: Vec<u64> = verify_all(&proofs).into_iter().map(|(place, _)| owners[place]).collect();
    lying.dedup();
    refused.extend(lying.into_iter().map(|index| RefusedBallot { index, reason: WhyRefused::Proof }));
    refused.sort_by_key(|refused| refused.index);
    refused
}

fn look(entry: &BallotEntry, agreed: &Agreed, issuers: &HashMap<u32, TokenKey>) -> Result<Sound, WhyRefused> {
    let manifest = &agreed.manifest;
    let weight = manifest.issuers.iter().position(|issuer| issuer.weight == entry.weight);
    let weight = weight.filter(|_| manifest.secret).ok_or(WhyRefused::Malformed)?;
    let issuer = issuers.get(&entry.weight).ok_or(WhyRefused::Malformed)?;
    if entry.ballots.len() != manifest.contests.len() {
        return Err(WhyRefused::Malformed);
    }
    let ballots = entry.ballots.iter().enumerate().map(|(contest, bytes)| {
        let list = usize::try_from(manifest.lists().list(weight, contest)).unwrap_or(usize::MAX);
        let ballot = Ballot::from_bytes(&bytes.0).map_err(|_| WhyRefused::Malformed)?;
        Ok((list, ballot))
    });
    let ballots: Sound = ballots.collect::<Result<_, WhyRefused>>()?;
    if !is_voter_key(&entry.voter.0) {
        return Err(WhyRefused::Signature);
    }
    let key = PublicKey::ed25519(&entry.voter.0).map_err(|_| WhyRefused::Signature)?;
    key.verify(&entry.statement(&agreed.hash.0), &entry.signature.0).map_err(|_| WhyRefused::Signature)?;
    let Hex(output) = entry.token;
    let token = Token { input: entry.voter.0.to_vec(), output };
    issuer.redeem(&token).map_err(|_| WhyRefused::Token)?;
    Ok(ballots)
}

fn look_open(entry: &OpenBallotEntry, agreed: &Agreed) -> Result<(), WhyRefused> {
    let manifest = &agreed.manifest;
    let weight = manifest.issuers.iter().any(|issuer| issuer.weight == entry.weight);
    if manifest.secret || !weight || entry.answers.len() != manifest.contests.len() {
        return Err(WhyRefused::Malformed);
    }
    let allowed = manifest
        .contests
        .iter()
        .zip(&entry.answers)
        .all(|(question, answer)| question.contest().is_ok_and(|contest| contest.allows(answer).is_ok()));
    if allowed { Ok(()) } else { Err(WhyRefused::Malformed) }
}
