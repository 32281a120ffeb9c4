//! Every vote that was acknowledged is on the board, once, and each voter is counted once.

use std::{collections::BTreeSet, io, path::PathBuf};

use anyhow::Context;
use ledger::merkle::Hash;
use load::{
    Phase, Shape, Spacing,
    history::{Acknowledgement, Commands, Stands, VOTES_EXTENSION, check as compare, sort},
};
use report::Area;
use serde_json::Value;

use super::kept::{files, told};
use crate::{
    client::{Client, expect},
    election,
    ground::Ground,
};

const NAME: &str = "invariants/votes";
const TITLE: &str = "Every acknowledged vote is on the board, once, and every voter is counted once";
const COMMAND: &str = "election/open-ballot";
const PAGE: u64 = 1000;
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
    let last = ground.load(vec![(ground.journey("vote")?, 1)], shape);
    ground.run("The last votes", last)?;
    let (results, turnout) = ground.block_on(election::count(&officer, &id))?;
    let board = ground.block_on(board(&ground.client, &id))?;
    let voters: BTreeSet<_> = board
        .iter()
        .filter(|posted| posted.stands.command == COMMAND)
        .map(|posted| posted.body["voter"].as_str().unwrap_or_default().to_owned())
        .collect();
    let entries = board.into_iter().map(|posted| Ok(posted.stands));
    let files = files(ground, VOTES_EXTENSION)?;
    let votes = votes_of(&files, &ground.commands, COMMAND)?;
    // Nobody but the drill is on the roll.
    let checked = compare(votes, entries, &ground.commands, true)?;
    let mut against = told(&checked);
    let roll = ground.people.citizens.len() as u64;
    let counted =
        results["contests"][0]["ballots"].as_u64().context("a result says how many were counted")?;
    let issued = turnout["issued"].as_u64().context("a turnout says how many tokens were given")?;
    if counted != voters.len() as u64 {
        against.push(format!("{counted} votes were counted, of {} voters on the board", voters.len()));
    }
    if issued > roll || (voters.len() as u64) > issued {
        against.push(format!("{roll} may vote, {issued} tokens were given, {} voted", voters.len()));
    }
    let detail = format!(
        "{} votes were acknowledged and {} had no answer; the board has them, of {} voters ({issued} tokens, {roll} on the \
         roll), and {counted} were counted",
        checked.acknowledged,
        checked.unknown,
        voters.len()
    );
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
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
        next = page["next"].as_u64().context("a page says what is next")?;
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
