//! Which votes stand: the last confirmed one of each voter's key.

use std::collections::{BTreeMap, HashMap};

use crate::event::Verdicts;

/// Votes as they stand on a board, with what whoever calls the roll keeps of each.
#[derive(Debug, Clone)]
pub struct RollCall<T> {
    votes: BTreeMap<u64, ([u8; 32], T)>,
    /// Places up to which votes were checked, by where a check began.
    checked: BTreeMap<u64, u64>,
    refused: std::collections::BTreeSet<u64>,
}

/// A vote that counts.
#[derive(Debug)]
pub struct Standing<'r, T> {
    /// Its place on the board.
    pub index: u64,
    pub voter: &'r [u8; 32],
    pub vote: &'r T,
}

impl<T> Default for RollCall<T> {
    fn default() -> Self {
        Self { votes: BTreeMap::new(), checked: BTreeMap::new(), refused: std::collections::BTreeSet::new() }
    }
}

impl<T> RollCall<T> {
    /// A vote stands at this place.
    pub fn vote(&mut self, index: u64, voter: [u8; 32], vote: T) {
        self.votes.insert(index, (voter, vote));
    }

    /// Votes were checked.
    pub fn verdicts(&mut self, verdicts: &Verdicts) {
        self.checked.insert(verdicts.from, verdicts.to);
        self.refused.extend(verdicts.refused.iter().map(|refused| refused.index));
    }

    /// Votes that were refused, in the order of the board.
    pub fn refused(&self) -> impl Iterator<Item = Standing<'_, T>> {
        let refused = self.votes.iter().filter(|(index, _)| self.refused.contains(index));
        refused.map(|(index, (voter, vote))| Standing { index: *index, voter, vote })
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
        let confirmed =
            self.votes.iter().filter(|(index, _)| self.is_checked(**index) && !self.refused.contains(index));
        confirmed.map(|(index, (voter, vote))| Standing { index: *index, voter, vote })
    }

    /// The last confirmed vote of each voter, in the order of the board.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing<'_, T>> {
        let last: HashMap<_, _> = self.confirmed().map(|vote| (*vote.voter, vote.index)).collect();
        self.confirmed().filter(|vote| last.get(vote.voter) == Some(&vote.index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{RefusedBallot, WhyRefused};

    fn call(votes: &[(u64, u8)], checked: &[(u64, u64, &[u64])]) -> Vec<u64> {
        let mut roll = RollCall::default();
        votes.iter().for_each(|(index, voter)| roll.vote(*index, [*voter; 32], ()));
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
        assert_eq!(call(&[(1, 7), (2, 8), (5, 7)], &[(0, 9, &[])]), [2, 5]);
    }

    #[test]
    fn a_last_vote_that_was_refused_leaves_the_one_before() {
        assert_eq!(call(&[(1, 7), (2, 8), (5, 7)], &[(0, 4, &[]), (4, 9, &[5])]), [1, 2]);
    }

    #[test]
    fn what_nobody_checked_does_not_count() {
        assert_eq!(call(&[(1, 7), (2, 8), (5, 7)], &[(0, 2, &[]), (5, 6, &[])]), [5]);
    }
}
