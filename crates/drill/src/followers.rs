//! People who follow an election as it goes on: each is told of every change, however many they are, and not much later.

use std::{path::PathBuf, sync::Arc, time::Duration};

use load::{
    Phase, Shape, Spacing,
    following::{Ended, Follower, Lateness, Told, follow},
    history::{VOTES_EXTENSION, sort},
};
use report::{Area, Outcome};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    again::again,
    ending::ended_by,
    ground::{Ground, in_background_from, stopwatch},
    held,
};

const NAME: &str = "volume/followers";
const TITLE: &str = "Everybody who follows an election sees it move";
const SOCKETS: (&str, &str) =
    ("volume/websocket", "Everybody who is connected by WebSocket is told of changes");
const VOTES_PER_S: f64 = 30.0;
/// After the last vote, within this everybody has been told.
const TOLD_MAX: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Streams that are opened at once.
const OPENING_MAX: usize = 64;
/// How long all may take to open.
const OPEN_MAX: Duration = Duration::from_secs(120);
/// Addresses of this machine's own that followers of a local target come from: 127.81.0.1 and on.
const NETWORK: u8 = 81;

/// Has people follow while others vote.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    web_sockets(ground)?;
    let Some(id) = ground.election.clone() else {
        ground.skipped(Area::Volume, NAME, TITLE, "no election was held that could be followed");
        return Ok(());
    };
    let wanted = ground.profile.followers;
    let seconds = load::float(ground.profile.follow_ms) / 1000.0;
    let shape =
        Shape::Open { phases: vec![Phase::constant(VOTES_PER_S, seconds)], spacing: Spacing::Poisson };
    let votes = ground.load("followers", vec![(ground.journey("vote")?, 1)], shape);
    ground.screen.doing(&format!("{wanted} people follow the election"));
    let files: Vec<_> = (0..votes.threads).map(|number| votes_of(ground, &votes.names, number)).collect();
    let (following, told, last, vote_limited) = ground.block_on(async {
        let (opening, clock) = (Arc::new(Semaphore::new(OPENING_MAX)), stopwatch());
        let mut following = JoinSet::new();
        let told: Vec<Told> = (0..wanted).map(|_| Told::default()).collect();
        for (number, told) in told.iter().enumerate() {
            let from =
                ground.local.as_ref().and_then(|_| held::address(NETWORK, number / held::OF_ONE_ADDRESS));
            following.spawn(follow(Follower {
                target: ground.target.clone(),
                from,
                path: format!("/api/v1/public/elections/{id}/events"),
                told: told.clone(),
                stopwatch: clock.clone(),
                opening: Arc::clone(&opening),
            }));
        }
        // Whoever is told how it stands follows.
        let opened = stopwatch();
        while told.iter().any(|told| told.is_waiting()) && opened.elapsed() < OPEN_MAX && ended_by().is_none()
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        // From now on the followers' clock is the voters'.
        let offset = clock.elapsed();
        let voting = in_background_from(votes, &Arc::default(), &stopwatch())?;
        while !voting.is_finished() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        let voted = voting.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
        let last = acknowledged(&files)?.iter().map(|(index, _)| *index).max();
        let waited = stopwatch();
        while told.iter().any(|told| told.lacks(last)) && waited.elapsed() < TOLD_MAX && ended_by().is_none()
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        following.abort_all();
        while following.join_next().await.is_some() {}
        anyhow::Ok((offset, told, last, ground.limited(&voted).is_some()))
    })?;
    let votes = acknowledged(&files)?;
    judge(ground, &votes, &Lateness::of(&votes, following, &told), &told, last, vote_limited);
    Ok(())
}

/// What speaks against the target: whoever was turned away, dropped, or never told.
fn judge(
    ground: &mut Ground,
    votes: &[(u64, Duration)],
    lateness: &Lateness,
    told: &[Told],
    last: Option<u64>,
    vote_limited: bool,
) {
    let (wanted, remote) = (told.len(), ground.local.is_none());
    let count = |how: fn(&Told) -> bool| told.iter().filter(|told| how(told)).count();
    let refused = count(|told| told.ended() == Some(Ended::Refused));
    let limited = count(|told| told.ended() == Some(Ended::Limited));
    let dropped = count(|told| told.ended() == Some(Ended::Dropped));
    let lacking = told.iter().filter(|told| told.ended().is_none() && told.lacks(last)).count();
    let detail = format!(
        "{} of {wanted} followed to the end ({} refused, {dropped} dropped) while {} votes were cast; {}",
        wanted - refused - limited - dropped,
        refused + limited,
        votes.len(),
        heard(lateness)
    );
    let mut against = Vec::new();
    for (count, what) in [
        (if remote { refused } else { refused + limited }, "were refused"),
        (dropped, "were dropped"),
        (lacking, "were not told of the last vote in time"),
    ] {
        if count > 0 {
            against.push(format!("{count} {what}"));
        }
    }
    if votes.is_empty() && !vote_limited {
        against.push("no vote was taken".to_owned());
    }
    if remote && limited > 0 || vote_limited {
        let detail = format!(
            "the drill's own address is limited, which the target must let ([networks] allowed); {detail}"
        );
        return ground.found(Area::Volume, NAME, TITLE, Outcome::Invalid, detail, against);
    }
    ground.judged(Area::Volume, NAME, TITLE, detail, against);
}

/// How late votes were heard of; where none was, there is no figure.
fn heard(lateness: &Lateness) -> String {
    if lateness.is_empty() {
        return "nobody heard of a vote, so how late is not known".to_owned();
    }
    format!(
        "of a vote half heard {:.0} ms after its voter, 99 of 100 after {:.0} ms, and the last of all after {:.0} ms at the median and \
         {:.0} ms at the most",
        lateness.of_all_ms(0.5),
        lateness.of_all_ms(0.99),
        lateness.of_the_last_ms(0.5),
        lateness.of_the_last_ms(1.0)
    )
}

fn votes_of(ground: &Ground, names: &str, thread: usize) -> PathBuf {
    ground.history.join(format!("{names}-{thread}.{VOTES_EXTENSION}"))
}

/// The votes that a load had acknowledged: the place of each on the board, and when its voter knew.
fn acknowledged(files: &[PathBuf]) -> anyhow::Result<Vec<(u64, Duration)>> {
    let mut votes = Vec::new();
    for vote in sort(files)? {
        let vote = vote?;
        votes.extend(vote.index.map(|index| (index, Duration::from_millis(vote.at_ms.into()))));
    }
    Ok(votes)
}

/// Whether the target speaks WebSocket at all is in its description: a route that may answer 101.
fn web_sockets(ground: &mut Ground) -> anyhow::Result<()> {
    let (name, title) = SOCKETS;
    let description = again(async |_| ground.client.get("/openapi.json").await);
    let description = ground.block_on(description)?.json();
    let paths = description["paths"].as_object().into_iter().flatten();
    let switching: Vec<_> = paths
        .filter(|(_, path)| path["get"]["responses"].get("101").is_some())
        .map(|(path, _)| path.as_str())
        .collect();
    let why = if switching.is_empty() {
        "the target has no route that speaks it".to_owned()
    } else {
        format!("the drill does not know what to say at {}", switching.join(", "))
    };
    ground.skipped(Area::Volume, name, title, why);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_heard_of_was_not_heard_of_at_once() {
        let nobody = Lateness::of(&[(0, Duration::ZERO)], Duration::ZERO, &[Told::default()]);
        assert!(heard(&nobody).contains("not known") && !heard(&nobody).contains("ms"), "{}", heard(&nobody));
    }
}
