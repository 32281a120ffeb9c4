//! A clock that is wrong: an hour ahead, an hour behind, ten days ahead, and right again. Nothing is lost, and everybody is served.

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Context;
use clock::Clock;
use load::target::Target;
use report::{Area, Outcome};

use crate::{
    client::{Client, expect},
    ground::{Ground, device, sign_in_device},
    local::{Local, NodeOptions},
};

const NAME: &str = "failure/clock";
const TITLE: &str = "A clock that jumps loses nothing, and keeps nobody out";
/// Debian's library that shows a process another time (package faketime).
const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
/// Where the clock is put, in seconds from where it belongs.
const STEPS: [(&str, i64); 4] =
    [("an hour ahead", 3600), ("an hour behind", -3600), ("ten days ahead", 864_000), ("right again", 0)];
/// People who register at each step.
const PEOPLE: usize = 5;
/// How far from where it was put a clock may be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(300);
/// Answers are dated by the second: so often it is looked whether the step is seen.
const LOOKS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What keeps this from being tried, if anything does.
pub(crate) fn why_not() -> Option<String> {
    (!Path::new(LIBRARY).exists()).then(|| format!("needs {LIBRARY} (Debian's package faketime)"))
}

/// Turns the clock of a node of its own.
pub(super) fn turned(ground: &mut Ground) -> anyhow::Result<()> {
    if let Some(why) = why_not() {
        ground.skipped(Area::Failure, NAME, TITLE, why);
        return Ok(());
    }
    let folder = tempfile::Builder::new().prefix("holdfast-drill-clock-").tempdir()?;
    let offset = folder.path().join("offset");
    turn(&offset, 0)?;
    let environment = vec![
        ("LD_PRELOAD", LIBRARY.into()),
        ("FAKETIME_TIMESTAMP_FILE", offset.as_os_str().to_owned()),
        ("FAKETIME_NO_CACHE", "1".into()),
        // A clock that is set is the one that tells the time of day; the one that measures goes on.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ];
    let mut local = Local::start(NodeOptions { environment, ..NodeOptions::default() })?;
    let client = Client::new(&Target::at(local.public));
    let (bit, mut against) = ground.block_on(steps(&client, &offset, &ground.names))?;
    local.stop()?;
    if let Err(error) = local.verify() {
        against.push(format!("its ledger is not in order afterwards: {error:#}"));
    }
    let steps = STEPS.map(|(what, _)| what).join(", ");
    let detail =
        format!("{steps}: {PEOPLE} people registered at each, all signed in at all that followed, verified");
    if bit {
        ground.judged(Area::Failure, NAME, TITLE, detail, against);
    } else {
        let detail = "the node's own times did not follow the clock that was turned";
        ground.found(Area::Failure, NAME, TITLE, Outcome::NotExercised, detail, against);
    }
    Ok(())
}

/// Written whole: whoever reads it meanwhile sees one time or the other.
fn turn(offset: &Path, seconds: i64) -> anyhow::Result<()> {
    let fresh = offset.with_extension("fresh");
    fs::write(&fresh, format!("{seconds:+}"))?;
    Ok(fs::rename(fresh, offset)?)
}

/// Did the node's times follow each step, and what went wrong?
async fn steps(client: &Client, offset: &Path, names: &str) -> anyhow::Result<(bool, Vec<String>)> {
    let (mut people, mut against) = (Vec::new(), Vec::new());
    for (number, (what, seconds)) in STEPS.into_iter().enumerate() {
        turn(offset, seconds)?;
        let mut looks = 0;
        while (ahead(client).await? - seconds).unsigned_abs() > SEEN_WITHIN.as_secs() {
            looks += 1;
            if looks == LOOKS {
                return Ok((false, against));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for person in 0..PEOPLE {
            match device(client, &format!("{names}-clock-{number}-{person}")).await {
                Ok(person) => people.push(person),
                Err(error) => against.push(format!("{what}, nobody can register: {error:#}")),
            }
        }
        for person in &people {
            match sign_in_device(client, person).await {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => against.push(format!("{what}, a sign-in gave {}", answer.status)),
                Err(error) => against.push(format!("{what}: {error:#}")),
            }
        }
    }
    against.dedup();
    Ok((true, against))
}

/// How far ahead of this machine's clock the node's answers are dated, in seconds.
async fn ahead(client: &Client) -> anyhow::Result<i64> {
    let answer = expect(client.get("/health").await?, 200, "asking how it is")?;
    let date = answer.fields.get(http::header::DATE).context("an answer has no date")?;
    let date = httpdate::parse_http_date(date.to_str()?)?.duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(date.as_secs())? - i64::try_from(Clock::System.now().seconds())?)
}
