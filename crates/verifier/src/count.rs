//! Answers and results, once more.

use std::collections::{BTreeMap, BTreeSet};

use board::{ContestResult, Counted, Manifest, OpenBallotEntry, Question, Votes, count, decryption_context};
use mixnet::{Answer, Ristretto, combine};

use crate::{mixes::Chain, record::Record};

/// The answers of each list; nothing for what says nothing that is allowed.
pub(crate) type Lists = BTreeMap<u32, Vec<Option<Answer>>>;

/// What the trustees' parts say.
pub(crate) fn decrypted_answers(chain: &Chain<'_>, counted: &Counted) -> Result<Lists, String> {
    let threshold = usize::from(chain.keys.quorum().threshold());
    if !chain.lists.is_empty() && counted.decrypted_by.len() < threshold {
        return Err("fewer trustees decrypted than it takes".to_owned());
    }
    chain.check_named(counted)?;
    let mut lists = BTreeMap::new();
    for (list, (rows, _)) in &chain.lists {
        let own = |trustee: &u16| {
            let part = chain.partials.get(trustee).and_then(|parts| parts.get(list));
            part.cloned().ok_or_else(|| format!("trustee {trustee} is said to have decrypted, and has not"))
        };
        let partials: Vec<_> = counted.decrypted_by.iter().map(own).collect::<Result<_, _>>()?;
        let context = decryption_context(&chain.hash, *list);
        let combined = combine(chain.keys, &context, rows, &partials).map_err(|error| error.to_string())?;
        let question = chain.manifest.contests.get(chain.manifest.lists().contest(*list));
        let contest = question.and_then(|question| question.contest().ok()).ok_or("a list of no contest")?;
        let mut answers: Vec<_> =
            combined.messages.iter().map(|row| contest.extract::<Ristretto>(row).ok()).collect();
        answers.sort();
        lists.insert(*list, answers);
    }
    Ok(lists)
}

/// What votes say that are not secret.
pub(crate) fn open_answers(manifest: &Manifest, votes: &[&OpenBallotEntry]) -> Lists {
    let mut lists = Lists::new();
    for vote in votes {
        let weight = manifest.issuers.iter().position(|issuer| issuer.weight == vote.weight);
        for (contest, answer) in vote.answers.iter().enumerate() {
            let Some(weight) = weight else { continue };
            lists.entry(manifest.lists().list(weight, contest)).or_default().push(Some(answer.clone()));
        }
    }
    lists.values_mut().for_each(|answers| answers.sort());
    lists
}

/// Answers as they were published, sorted as ours are: their order says nothing.
fn read_answers(json: &[u8]) -> Result<Vec<Option<Answer>>, String> {
    let mut answers: Vec<Option<Answer>> =
        serde_json::from_slice(json).map_err(|_| "answers cannot be read".to_owned())?;
    // There is one way to write them, so that nobody reads more or other than this out of them.
    if serde_json::to_vec(&answers).ok().as_deref() != Some(json) {
        return Err("answers are not written as they must be".to_owned());
    }
    answers.sort();
    Ok(answers)
}

/// Are these the answers and results that were published?
pub(crate) fn check_count(
    record: &Record,
    manifest: &Manifest,
    lists: &Lists,
    counted: &Counted,
    seed: &[u8; 32],
) -> Result<Vec<ContestResult>, String> {
    let published: BTreeSet<u32> = counted.answers.iter().map(|said| said.list).collect();
    if counted.answers.len() != lists.len() || !published.iter().eq(lists.keys()) {
        return Err("answers are published of other lists than there are".to_owned());
    }
    for said in &counted.answers {
        let published = record.blob(&said.blob).map_err(|error| error.to_string())?;
        let published = read_answers(&published)?;
        if lists.get(&said.list) != Some(&published) {
            return Err(format!("the answers of list {} are not what was decrypted", said.list));
        }
    }
    let result = |(contest, question): (usize, &Question)| {
        let votes: Vec<Votes<'_>> = manifest
            .issuers
            .iter()
            .enumerate()
            .filter_map(|(place, issuer)| {
                let answers = lists.get(&manifest.lists().list(place, contest))?;
                Some(Votes { weight: issuer.weight, answers })
            })
            .collect();
        let number = u32::try_from(contest).unwrap_or(u32::MAX);
        count(question, number, &votes, seed).map_err(|error| error.to_string())
    };
    let results: Vec<ContestResult> =
        manifest.contests.iter().enumerate().map(result).collect::<Result<_, _>>()?;
    let published = record.blob(&counted.results).map_err(|error| error.to_string())?;
    // To the byte: whoever reads more or other than this out of them would read what nobody counted.
    let own = serde_json::to_vec(&results).map_err(|error| error.to_string())?;
    if published != own {
        return Err("the results are not what the answers add up to".to_owned());
    }
    Ok(results)
}
