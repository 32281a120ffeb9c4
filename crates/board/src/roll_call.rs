//! Which votes stand: of each voter's key the confirmed one that the voter made last.

use std::collections::{BTreeMap, HashMap};

use crate::event::{BallotEntry, OpenBallotEntry, RefusedBallot, Verdicts, WhyRefused};

/// Votes as they stand on a board, with what whoever calls the roll keeps of each.
#[derive(Debug, Clone)]
pub struct RollCall<T> {
    votes: BTreeMap<u64, (Turn, T)>,
    /// Places up to which votes were checked, by where a check began.
    checked: BTreeMap<u64, u64>,
}

/// Whose vote it is, and which of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub voter: [u8; 32],
    /// Of two of one voter's votes the higher one stands, and of equal ones the later on the board: a server that keeps one
    /// back does not make it the last.
    pub sequence: u32,
}

impl From<&BallotEntry> for Turn {
    fn from(vote: &BallotEntry) -> Self {
        Self { voter: vote.voter.0, sequence: vote.sequence }
    }
}

impl From<&OpenBallotEntry> for Turn {
    /// Nobody signs these: they stand as they came.
    fn from(vote: &OpenBallotEntry) -> Self {
        Self { voter: vote.voter.0, sequence: 0 }
    }
}

/// A vote that counts.
#[derive(Debug)]
pub struct Standing<'r, T> {
    /// Its place on the board.
    pub index: u64,
    pub turn: Turn,
    pub vote: &'r T,
}

/// A vote that was refused.
#[derive(Debug)]
pub struct Refused<T> {
    /// Its place on the board.
    pub index: u64,
    pub reason: WhyRefused,
    pub vote: T,
}

impl<T> Default for RollCall<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> RollCall<T> {
    /// Nobody voted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { votes: BTreeMap::new(), checked: BTreeMap::new() }
    }

    /// A vote stands at this place.
    pub fn vote(&mut self, index: u64, turn: Turn, vote: T) {
        self.votes.insert(index, (turn, vote));
    }

    /// Votes were checked. Those that were refused are given back and kept no longer: strangers may send more of them
    /// than there are voters.
    pub fn verdicts(&mut self, verdicts: &Verdicts) -> Vec<Refused<T>> {
        self.checked.insert(verdicts.from, verdicts.to);
        let refuse = |refused: &RefusedBallot| {
            let (_, vote) = self.votes.remove(&refused.index)?;
            Some(Refused { index: refused.index, reason: refused.reason, vote })
        };
        verdicts.refused.iter().filter_map(refuse).collect()
    }

    /// Votes from one place of the board on and before another, in its order.
    pub fn between(&self, from: u64, to: u64) -> impl Iterator<Item = Standing<'_, T>> {
        let votes = self.votes.range(from..to.max(from));
        votes.map(|(index, (turn, vote))| Standing { index: *index, turn: *turn, vote })
    }

    /// Votes that nobody has checked yet.
    #[must_use]
    pub fn unchecked(&self) -> usize {
        self.votes.keys().filter(|index| !self.is_checked(**index)).count()
    }

    fn is_checked(&self, index: u64) -> bool {
        self.checked.range(..=index).next_back().is_some_and(|(_, to)| index < *to)
    }

    /// Votes that were confirmed, in the order of the board, each with its voter.
    pub fn confirmed(&self) -> impl Iterator<Item = Standing<'_, T>> {
        let confirmed = self.votes.iter().filter(|(index, _)| self.is_checked(**index));
        confirmed.map(|(index, (turn, vote))| Standing { index: *index, turn: *turn, vote })
    }

    /// The confirmed vote of each voter that they made last, in the order of the board.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing<'_, T>> {
        let mut last: HashMap<[u8; 32], (u32, u64)> = HashMap::new();
        for Standing { index, turn, .. } in self.confirmed() {
            let known = last.entry(turn.voter).or_default();
            *known = (*known).max((turn.sequence, index));
        }
        let stands =
            |vote: &Standing<'_, T>| last.get(&vote.turn.voter).map(|(_, index)| *index) == Some(vote.index);
        self.confirmed().filter(stands).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Votes by their places: the voter, and which of theirs it is.
    fn call(votes: &[(u64, u8, u32)], checked: &[(u64, u64, &[u64])]) -> Vec<u64> {
        let mut roll = RollCall::default();
        for (index, voter, sequence) in votes {
            roll.vote(*index, Turn { voter: [*voter; 32], sequence: *sequence }, ());
        }
        for (from, to, refused) in checked {
            let refuse = |index: &u64| RefusedBallot { index: *index, reason: WhyRefused::Proof };
            roll.verdicts(&Verdicts {
                from: *from,
                to: *to,
                votes: 0,
                refused: refused.iter().map(refuse).collect(),
            });
        }
        roll.standing().iter().map(|vote| vote.index).collect()
    }

    #[test]
    fn the_last_vote_of_a_voter_counts() {
        assert_eq!(call(&[(1, 7, 1), (2, 8, 1), (5, 7, 2)], &[(0, 9, &[])]), [2, 5]);
    }

    #[test]
    fn a_last_vote_that_was_refused_leaves_the_one_before() {
        assert_eq!(call(&[(1, 7, 1), (2, 8, 1), (5, 7, 2)], &[(0, 4, &[]), (4, 9, &[5])]), [1, 2]);
    }

    #[test]
    fn a_vote_that_was_kept_back_does_not_become_the_last_one() {
        assert_eq!(call(&[(1, 7, 2), (2, 8, 1), (5, 7, 1)], &[(0, 9, &[])]), [1, 2]);
    }

    #[test]
    fn of_votes_that_say_the_same_the_later_one_counts() {
        assert_eq!(call(&[(1, 7, 2), (2, 7, 2)], &[(0, 9, &[])]), [2]);
    }

    #[test]
    fn what_was_refused_is_given_back_and_not_kept() {
        let mut roll = RollCall::default();
        for index in 1..=3 {
            roll.vote(index, Turn { voter: [7; 32], sequence: 1 }, index * 10);
        }
        let refuse = |index| RefusedBallot { index, reason: WhyRefused::Token };
        let refused =
            roll.verdicts(&Verdicts { from: 0, to: 4, votes: 3, refused: vec![refuse(1), refuse(3)] });
        let refused: Vec<_> = refused.iter().map(|refused| (refused.index, refused.vote)).collect();
        assert_eq!(refused, [(1, 10), (3, 30)]);
        let left: Vec<_> = roll.between(0, 9).map(|vote| vote.index).collect();
        assert_eq!((left, roll.unchecked()), (vec![2], 0));
        assert_eq!(
            (roll.between(3, 9).count(), roll.between(2, 3).count(), roll.between(9, 0).count()),
            (0, 1, 0)
        );
    }

    #[test]
    fn what_nobody_checked_does_not_count() {
        assert_eq!(call(&[(1, 7, 1), (2, 8, 1), (5, 7, 2)], &[(0, 2, &[]), (5, 6, &[])]), [5]);
    }
}
