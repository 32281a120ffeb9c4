//! Every secret vote that was acknowledged is on the board, once, is proven to be there, is confirmed, and is counted as it was cast.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, ensure};
use board::{BallotEntry, Hex};
use load::{
    Phase, Shape, Spacing,
    history::{Checked, VOTES_EXTENSION, check as compare},
};
use report::Area;
use serde_json::Value;

use super::{
    Called,
    kept::{files, told},
    receipts::prove_body,
    votes::{Posted, board, votes_of},
};
use crate::{
    client::{Client, expect},
    election,
    ground::{Ground, stopwatch},
    secret::Secret,
};

const NAME: &str = "invariants/secret-votes";
const TITLE: &str =
    "Every acknowledged secret vote is on the board, once, with a proof, and is counted as it was cast";
pub(super) const CHECK: Called = (NAME, TITLE);
const COMMAND: &str = "election/ballot";
/// Votes a second right before the end.
const LAST_PER_S: f64 = 5.0;
/// How long the target may take to check what it took, and to sign the last of it.
const CHECKED_MAX: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const TOLD_MAX: usize = 5;

/// Counts the election, has it verified, and compares board, result and turnout with what was acknowledged and who voted for what.
pub(super) fn check(ground: &mut Ground) -> anyhow::Result<()> {
    let (Some(secret), Some(officer)) = (ground.secret.take(), ground.staff.officer.clone()) else {
        let why = "no secret election was held: it is opened for the volume of secret votes";
        ground.skipped(Area::Invariants, NAME, TITLE, why);
        return Ok(());
    };
    let phases = vec![Phase::constant(LAST_PER_S, 1.0)];
    let shape = Shape::Open { phases, spacing: Spacing::Constant };
    let last = ground.load("last secret votes", vec![(ground.journey("vote-secret")?, 1)], shape);
    ground.run("The last secret votes", last)?;
    let posted = ground.block_on(board(&ground.client, &secret.id))?;
    let votes: Vec<_> = posted.iter().filter(|posted| posted.stands.command == COMMAND).collect();
    let mut against = ground.block_on(confirmed(&ground.client, &secret.id, votes.len() as u64))?;
    let proven = prove(ground, &secret, &votes, &mut against)?;
    let (results, turnout) = ground.block_on(secret.count(&officer))?;
    let checked = acknowledged(ground, &posted, &mut against)?;
    let cast = cast(ground, &votes, &mut against)?;
    counted(&results, &cast, &mut against)?;
    let voters: u64 = cast.iter().sum();
    let roll = ground.people.citizens.len() as u64;
    let issued = turnout["issued"].as_u64().context("a turnout says how many tokens were given")?;
    if issued > roll || voters > issued {
        against.push(format!("{roll} may vote, {issued} tokens were given, {voters} voted"));
    }
    if let Err(error) = verified(&secret, &ground.target.url()) {
        against.push(format!("an observer does not believe it: {error:#}"));
    }
    let detail = format!(
        "{} votes were acknowledged and {} had no answer; {} stand on the board, {proven} were asked for with their proofs, \
         and the last ones of {voters} voters were counted ({issued} tokens, {roll} on the roll) and verified by an observer",
        checked.acknowledged,
        checked.unknown,
        votes.len(),
    );
    ground.judged(Area::Invariants, NAME, TITLE, detail, against);
    Ok(())
}

/// Compares the board with what was acknowledged.
fn acknowledged(ground: &Ground, posted: &[Posted], against: &mut Vec<String>) -> anyhow::Result<Checked> {
    let files = files(ground, VOTES_EXTENSION)?;
    let votes = votes_of(&files, &ground.commands, COMMAND)?;
    let entries = posted.iter().map(|posted| Ok(posted.stands.clone()));
    let checked = compare(votes, entries, &ground.commands, true)?;
    against.extend(told(&checked));
    if checked.acknowledged == 0 {
        against.push("no vote was acknowledged at all".to_owned());
    }
    Ok(checked)
}

/// Waits until all votes were checked; what speaks against it.
async fn confirmed(client: &Client, id: &str, votes: u64) -> anyhow::Result<Vec<String>> {
    let began = stopwatch();
    loop {
        let turnout = election::turnout(client, id).await?;
        let number = |member: &str| turnout[member].as_u64().unwrap_or_default();
        let (confirmed, refused) = (number("confirmed"), number("refused"));
        if confirmed + refused >= votes || began.elapsed() > CHECKED_MAX {
            let all = confirmed >= votes && refused == 0;
            let text = || format!("of {votes} honest votes {confirmed} were confirmed and {refused} refused");
            return Ok((!all).then(text).into_iter().collect());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Asks for as many votes as the profile allows, as their voters would: each is confirmed, and proven to be on the board.
fn prove(
    ground: &Ground,
    secret: &Secret,
    votes: &[&Posted],
    against: &mut Vec<String>,
) -> anyhow::Result<usize> {
    let every = votes.len().div_ceil(ground.profile.proofs_max.max(1)).max(1);
    let mut wrong = Vec::new();
    let asked: Vec<_> = votes.iter().step_by(every).collect();
    for posted in &asked {
        if let Err(error) = ground.block_on(prove_one(&ground.client, secret, posted)) {
            wrong.push(format!("vote {}: {error:#}", posted.stands.index));
        }
    }
    let proven = asked.len() - wrong.len();
    against.extend(wrong.into_iter().take(TOLD_MAX));
    Ok(proven)
}

async fn prove_one(client: &Client, secret: &Secret, posted: &Posted) -> anyhow::Result<()> {
    let tracker = entry(posted)?.tracker();
    let path = format!("/api/v1/public/elections/{}/ballots/{tracker}", secret.id);
    let began = stopwatch();
    let body = loop {
        let body = expect(client.get(&path).await?, 200, "asking for it")?.json();
        // What says so has to be under a signed checkpoint.
        if body["status"] != "RECEIVED" || began.elapsed() > CHECKED_MAX {
            break body;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    ensure!(body["status"] == "CONFIRMED", "it is {} and not confirmed", body["status"]);
    let leaf = posted.stands.leaf.context("an entry has a leaf")?;
    prove_body(&body, posted.stands.index, leaf, None)
}

fn entry(posted: &Posted) -> anyhow::Result<BallotEntry> {
    serde_json::from_value(posted.body.clone()).context("it is no vote")
}

/// How many voters have voted for each option: each has one, whatever order their votes came in.
fn cast(ground: &Ground, votes: &[&Posted], against: &mut Vec<String>) -> anyhow::Result<Vec<u64>> {
    let seats = ground.people.citizens.iter().filter_map(|citizen| citizen.seat.as_ref());
    let options: BTreeMap<Hex<32>, u8> = seats.map(|seat| (seat.voter.key(), seat.option)).collect();
    let mut voters = BTreeMap::new();
    for posted in votes {
        let key = entry(posted)?.voter;
        match options.get(&key) {
            Some(option) => drop(voters.insert(key, *option)),
            None => against.push(format!("entry {} is a vote of nobody's", posted.stands.index)),
        }
    }
    let mut counts = vec![0; election::OPTIONS.len()];
    for option in voters.into_values() {
        counts[usize::from(option)] += 1;
    }
    Ok(counts)
}

/// Compares the result with what was voted for.
pub(super) fn counted(results: &Value, cast: &[u64], against: &mut Vec<String>) -> anyhow::Result<()> {
    let contest = &results["contests"][0];
    let counts = contest["log"]["most"]["counts"].as_array().context("a result has counts")?;
    let counts: Vec<_> = counts.iter().map(|count| count.as_u64().unwrap_or(u64::MAX)).collect();
    let ballots = contest["ballots"].as_u64().context("a result says how many were counted")?;
    if counts != cast || ballots != cast.iter().sum::<u64>() {
        against.push(format!(
            "of {ballots} votes that were counted the options have {counts:?}, and {cast:?} were cast for them"
        ));
    }
    Ok(())
}

/// Asks an observer, who may come before the last checkpoint.
fn verified(secret: &Secret, url: &str) -> anyhow::Result<()> {
    let began = stopwatch();
    loop {
        let said = secret.verified(url).and_then(|said| {
            ensure!(said.contains("the results are published"), "they are not published yet: {said}");
            Ok(())
        });
        if said.is_ok() || began.elapsed() > Duration::from_secs(30) {
            return said;
        }
        crate::ending::go_on()?;
        crate::pause::sleep(LOOK_EVERY);
    }
}
