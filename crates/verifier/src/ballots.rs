//! Every vote: its shape, its voter's signature and its proofs; and that what was refused was refused rightly.

use std::collections::BTreeMap;

use board::{BallotEntry, Hex, Manifest, OpenBallotEntry, RollCall, Turn, Verdicts, WhyRefused};
use mixnet::{Ballot, Caster, Encoded, Polling, Ristretto, is_voter_key, verify_all};
use rayon::prelude::*;
use seal::PublicKey;

use crate::Wrong;

/// A vote on the board.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Vote<'v> {
    Secret(&'v BallotEntry),
    Open(&'v OpenBallotEntry),
}

impl Vote<'_> {
    /// What its voter finds it by.
    pub(crate) fn tracker(self) -> Hex<32> {
        match self {
            Self::Secret(vote) => vote.tracker(),
            Self::Open(vote) => vote.tracker(),
        }
    }

    /// Whose it is, and which of theirs.
    pub(crate) fn turn(self) -> Turn {
        match self {
            Self::Secret(vote) => vote.into(),
            Self::Open(vote) => vote.into(),
        }
    }
}

/// The ballots of a vote, each with its list.
type Ballots = Vec<(usize, Ballot<Ristretto>)>;

/// What was decided, as votes are checked by it.
pub(crate) struct Terms<'t> {
    pub(crate) manifest: &'t Manifest,
    pub(crate) hash: [u8; 32],
    pub(crate) pollings: &'t [Polling<Ristretto>],
}

impl Terms<'_> {
    /// Does this say of each vote what can be said of it? Whether a token is the issuer's is proven elsewhere.
    pub(crate) fn check_verdicts(
        &self,
        at: u64,
        verdicts: &Verdicts,
        roll: &RollCall<Vote<'_>>,
    ) -> Result<(), Wrong> {
        if verdicts.from >= verdicts.to || verdicts.to > at {
            return Err(Wrong::at(at, "verdicts about no entries"));
        }
        let found: Vec<(u64, Vote<'_>)> =
            roll.between(verdicts.from, verdicts.to).map(|vote| (vote.index, *vote.vote)).collect();
        if found.len() != usize::try_from(verdicts.votes).unwrap_or(usize::MAX) {
            return Err(Wrong::at(at, "verdicts about another number of votes than stand there"));
        }
        let refused: BTreeMap<u64, WhyRefused> =
            verdicts.refused.iter().map(|refused| (refused.index, refused.reason)).collect();
        let known =
            refused.keys().all(|index| found.binary_search_by_key(index, |(place, _)| *place).is_ok());
        if refused.len() != verdicts.refused.len() || !known {
            return Err(Wrong::at(at, "something is refused that is no vote, or twice"));
        }
        let faults = self.faults(&found);
        for (index, fault) in faults {
            match (fault, refused.get(&index)) {
                (None, None) => {}
                // That their tokens are none is proven later, where there are any.
                (None, Some(WhyRefused::Token)) if self.manifest.secret => {}
                (None, Some(reason)) => {
                    let what = format!("vote {index} is refused ({reason:?}), but it holds");
                    return Err(Wrong::at(at, what));
                }
                (Some(fault), None) => {
                    return Err(Wrong::at(at, format!("vote {index} is confirmed, but {fault}")));
                }
                (Some(_), Some(_)) => {}
            }
        }
        Ok(())
    }

    /// What is wrong with each vote, if something is.
    fn faults(&self, votes: &[(u64, Vote<'_>)]) -> Vec<(u64, Option<&'static str>)> {
        let looked: Vec<Result<Ballots, &'static str>> =
            votes.par_iter().map(|(_, vote)| self.look(*vote)).collect();
        let mut proofs = Vec::new();
        let mut owners = Vec::new();
        for (place, (looked, (_, vote))) in looked.iter().zip(votes).enumerate() {
            if let (Ok(ballots), Vote::Secret(entry)) = (looked, vote) {
                let caster = Caster { voter: &entry.voter.0, token: &entry.token.0 };
                for (list, ballot) in ballots {
                    if let Some(polling) = self.pollings.get(*list) {
                        proofs.push((polling, caster, ballot));
                        owners.push(place);
                    }
                }
            }
        }
        let lying: Vec<usize> = verify_all(&proofs).into_iter().map(|(proof, _)| owners[proof]).collect();
        let fault = |(place, (index, _)): (usize, &(u64, Vote<'_>))| {
            let proof = lying.contains(&place).then_some("a proof in it does not hold");
            (*index, looked[place].as_ref().err().copied().or(proof))
        };
        votes.iter().enumerate().map(fault).collect()
    }

    fn look(&self, vote: Vote<'_>) -> Result<Ballots, &'static str> {
        match vote {
            Vote::Secret(entry) => self.look_secret(entry),
            Vote::Open(entry) => self.look_open(entry).map(|()| Vec::new()),
        }
    }

    fn look_secret(&self, entry: &BallotEntry) -> Result<Ballots, &'static str> {
        let weight = self.manifest.issuers.iter().position(|issuer| issuer.weight == entry.weight);
        let weight = weight.ok_or("it is of no weight of this election")?;
        if entry.ballots.len() != self.manifest.contests.len() {
            return Err("it is not one ballot for each contest");
        }
        let key = PublicKey::ed25519(&entry.voter.0).ok().filter(|_| is_voter_key(&entry.voter.0));
        let key = key.ok_or("its voter's key is none")?;
        let signed = key.verify(&entry.statement(&self.hash), &entry.signature.0);
        signed.map_err(|_| "its voter did not sign it")?;
        let ballots = entry.ballots.iter().enumerate().map(|(contest, bytes)| {
            let list = usize::try_from(self.manifest.lists().list(weight, contest)).unwrap_or(usize::MAX);
            let ballot = Ballot::from_bytes(&bytes.0).map_err(|_| "a ballot in it cannot be read")?;
            Ok((list, ballot))
        });
        ballots.collect()
    }

    fn look_open(&self, entry: &OpenBallotEntry) -> Result<(), &'static str> {
        if self.manifest.issuers.iter().all(|issuer| issuer.weight != entry.weight) {
            return Err("it is of no weight of this election");
        }
        let allowed = entry.answers.len() == self.manifest.contests.len()
            && self.manifest.contests.iter().zip(&entry.answers).all(|(question, answer)| {
                question.contest().is_ok_and(|contest| contest.allows(answer).is_ok())
            });
        if allowed { Ok(()) } else { Err("it is no answer to each contest") }
    }
}
