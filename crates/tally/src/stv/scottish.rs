//! The Scottish rule (Scottish Local Government Elections Order 2011, schedule 1, part III): weighted inclusive Gregory
//! transfers, with five decimal places and whatever is beyond them left out.
//!
//! The quota is a whole number: the ballots divided by one more than the seats, and one. A surplus passes on with all of its
//! candidate's papers, each at the value it came with times the surplus by the candidate's votes. Surpluses come before
//! exclusions, the largest first. Ties go by the most recent stage in which the candidates differed, and then by lot.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::CountError;
use crate::{lots::Lots, profile::Profile};

/// Votes are counted in so many parts of one.
pub const SCOTTISH_UNITS: u64 = 100_000;

/// The count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Scottish {
    /// In whole votes.
    pub quota: u64,
    pub stages: Vec<Stage>,
    /// In the order of their election.
    pub elected: Vec<usize>,
}

/// What a stage began with, and how everybody stood at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Stage {
    pub step: Step,
    /// Lots decided whose surplus or who was excluded.
    pub by_lot: bool,
    /// By candidate, in units.
    pub votes: Vec<u64>,
    /// Units that nobody has: papers without a next preference, and what is beyond the fifth decimal.
    pub lost: u64,
    /// Elected in this stage, the most votes first.
    pub elected: Vec<usize>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    FirstPreferences,
    SurplusOf(usize),
    Exclusion(usize),
    /// As many candidates are left as seats: they are deemed elected without a transfer.
    Remaining,
}

/// Papers that say the same and came together.
#[derive(Debug, Clone, Copy)]
struct Papers {
    ballot: usize,
    count: u64,
    /// Of each, in units.
    value: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Continuing,
    /// With a surplus that has not passed on yet.
    Surplus,
    Elected,
    Excluded,
}

struct Count<'a> {
    orders: Vec<Vec<usize>>,
    total: u64,
    quota: u64,
    seats: usize,
    lots: &'a Lots,
    standing: Vec<Standing>,
    papers: Vec<Vec<Papers>>,
    stages: Vec<Stage>,
    elected: Vec<usize>,
}

/// Counts. The order's rules know no equal ranks.
pub fn count_scottish(profile: &Profile, seats: usize, lots: &Lots) -> Result<Scottish, CountError> {
    let ballots = profile.strict().ok_or(CountError::EqualRanks)?;
    if lots.candidates() != profile.candidates() {
        return Err(CountError::Lots);
    }
    let divisor = u64::try_from(seats).ok().and_then(|seats| seats.checked_add(1));
    let divisor = divisor.filter(|divisor| *divisor > 1).ok_or(CountError::Seats)?;
    // A paper without any preference is not valid, and does not count for the quota.
    let (orders, counts): (Vec<_>, Vec<u64>) =
        ballots.into_iter().filter(|(order, _)| !order.is_empty()).unzip();
    let total: u64 = counts.iter().sum();
    let mut papers = vec![Vec::new(); profile.candidates()];
    for (ballot, (order, count)) in orders.iter().zip(counts).enumerate() {
        papers[order[0]].push(Papers { ballot, count, value: SCOTTISH_UNITS });
    }
    let standing = vec![Standing::Continuing; profile.candidates()];
    let (stages, elected) = (Vec::new(), Vec::new());
    let quota = total / divisor + 1;
    let mut count = Count { orders, total, quota, seats, lots, standing, papers, stages, elected };
    count.run();
    Ok(Scottish { quota, stages: count.stages, elected: count.elected })
}

impl Count<'_> {
    fn run(&mut self) {
        self.end_stage(Step::FirstPreferences, false);
        while self.elected.len() < self.seats {
            let continuing = self.of(Standing::Continuing);
            if continuing.len() <= self.seats - self.elected.len() {
                self.elect_remaining(continuing);
                return;
            }
            let surplus = self.of(Standing::Surplus);
            if surplus.is_empty() {
                let (last, by_lot) = self.pick(&continuing, Ordering::Less);
                self.exclude(last);
                self.end_stage(Step::Exclusion(last), by_lot);
            } else {
                let (largest, by_lot) = self.pick(&surplus, Ordering::Greater);
                self.pass_on_surplus(largest);
                self.end_stage(Step::SurplusOf(largest), by_lot);
            }
        }
    }

    fn of(&self, standing: Standing) -> Vec<usize> {
        (0..self.standing.len()).filter(|candidate| self.standing[*candidate] == standing).collect()
    }

    fn votes(&self, candidate: usize) -> u64 {
        self.papers[candidate].iter().map(|papers| papers.count * papers.value).sum()
    }

    /// Who has the most, or the fewest; of several, by the most recent stage in which they differed, then by lot. As
    /// everybody with a surplus is measured by the same quota, the largest surplus is the most votes.
    fn pick(&self, among: &[usize], wanted: Ordering) -> (usize, bool) {
        let mut tied = among.to_vec();
        for stage in self.stages.iter().rev() {
            let votes = |candidate: &usize| stage.votes[*candidate];
            let best = match wanted {
                Ordering::Less => tied.iter().map(votes).min(),
                Ordering::Equal | Ordering::Greater => tied.iter().map(votes).max(),
            };
            tied.retain(|candidate| Some(votes(candidate)) == best);
            if let [picked] = tied[..] {
                return (picked, false);
            }
        }
        let place = |candidate: &usize| self.lots.place(*candidate);
        let picked = match wanted {
            Ordering::Less => tied.iter().copied().max_by_key(place),
            Ordering::Equal | Ordering::Greater => tied.iter().copied().min_by_key(place),
        };
        (picked.expect("there was somebody to pick"), true)
    }

    fn pass_on_surplus(&mut self, candidate: usize) {
        let votes = self.votes(candidate);
        let surplus = votes - self.quota * SCOTTISH_UNITS;
        self.standing[candidate] = Standing::Elected;
        let held = std::mem::take(&mut self.papers[candidate]);
        for papers in held {
            let value = u128::from(surplus) * u128::from(papers.value) / u128::from(votes);
            let value = u64::try_from(value).expect("no more than the paper's value before");
            self.pass_on(candidate, Papers { value, ..papers });
        }
        // The quota stays behind, as papers of a ballot that nobody reads again.
        self.papers[candidate] = vec![Papers { ballot: 0, count: self.quota, value: SCOTTISH_UNITS }];
    }

    fn exclude(&mut self, candidate: usize) {
        self.standing[candidate] = Standing::Excluded;
        for papers in std::mem::take(&mut self.papers[candidate]) {
            self.pass_on(candidate, papers);
        }
    }

    /// To the next candidate on the ballot who is still in the running.
    fn pass_on(&mut self, from: usize, papers: Papers) {
        let after = self.orders[papers.ballot].iter().skip_while(|candidate| **candidate != from).skip(1);
        let mut next = after.filter(|candidate| self.standing[**candidate] == Standing::Continuing);
        if let Some(next) = next.next() {
            self.papers[*next].push(papers);
        }
    }

    /// Elects whoever has the quota, and writes down how everybody stands.
    fn end_stage(&mut self, step: Step, by_lot: bool) {
        let votes: Vec<u64> = (0..self.standing.len()).map(|candidate| self.votes(candidate)).collect();
        let lost = self.total * SCOTTISH_UNITS - votes.iter().sum::<u64>();
        self.stages.push(Stage { step, by_lot, votes, lost, elected: Vec::new() });
        let quota = self.quota * SCOTTISH_UNITS;
        let mut reached = self.of(Standing::Continuing);
        reached.retain(|candidate| self.votes(*candidate) >= quota);
        let mut elected = Vec::new();
        while !reached.is_empty() && self.elected.len() < self.seats {
            let (next, _) = self.pick(&reached, Ordering::Greater);
            reached.retain(|candidate| *candidate != next);
            let surplus = self.votes(next) > quota;
            self.standing[next] = if surplus { Standing::Surplus } else { Standing::Elected };
            self.elected.push(next);
            elected.push(next);
        }
        if let Some(stage) = self.stages.last_mut() {
            stage.elected = elected;
        }
    }

    fn elect_remaining(&mut self, mut remaining: Vec<usize>) {
        let mut elected = Vec::new();
        while !remaining.is_empty() {
            let (next, _) = self.pick(&remaining, Ordering::Greater);
            remaining.retain(|candidate| *candidate != next);
            elected.push(next);
        }
        let Some(last) = self.stages.last() else { return };
        let stage = Stage { step: Step::Remaining, by_lot: false, elected: elected.clone(), ..last.clone() };
        self.stages.push(stage);
        self.elected.extend(elected);
    }
}
