//! Instant runoff: the last is eliminated and their ballots pass on, until somebody has more than half.
//!
//! Of several who are last, the one goes who had fewer in the most recent round in which they differed; if they never
//! did, lots decide. A ballot is exhausted when it ranks nobody who is still in.

use serde::{Deserialize, Serialize};

use crate::{lots::Lots, profile::Profile, stv::CountError};

/// The count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstantRunoff {
    pub rounds: Vec<Round>,
    pub elected: usize,
}

/// One round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Round {
    /// Votes by candidate; of those who are out, none.
    pub votes: Vec<Option<u64>>,
    pub exhausted: u64,
    pub eliminated: Option<usize>,
    /// Lots decided who was eliminated.
    pub by_lot: bool,
}

/// Counts. Equal ranks are refused: the rule does not say what they mean.
pub fn count_instant_runoff(profile: &Profile, lots: &Lots) -> Result<InstantRunoff, CountError> {
    let ballots = profile.strict().ok_or(CountError::EqualRanks)?;
    if lots.candidates() != profile.candidates() {
        return Err(CountError::Lots);
    }
    let mut standing = vec![true; profile.candidates()];
    let mut rounds: Vec<Round> = Vec::new();
    loop {
        let mut round = votes(&ballots, &standing);
        let in_play = profile.ballots() - round.exhausted;
        let remaining: Vec<usize> = (0..standing.len()).filter(|candidate| standing[*candidate]).collect();
        let first = remaining.iter().copied().find(|candidate| round.votes[*candidate] > Some(in_play / 2));
        let elected = first.or(if let [last] = remaining[..] { Some(last) } else { None });
        if let Some(elected) = elected {
            rounds.push(round);
            return Ok(InstantRunoff { rounds, elected });
        }
        let (last, by_lot) = last(&remaining, &round, &rounds, lots);
        standing[last] = false;
        (round.eliminated, round.by_lot) = (Some(last), by_lot);
        rounds.push(round);
    }
}

fn votes(ballots: &[(Vec<usize>, u64)], standing: &[bool]) -> Round {
    let mut votes: Vec<Option<u64>> = standing.iter().map(|standing| standing.then_some(0)).collect();
    let mut exhausted = 0;
    for (order, count) in ballots {
        match order.iter().find(|candidate| standing[**candidate]) {
            Some(candidate) => votes[*candidate] = votes[*candidate].map(|votes| votes + count),
            None => exhausted += count,
        }
    }
    Round { votes, exhausted, eliminated: None, by_lot: false }
}

/// Who is last, and whether lots decided it.
fn last(remaining: &[usize], round: &Round, earlier: &[Round], lots: &Lots) -> (usize, bool) {
    let mut tied = remaining.to_vec();
    for round in std::iter::once(round).chain(earlier.iter().rev()) {
        let fewest = tied.iter().map(|candidate| round.votes[*candidate]).min().flatten();
        tied.retain(|candidate| round.votes[*candidate] == fewest);
        if let [last] = tied[..] {
            return (last, false);
        }
    }
    let unluckiest = tied.iter().copied().max_by_key(|candidate| lots.place(*candidate));
    (unluckiest.expect("somebody is last among those who remain"), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(candidates: usize, ballots: &[(&[usize], u64)]) -> Profile {
        let mut profile = Profile::new(candidates).unwrap();
        for (order, count) in ballots {
            profile.add(order.iter().map(|candidate| vec![*candidate]).collect(), *count).unwrap();
        }
        profile
    }

    fn count(profile: &Profile) -> InstantRunoff {
        let lots = Lots::new(profile.candidates(), (0..profile.candidates()).collect()).unwrap();
        count_instant_runoff(profile, &lots).unwrap()
    }

    #[test]
    fn more_than_half_is_enough_at_once() {
        let counted = count(&profile(3, &[(&[1], 51), (&[0], 50)]));
        assert_eq!((counted.elected, counted.rounds.len()), (1, 1));
    }

    #[test]
    fn half_is_not_enough() {
        let counted = count(&profile(3, &[(&[1, 0], 50), (&[0], 49), (&[2, 0], 1)]));
        assert_eq!((counted.rounds.len(), counted.rounds[0].eliminated), (3, Some(2)));
        assert_eq!(counted.rounds[1].votes, [Some(50), Some(50), None]);
        assert_eq!(counted.rounds[1].eliminated, Some(0), "who had fewer in the round before goes");
        assert!(!counted.rounds[1].by_lot);
        assert_eq!(counted.elected, 1);
    }

    #[test]
    fn lots_decide_where_nothing_else_does() {
        let counted = count(&profile(2, &[(&[1], 5), (&[0], 5)]));
        assert_eq!((counted.elected, counted.rounds[0].by_lot), (0, true));
    }

    #[test]
    fn a_ballot_without_anybody_left_is_exhausted() {
        let counted = count(&profile(3, &[(&[0], 4), (&[1, 0], 3), (&[2], 2), (&[], 1)]));
        let exhausted: Vec<_> = counted.rounds.iter().map(|round| round.exhausted).collect();
        assert_eq!((counted.elected, exhausted), (0, vec![1, 3]));
    }

    /// The mayoral election of Burlington, Vermont, in 2009, by the preferences among its three strongest candidates
    /// (Kiss, Montroll, Wright), as they were published: 4,314 against 4,064 in the last round.
    #[test]
    fn the_election_of_burlington_in_2009_comes_out_as_it_did() {
        let counted = count(&crate::schulze::tests::burlington());
        let votes: Vec<_> = counted.rounds.iter().map(|round| round.votes.clone()).collect();
        let first = vec![Some(2982), Some(2554), Some(3297)];
        assert_eq!(votes, [first, vec![Some(4314), None, Some(4064)]]);
        assert_eq!(counted.elected, 0);
    }

    #[test]
    fn equal_ranks_are_refused() {
        let mut profile = profile(2, &[]);
        profile.add(vec![vec![0, 1]], 1).unwrap();
        let lots = Lots::new(2, vec![0, 1]).unwrap();
        assert_eq!(count_instant_runoff(&profile, &lots), Err(CountError::EqualRanks));
        let few = Lots::new(1, vec![0]).unwrap();
        let strict = Profile::new(2).unwrap();
        assert_eq!(count_instant_runoff(&strict, &few), Err(CountError::Lots));
    }
}
