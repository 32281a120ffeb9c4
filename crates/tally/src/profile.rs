//! What ballots say: rankings, and how many say the same.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Candidates in one contest, at most: those on the ballot and those written in.
const CANDIDATES_MAX: usize = 1000;

/// Ballots, at most: enough for all of mankind, and few enough that their billionths can be counted.
pub const BALLOTS_MAX: u64 = 1 << 33;

/// Candidates in the order in which somebody prefers them. Those of one group are liked equally.
pub type Ranking = Vec<Vec<usize>>;

/// Rankings with how often each was cast. Candidates are numbered from zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    candidates: usize,
    rankings: BTreeMap<Ranking, u64>,
    ballots: u64,
}

/// Why rankings are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    #[error("{0} candidates: 1 to {CANDIDATES_MAX} are possible")]
    Candidates(usize),
    #[error("there is no candidate {0}")]
    NoSuchCandidate(usize),
    #[error("candidate {0} is ranked twice on a ballot")]
    Twice(usize),
    #[error("a ballot has an empty rank")]
    EmptyRank,
    #[error("more ballots than {BALLOTS_MAX}")]
    Ballots,
}

impl Profile {
    pub const fn new(candidates: usize) -> Result<Self, ProfileError> {
        if candidates == 0 || candidates > CANDIDATES_MAX {
            return Err(ProfileError::Candidates(candidates));
        }
        Ok(Self { candidates, rankings: BTreeMap::new(), ballots: 0 })
    }

    /// Adds so many ballots that say the same. One that ranks nobody is a ballot too.
    pub fn add(&mut self, ranking: Ranking, ballots: u64) -> Result<(), ProfileError> {
        let mut ranked = vec![false; self.candidates];
        for group in &ranking {
            if group.is_empty() {
                return Err(ProfileError::EmptyRank);
            }
            for candidate in group {
                let seen = ranked.get_mut(*candidate).ok_or(ProfileError::NoSuchCandidate(*candidate))?;
                if std::mem::replace(seen, true) {
                    return Err(ProfileError::Twice(*candidate));
                }
            }
        }
        let sum = self.ballots.checked_add(ballots).filter(|sum| *sum <= BALLOTS_MAX);
        self.ballots = sum.ok_or(ProfileError::Ballots)?;
        let mut ranking = ranking;
        ranking.iter_mut().for_each(|group| group.sort_unstable());
        *self.rankings.entry(ranking).or_default() += ballots;
        Ok(())
    }

    #[must_use]
    pub const fn candidates(&self) -> usize {
        self.candidates
    }

    #[must_use]
    pub const fn ballots(&self) -> u64 {
        self.ballots
    }

    pub(crate) fn rankings(&self) -> impl Iterator<Item = (&Ranking, u64)> {
        self.rankings.iter().map(|(ranking, ballots)| (ranking, *ballots))
    }

    /// Rankings without equal ranks, or none if there are some.
    pub(crate) fn strict(&self) -> Option<Vec<(Vec<usize>, u64)>> {
        let strict = self.rankings.iter().map(|(ranking, ballots)| {
            let order = ranking.iter().map(|group| if let [one] = group[..] { Some(one) } else { None });
            Some((order.collect::<Option<Vec<_>>>()?, *ballots))
        });
        strict.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ballots_that_say_the_same_are_counted_together() {
        let mut profile = Profile::new(3).unwrap();
        profile.add(vec![vec![0, 2], vec![1]], 2).unwrap();
        profile.add(vec![vec![2, 0], vec![1]], 3).unwrap();
        profile.add(vec![], 1).unwrap();
        assert_eq!(profile.rankings().map(|(_, ballots)| ballots).collect::<Vec<_>>(), [1, 5]);
        assert_eq!((profile.ballots(), profile.strict()), (6, None));
    }

    #[test]
    fn ballots_that_make_no_sense_are_refused() {
        let mut profile = Profile::new(2).unwrap();
        assert_eq!(profile.add(vec![vec![2]], 1), Err(ProfileError::NoSuchCandidate(2)));
        assert_eq!(profile.add(vec![vec![0], vec![0]], 1), Err(ProfileError::Twice(0)));
        assert_eq!(profile.add(vec![vec![0], vec![]], 1), Err(ProfileError::EmptyRank));
        assert_eq!(profile.add(vec![vec![0]], u64::MAX), Err(ProfileError::Ballots));
        assert_eq!(Profile::new(0), Err(ProfileError::Candidates(0)));
        assert_eq!(Profile::new(1001), Err(ProfileError::Candidates(1001)));
        assert_eq!(profile.ballots(), 0);
    }
}
