//! Checking many ballots at once: one sum for all of them, and halves of it to find those that are bad.
//!
//! Each ballot's equation is multiplied by a weight of 128 bits that follows from all the ballots, so that errors
//! cannot be chosen to cancel one another. Each asks for two and a bit of a large sum's terms; alone it would ask for
//! three multiplications of its own.

use rayon::prelude::*;

use super::{Ballot, BallotError, Caster, Polling};
use crate::{group::Group, msm::Terms, transcript::Transcript};

/// So few ballots are checked one by one.
const APART_UP_TO: usize = 4;

/// A ballot whose row has the contest's width, and its challenge.
struct Candidate<'b, G: Group> {
    index: usize,
    ballot: &'b Ballot<G>,
    challenge: G::Scalar,
    weight: G::Scalar,
}

/// Which of the ballots do not hold, by their place, and why. They may be of different contests.
#[must_use]
pub fn verify_all<G: Group>(ballots: &[(&Polling<G>, Caster<'_>, &Ballot<G>)]) -> Vec<(usize, BallotError)> {
    let challenges: Vec<_> =
        ballots.par_iter().map(|(polling, caster, ballot)| polling.challenge_of(*caster, ballot)).collect();
    let weights = weights(ballots, &challenges);
    let mut bad = Vec::new();
    let mut candidates = Vec::with_capacity(ballots.len());
    for (index, ((_, _, ballot), (challenge, weight))) in
        ballots.iter().zip(challenges.into_iter().zip(weights)).enumerate()
    {
        match challenge {
            Ok(challenge) => {
                candidates.push(Candidate { index, ballot, challenge, weight: G::Scalar::from(weight) });
            }
            Err(error) => bad.push((index, error)),
        }
    }
    let mut lying = Vec::new();
    find(&candidates, &mut lying);
    bad.extend(lying.into_iter().map(|index| (index, BallotError::Proof)));
    bad.sort_by_key(|(index, _)| *index);
    bad
}

/// A challenge follows from the ballot without its response; with the responses the weights follow from all.
fn weights<G: Group>(
    ballots: &[(&Polling<G>, Caster<'_>, &Ballot<G>)],
    challenges: &[Result<G::Scalar, BallotError>],
) -> Vec<u128> {
    let mut transcript = Transcript::new::<G>("ballots");
    transcript.tell_number("ballots", ballots.len() as u64);
    for ((_, _, ballot), challenge) in ballots.iter().zip(challenges) {
        if let Ok(challenge) = challenge {
            transcript.tell("challenge", &G::encode_scalar(challenge));
            transcript.tell("response", &G::encode_scalar(&ballot.response));
        }
    }
    transcript.weights("weights").take(ballots.len())
}

/// Appends those that do not hold. Half of what fails together is asked about again, and the other half.
fn find<G: Group>(candidates: &[Candidate<'_, G>], bad: &mut Vec<usize>) {
    if hold(candidates) {
        return;
    }
    if let [alone] = candidates {
        bad.push(alone.index);
    } else if candidates.len() <= APART_UP_TO {
        candidates.chunks(1).for_each(|candidate| find(candidate, bad));
    } else {
        let (left, right) = candidates.split_at(candidates.len() / 2);
        find(left, bad);
        find(right, bad);
    }
}

fn hold<G: Group>(candidates: &[Candidate<'_, G>]) -> bool {
    let mut terms = Terms::with_capacity(candidates.len() * 2 + 1);
    let mut responses = G::Scalar::default();
    for Candidate { ballot, challenge, weight, .. } in candidates {
        responses += ballot.add_terms(*challenge, *weight, &mut terms);
    }
    terms.add(-responses, G::generator());
    terms.vanish()
}
