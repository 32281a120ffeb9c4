//! Meek's method by the reference rule of the Proportional Representation Foundation: nine decimal places, rounded as it says,
//! and a surplus below one millionth of a vote is none.
//!
//! Each candidate keeps a part of every vote that reaches them and passes on the rest. Those who are elected keep as
//! much as they need, which is found by coming closer round by round; those who are defeated keep nothing.

use serde::{Deserialize, Serialize};

use super::CountError;
use crate::{lots::Lots, profile::Profile};

/// Votes and what candidates keep are counted in so many parts of one.
pub const MEEK_UNITS: u64 = 1_000_000_000;

/// A surplus below it is none: one millionth of a vote.
const SURPLUS_MIN: u64 = MEEK_UNITS / 1_000_000;

/// Iterations in one round, at most: each brings the surplus down, and the rule ends when one does not.
const ITERATIONS_MAX: usize = 100_000;

/// The count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Meek {
    pub rounds: Vec<MeekRound>,
    /// In the order of their election.
    pub elected: Vec<usize>,
}

/// How everybody stood when something was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct MeekRound {
    pub iterations: usize,
    /// In units.
    pub quota: u64,
    /// By candidate, in units.
    pub votes: Vec<u64>,
    /// By candidate: how much of each vote they keep, in units.
    pub kept: Vec<u64>,
    pub surplus: u64,
    pub step: MeekStep,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum MeekStep {
    Elected(Vec<usize>),
    Defeated {
        candidate: usize,
        by_lot: bool,
    },
    /// As many candidates are left as seats.
    Remaining(Vec<usize>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Hopeful,
    Elected,
    Defeated,
}

struct Count<'a> {
    ballots: Vec<(Vec<usize>, u64)>,
    seats: usize,
    lots: &'a Lots,
    standing: Vec<Standing>,
    kept: Vec<u64>,
}

/// How votes stand at one moment.
struct Votes {
    quota: u64,
    votes: Vec<u64>,
    surplus: u64,
}

/// Counts. The reference rule knows no equal ranks.
pub fn count_meek(profile: &Profile, seats: usize, lots: &Lots) -> Result<Meek, CountError> {
    let ballots = profile.strict().ok_or(CountError::EqualRanks)?;
    if lots.candidates() != profile.candidates() {
        return Err(CountError::Lots);
    }
    if seats == 0 {
        return Err(CountError::Seats);
    }
    let standing = vec![Standing::Hopeful; profile.candidates()];
    let kept = vec![MEEK_UNITS; profile.candidates()];
    let mut count = Count { ballots, seats, lots, standing, kept };
    let (mut rounds, mut elected): (Vec<MeekRound>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        let hopeful = count.of(Standing::Hopeful);
        if elected.len() == seats {
            return Ok(Meek { rounds, elected });
        }
        if elected.len() + hopeful.len() <= seats {
            let Votes { quota, votes, surplus } = count.distribute();
            let mut remaining = hopeful;
            remaining.sort_by_key(|candidate| (std::cmp::Reverse(votes[*candidate]), lots.place(*candidate)));
            elected.extend(&remaining);
            let step = MeekStep::Remaining(remaining);
            rounds.push(MeekRound { iterations: 1, quota, votes, kept: count.kept, surplus, step });
            return Ok(Meek { rounds, elected });
        }
        let round = count.round(seats - elected.len());
        if let MeekStep::Elected(newly) = &round.step {
            elected.extend(newly);
        }
        rounds.push(round);
    }
}

impl Count<'_> {
    fn of(&self, standing: Standing) -> Vec<usize> {
        (0..self.standing.len()).filter(|candidate| self.standing[*candidate] == standing).collect()
    }

    /// Comes closer until somebody is elected, or nothing is left to pass on and the last is defeated.
    fn round(&mut self, seats_left: usize) -> MeekRound {
        let mut before = None;
        for iterations in 1..=ITERATIONS_MAX {
            let votes = self.distribute();
            let newly = self.elect(&votes, seats_left);
            if !newly.is_empty() {
                return self.ended(iterations, votes, MeekStep::Elected(newly));
            }
            let stuck = before.is_some_and(|before| votes.surplus >= before);
            if votes.surplus < SURPLUS_MIN || stuck || iterations == ITERATIONS_MAX {
                let (candidate, by_lot) = self.defeat(&votes);
                return self.ended(iterations, votes, MeekStep::Defeated { candidate, by_lot });
            }
            self.keep_less(&votes);
            before = Some(votes.surplus);
        }
        unreachable!("the last iteration ends the round")
    }

    fn ended(&self, iterations: usize, votes: Votes, step: MeekStep) -> MeekRound {
        let Votes { quota, votes, surplus } = votes;
        MeekRound { iterations, quota, votes, kept: self.kept.clone(), surplus, step }
    }

    /// Each ballot passes along its candidates, who keep their parts, rounded up.
    fn distribute(&self) -> Votes {
        let mut votes = vec![0_u64; self.standing.len()];
        for (order, count) in &self.ballots {
            let mut weight = MEEK_UNITS;
            for candidate in order {
                let part = rounded_up(weight, self.kept[*candidate], MEEK_UNITS);
                votes[*candidate] += part * count;
                weight -= part;
                if weight == 0 {
                    break;
                }
            }
        }
        let all: u64 = votes.iter().sum();
        let quota = all / (self.seats as u64 + 1) + 1;
        let elected = self.of(Standing::Elected);
        let surplus = elected.iter().map(|candidate| votes[*candidate].saturating_sub(quota)).sum();
        Votes { quota, votes, surplus }
    }

    fn elect(&mut self, votes: &Votes, seats_left: usize) -> Vec<usize> {
        let mut reached = self.of(Standing::Hopeful);
        reached.retain(|candidate| votes.votes[*candidate] >= votes.quota);
        let place =
            |candidate: &usize| (std::cmp::Reverse(votes.votes[*candidate]), self.lots.place(*candidate));
        reached.sort_by_key(place);
        reached.truncate(seats_left);
        reached.iter().for_each(|candidate| self.standing[*candidate] = Standing::Elected);
        reached
    }

    /// Those who could still be overtaken by what is to be passed on count as tied with the last.
    fn defeat(&mut self, votes: &Votes) -> (usize, bool) {
        let mut tied = self.of(Standing::Hopeful);
        let fewest = tied.iter().map(|candidate| votes.votes[*candidate]).min().unwrap_or_default();
        tied.retain(|candidate| votes.votes[*candidate] <= fewest + votes.surplus);
        let unluckiest = tied.iter().copied().max_by_key(|candidate| self.lots.place(*candidate));
        let candidate = unluckiest.expect("a round begins with more hopefuls than seats");
        self.standing[candidate] = Standing::Defeated;
        self.kept[candidate] = 0;
        (candidate, tied.len() > 1)
    }

    fn keep_less(&mut self, votes: &Votes) {
        for candidate in self.of(Standing::Elected) {
            let kept = rounded_up(self.kept[candidate], votes.quota, MEEK_UNITS);
            // Never more than all: the quota falls while votes run out, and so may be above what somebody has.
            let kept = rounded_up(kept, MEEK_UNITS, votes.votes[candidate].max(1));
            self.kept[candidate] = kept.min(MEEK_UNITS);
        }
    }
}

/// `a · b / c`, rounded up; the most there is if it does not fit.
fn rounded_up(a: u64, b: u64, c: u64) -> u64 {
    let quotient = (u128::from(a) * u128::from(b)).div_ceil(u128::from(c));
    u64::try_from(quotient).unwrap_or(u64::MAX)
}
