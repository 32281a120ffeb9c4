//! Every vote that was acknowledged is on the board, once, and each voter is counted once.

use std::collections::BTreeSet;

use anyhow::Context;
use ledger::merkle::Hash;
use load::{
    Phase, Shape, Spacing,
    history::{Stands, VOTES_EXTENSION, check as compare, sort},
};
use serde_json::Value;

use super::kept::{files, said};
use crate::{
    client::{Client, expect},
    election,
    ground::Ground,
    report::Area,
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
    let voters: BTreeSet<_> =
        board.iter().filter(|(entry, _)| entry.command == COMMAND).map(|(_, voter)| voter.clone()).collect();
    let entries = board.into_iter().map(|(entry, _)| Ok(entry));
    let votes = sort(&files(ground, VOTES_EXTENSION)?)?;
    // Nobody but the drill is on the roll.
    let checked = compare(votes, entries, &ground.commands, true)?;
    let mut against: Vec<_> = checked.told.iter().map(said).collect();
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

/// Every entry of the board, and whose vote it is, by their pseudonym.
async fn board(client: &Client, id: &str) -> anyhow::Result<Vec<(Stands, String)>> {
    let (mut entries, mut next) = (Vec::new(), 0);
    loop {
        let path = format!("/api/v1/public/elections/{id}/board/entries?from={next}&limit={PAGE}");
        let page = expect(client.get(&path).await?, 200, "reading the board")?.json();
        let read = page["entries"].as_array().map_or(&[][..], Vec::as_slice);
        if read.is_empty() {
            return Ok(entries);
        }
        for entry in read {
            entries.push(stands(entry)?);
        }
        next = page["next"].as_u64().context("a page says what is next")?;
    }
}

fn stands(entry: &Value) -> anyhow::Result<(Stands, String)> {
    let leaf = entry["leafHash"].as_str().and_then(|leaf| Hash::from_base64(leaf).ok());
    let stands = Stands {
        index: entry["index"].as_u64().context("an entry has an index")?,
        command: entry["command"].as_str().unwrap_or_default().to_owned(),
        subject: None,
        leaf: Some(leaf.context("an entry has a leaf")?),
    };
    Ok((stands, entry["body"]["voter"].as_str().unwrap_or_default().to_owned()))
}
