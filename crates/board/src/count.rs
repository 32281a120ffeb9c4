//! Counting the answers of one contest, by `tally`.

use std::collections::BTreeMap;

use mixnet::{Answer, Marks};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tally::{
    InstantRunoff, Lots, Meek, Most, Profile, ProfileError, Schulze, Scottish, count_instant_runoff,
    count_meek, count_most, count_schulze, count_scottish,
};

use crate::definition::{Method, Question};

/// Candidates of one contest, at most: of names that were written in, the most frequent ones.
const CANDIDATES_MAX: usize = 1000;

/// The answers of voters of one weight; nothing for what says nothing that is allowed.
#[derive(Debug, Clone, Copy)]
pub struct Votes<'v> {
    pub weight: u32,
    pub answers: &'v [Option<Answer>],
}

/// What lots are drawn by: all that was voted, list by list. Nobody knows it before the last vote is opened, and nobody who
/// cannot change a vote can change it: not the server either, as it could if it followed from an entry of its own.
///
/// # Panics
/// Never: every answer has a JSON form.
#[must_use]
pub fn lots_seed(election_hash: &[u8; 32], lists: &BTreeMap<u32, Vec<Option<Answer>>>) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(b"holdfast/lots-seed/v1\n").chain_update(election_hash);
    for (list, answers) in lists {
        let text = |answer| serde_json::to_vec(answer).expect("every answer has a JSON form");
        let mut texts: Vec<Vec<u8>> = answers.iter().map(text).collect();
        texts.sort();
        hash.update(list.to_be_bytes());
        hash.update((texts.len() as u64).to_be_bytes());
        for text in texts {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
    hash.finalize().into()
}

/// Somebody or something that was voted for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Candidate {
    /// An option, by its identifier.
    OptionId(String),
    /// A name that was written in.
    WriteIn(String),
}

/// The result of one contest. Weights are counted in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContestResult {
    pub contest_id: String,
    /// All votes, also those that say nothing.
    pub ballots: u64,
    /// Votes for nobody.
    pub blank: u64,
    /// Votes that say nothing that is allowed.
    pub invalid: u64,
    pub count: Method,
    pub seats: u16,
    pub candidates: Vec<Candidate>,
    /// By their places among the candidates.
    pub elected: Vec<usize>,
    pub log: Log,
}

/// The whole count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    Most(Most),
    InstantRunoff(InstantRunoff),
    StvScottish(Scottish),
    StvMeek(Meek),
    Schulze(Schulze),
}

/// Why nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CountError {
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Count(#[from] tally::CountError),
    #[error("an answer is of another form than its contest")]
    Form,
    #[error("the lots cannot be drawn")]
    Lots,
}

/// Counts. `number` is the contest's place; `seed`, which is [`lots_seed`]'s, decides between equals.
///
/// # Errors
/// When the answers are not of the contest.
pub fn count(
    question: &Question,
    number: u32,
    votes: &[Votes<'_>],
    seed: &[u8; 32],
) -> Result<ContestResult, CountError> {
    let written = written_in(question, votes);
    let options = question.options.iter().map(|option| Candidate::OptionId(option.option_id.clone()));
    let candidates: Vec<_> =
        options.chain(written.keys().map(|name| Candidate::WriteIn(name.clone()))).collect();
    let mut paper =
        Paper { options: question.options.len(), written: &written, blank: 0, invalid: 0, ballots: 0 };
    let lots = lots(candidates.len(), number, seed)?;
    let seats = usize::from(question.seats);
    let log = if question.count == Method::Most {
        Log::Most(count_most(paper.points(candidates.len(), votes)?, seats, &lots))
    } else {
        let profile = paper.profile(candidates.len(), votes)?;
        match question.count {
            Method::InstantRunoff => Log::InstantRunoff(count_instant_runoff(&profile, &lots)?),
            Method::StvScottish => Log::StvScottish(count_scottish(&profile, seats, &lots)?),
            Method::StvMeek => Log::StvMeek(count_meek(&profile, seats, &lots)?),
            Method::Schulze | Method::Most => Log::Schulze(count_schulze(&profile, &lots)?),
        }
    };
    let elected = log.elected(paper.ballots - paper.blank - paper.invalid);
    let Paper { blank, invalid, ballots, .. } = paper;
    let (contest_id, count, seats) = (question.contest_id.clone(), question.count, question.seats);
    Ok(ContestResult { contest_id, ballots, blank, invalid, count, seats, candidates, elected, log })
}

impl Log {
    /// Who is elected; nobody if nobody voted for anybody.
    fn elected(&self, said_something: u64) -> Vec<usize> {
        if said_something == 0 {
            return Vec::new();
        }
        match self {
            Self::Most(most) => most.elected.clone(),
            Self::InstantRunoff(runoff) => vec![runoff.elected],
            Self::StvScottish(scottish) => scottish.elected.clone(),
            Self::StvMeek(meek) => meek.elected.clone(),
            Self::Schulze(schulze) => schulze.order.iter().copied().take(1).collect(),
        }
    }
}

/// Names that were written in, with their places after the options: the most frequent ones, in the order of their
/// bytes.
fn written_in(question: &Question, votes: &[Votes<'_>]) -> BTreeMap<String, usize> {
    let mut found: BTreeMap<&str, u64> = BTreeMap::new();
    for Votes { weight, answers } in votes {
        for name in answers.iter().flatten().filter_map(|answer| answer.write_in.as_deref()) {
            *found.entry(name).or_default() += u64::from(*weight);
        }
    }
    let mut names: Vec<_> = found.into_iter().collect();
    names.sort_by(|(a, many), (b, more)| more.cmp(many).then_with(|| a.cmp(b)));
    names.truncate(CANDIDATES_MAX - question.options.len());
    let mut names: Vec<_> = names.into_iter().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names.into_iter().zip(question.options.len()..).collect()
}

/// The order in which candidates win ties.
fn lots(candidates: usize, contest: u32, seed: &[u8; 32]) -> Result<Lots, CountError> {
    let lot = |candidate: usize| -> [u8; 32] {
        let number = u32::try_from(candidate).unwrap_or(u32::MAX);
        let hash = Sha256::new_with_prefix(b"holdfast/lots/v1\n").chain_update(seed);
        hash.chain_update(contest.to_be_bytes()).chain_update(number.to_be_bytes()).finalize().into()
    };
    let mut order: Vec<_> = (0..candidates).collect();
    order.sort_by_cached_key(|candidate| lot(*candidate));
    Lots::new(candidates, order).map_err(|_| CountError::Lots)
}

/// What is read off ballots on the way.
struct Paper<'p> {
    options: usize,
    written: &'p BTreeMap<String, usize>,
    blank: u64,
    invalid: u64,
    ballots: u64,
}

impl Paper<'_> {
    /// The candidate at a place of the ballot; none for a name that is not among the most frequent.
    fn candidate(&self, place: usize, answer: &Answer) -> Option<usize> {
        if place < self.options {
            return Some(place);
        }
        answer.write_in.as_ref().and_then(|name| self.written.get(name)).copied()
    }

    /// Goes through all answers that say something.
    fn each(
        &mut self,
        votes: &[Votes<'_>],
        mut take: impl FnMut(&Self, &Answer, u64) -> Result<bool, CountError>,
    ) -> Result<(), CountError> {
        for Votes { weight, answers } in votes {
            let weight = u64::from(*weight);
            for answer in *answers {
                self.ballots += weight;
                match answer {
                    None => self.invalid += weight,
                    Some(answer) if !take(self, answer, weight)? => self.blank += weight,
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Votes, approvals or points by candidate.
    fn points(&mut self, candidates: usize, votes: &[Votes<'_>]) -> Result<Vec<u64>, CountError> {
        let mut points = vec![0_u64; candidates];
        self.each(votes, |paper, answer, weight| {
            let given: Vec<(usize, u64)> = match &answer.marks {
                Marks::Plurality(marked) => marked.iter().map(|place| (usize::from(*place), 1)).collect(),
                Marks::Approval(marks) => marks
                    .iter()
                    .enumerate()
                    .filter(|(_, marked)| **marked)
                    .map(|(place, _)| (place, 1))
                    .collect(),
                Marks::Score(scores) => {
                    let scored =
                        |(place, score): (usize, &Option<u8>)| score.map(|score| (place, score.into()));
                    scores.iter().enumerate().filter_map(scored).collect()
                }
                Marks::Ranked(_) => return Err(CountError::Form),
            };
            for (place, count) in &given {
                if let Some(candidate) = paper.candidate(*place, answer) {
                    points[candidate] += count * weight;
                }
            }
            Ok(!given.is_empty())
        })?;
        Ok(points)
    }

    /// Rankings.
    fn profile(&mut self, candidates: usize, votes: &[Votes<'_>]) -> Result<Profile, CountError> {
        let mut profile = Profile::new(candidates)?;
        self.each(votes, |paper, answer, weight| {
            let Marks::Ranked(ranks) = &answer.marks else { return Err(CountError::Form) };
            let mut groups: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
            for (place, rank) in ranks.iter().enumerate() {
                if let (Some(rank), Some(candidate)) = (rank, paper.candidate(place, answer)) {
                    groups.entry(*rank).or_default().push(candidate);
                }
            }
            profile.add(groups.into_values().collect(), weight)?;
            Ok(ranks.iter().any(Option::is_some))
        })?;
        Ok(profile)
    }
}

#[cfg(test)]
mod tests;
