//! Every vote that was acknowledged is on the board, once, and each voter is counted once.

use std::{collections::BTreeMap, io, path::PathBuf};

use anyhow::Context;
use board::{Hex, OpenBallotEntry};
use ledger::merkle::Hash;
use load::{
    Phase, Shape, Spacing,
    history::{Acknowledgement, Commands, Stands, VOTES_EXTENSION, check as compare, sort},
    people::People,
};
use mixnet::{Answer, Marks};
use report::Area;
use serde_json::Value;

use super::{
    Called,
    kept::{files, told},
    secret_votes::counted,
};
use crate::{
    client::{Client, expect, next_page},
    election,
    ground::Ground,
};

const NAME: &str = "invariants/votes";
const TITLE: &str = "Every acknowledged vote is on the board, once, and every voter is counted once";
pub(super) const CHECK: Called = (NAME, TITLE);
const COMMAND: &str = "election/open-ballot";
const PAGE: u64 = 1000;
const TOLD_MAX: usize = 5;
/// Votes a second right before the end.
const LAST_PER_S: f64 = 30.0;

/// Counts the election, and compares the board, the result and the turnout with what was acknowledged.
pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (Some(id), Some(officer)) = (ground.election.clone(), ground.staff.officer.clone()) else {
        ground.skipped(Area::Invariants, NAME, TITLE, "no election was held");
        return Ok(());
    };
    // Whatever was tried before, there are votes to be counted.
    let phases = vec![Phase::constant(LAST_PER_S, 1.0)];
    let shape = Shape::Open { phases, spacing: Spacing::Constant };
    let last = ground.load("last votes", vec![(ground.journey("vote")?, 1)], shape);
    ground.run("The last votes", last)?;
    let (results, turnout) = ground.block_on(election::count(&officer, &id))?;
    let board = ground.block_on(board(&ground.client, &id))?;
    let cast = Cast::of(&board);
    let entries = board.into_iter().map(|posted| Ok(posted.stands));
    let files = files(ground, VOTES_EXTENSION)?;
    let votes = votes_of(&files, &ground.commands, COMMAND)?;
    // Nobody but the drill is on the roll.
    let checked = compare(votes, entries, &ground.commands, true)?;
    let mut against = told(&checked);
    let by_person = ground.journey("vote")?.votes_by_person();
    against.extend(cast.against(by_person.then(|| chosen(&ground.people))));
    counted(&results, &cast.counts(), &mut against)?;
    let (roll, voters) = (ground.people.citizens.len() as u64, cast.voters.len() as u64);
    let issued = turnout["issued"].as_u64().context("a turnout says how many tokens were given")?;
    if issued > roll || voters > issued {
        against.push(format!("{roll} may vote, {issued} tokens were given, {voters} voted"));
    }
    let detail = format!(
        "{} votes were acknowledged and {} had no answer; the board has them, of {voters} voters ({issued} tokens, {roll} on the \
         roll), and the last one of each was counted for what it says: {:?}",
        checked.acknowledged,
        checked.unknown,
        cast.counts()
    );
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

/// What each voter voted for last, as the board says; and what is wrong with that.
#[derive(Debug, Default)]
struct Cast {
    voters: BTreeMap<Hex<32>, usize>,
    wrong: Vec<String>,
}

impl Cast {
    fn of(board: &[Posted]) -> Self {
        let mut cast = Self::default();
        for Posted { stands, body } in board.iter().filter(|posted| posted.stands.command == COMMAND) {
            match vote(body) {
                None => cast.wrong.push(format!("entry {} is no vote for one option", stands.index)),
                Some((voter, option)) => {
                    // Nobody of ours ever changes their mind.
                    if cast.voters.insert(voter, option).is_some_and(|before| before != option) {
                        cast.wrong
                            .push(format!("entry {} is for another option than its voter's", stands.index));
                    }
                }
            }
        }
        cast.wrong.truncate(TOLD_MAX);
        cast
    }

    /// How many voters each option has.
    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; election::OPTIONS.len()];
        self.voters.values().for_each(|option| counts[*option] += 1);
        counts
    }

    /// What speaks against a board, if so many people choose each option.
    fn against(&self, chosen: Option<Vec<u64>>) -> Vec<String> {
        let mut against = self.wrong.clone();
        for ((option, cast), chosen) in
            election::OPTIONS.iter().zip(self.counts()).zip(chosen.into_iter().flatten())
        {
            if cast > chosen {
                against
                    .push(format!("{cast} voters on the board chose {option}, which {chosen} people choose"));
            }
        }
        against
    }
}

/// Whose vote it is, and for which option.
fn vote(body: &Value) -> Option<(Hex<32>, usize)> {
    let vote: OpenBallotEntry = serde_json::from_value(body.clone()).ok()?;
    let [Answer { marks: Marks::Plurality(Some(option)), .. }] = vote.answers[..] else { return None };
    let option = usize::from(option);
    (option < election::OPTIONS.len()).then_some((vote.voter, option))
}

/// How many people choose each option.
fn chosen(people: &People) -> Vec<u64> {
    let of =
        |option: &&str| people.citizens.iter().filter(|citizen| citizen.option == **option).count() as u64;
    election::OPTIONS.iter().map(of).collect()
}

/// An entry of a board.
pub(super) struct Posted {
    pub(super) stands: Stands,
    pub(super) body: Value,
}

/// The votes of one kind that were acknowledged: each kind has a board of its own, with places of its own.
pub(super) fn votes_of<'f>(
    files: &'f [PathBuf],
    commands: &Commands,
    command: &str,
) -> anyhow::Result<impl Iterator<Item = io::Result<Acknowledgement>> + use<'f>> {
    let number = commands.number(command).context("no journey has such votes")?;
    Ok(sort(files)?.filter(move |one| one.as_ref().map_or(true, |one| one.command == number)))
}

/// Every entry of a board.
pub(super) async fn board(client: &Client, id: &str) -> anyhow::Result<Vec<Posted>> {
    let (mut entries, mut next) = (Vec::new(), 0);
    loop {
        let path = format!("/api/v1/public/elections/{id}/board/entries?from={next}&limit={PAGE}");
        let page = expect(client.get(&path).await?, 200, "reading the board")?.json();
        let read = page["entries"].as_array().map_or(&[][..], Vec::as_slice);
        if read.is_empty() {
            return Ok(entries);
        }
        for entry in read {
            entries.push(posted(entry)?);
        }
        next = next_page(&page, next)?;
    }
}

fn posted(entry: &Value) -> anyhow::Result<Posted> {
    let leaf = entry["leafHash"].as_str().and_then(|leaf| Hash::from_base64(leaf).ok());
    let stands = Stands {
        index: entry["index"].as_u64().context("an entry has an index")?,
        command: entry["command"].as_str().unwrap_or_default().to_owned(),
        subject: None,
        leaf: Some(leaf.context("an entry has a leaf")?),
    };
    Ok(Posted { stands, body: entry["body"].clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn posted(index: u64, voter: u8, option: u8) -> Posted {
        let marks = Marks::Plurality(Some(option));
        let vote = OpenBallotEntry {
            voter: Hex([voter; 32]),
            weight: 1,
            salt: Hex([0; 16]),
            answers: vec![Answer { marks, write_in: None }],
        };
        let stands = Stands { index, command: COMMAND.to_owned(), subject: None, leaf: None };
        Posted { stands, body: serde_json::to_value(vote).expect("it has a form") }
    }

    #[test]
    fn each_voter_counts_once_for_what_they_chose() {
        let cast = Cast::of(&[posted(1, 1, 0), posted(2, 2, 0), posted(3, 1, 0), posted(4, 3, 1)]);
        assert_eq!(cast.counts(), [2, 1]);
        assert_eq!(cast.against(Some(vec![2, 1])), Vec::<String>::new());
        assert_eq!(cast.against(None), Vec::<String>::new());
        // Three of four people choose the second: somebody's vote was turned round.
        assert_eq!(cast.against(Some(vec![1, 3])).len(), 1);
    }

    #[test]
    fn a_vote_that_changes_its_mind_or_is_none_speaks_against_the_board() {
        let none = Posted { body: json!({"voter": "?"}), ..posted(3, 1, 0) };
        let cast = Cast::of(&[posted(1, 1, 0), posted(2, 1, 1), none, posted(4, 2, 9)]);
        assert_eq!(cast.against(None).len(), 3, "{:?}", cast.against(None));
    }

    #[test]
    fn a_result_that_gives_one_vote_to_another_option_is_found() {
        let results = |counts: [u64; 2]| json!({"contests": [{"ballots": counts.iter().sum::<u64>(), "log": {"most": {"counts": counts}}}]});
        let mut against = Vec::new();
        counted(&results([4, 2]), &[4, 2], &mut against).expect("it has counts");
        assert!(against.is_empty());
        counted(&results([3, 3]), &[4, 2], &mut against).expect("it has counts");
        assert_eq!(against.len(), 1);
    }
}
