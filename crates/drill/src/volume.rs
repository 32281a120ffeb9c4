//! Volume: each journey at the rate that the profile asks for, and the highest rate that still holds.

use std::time::Duration;

use load::{Phase, Ran, Search, Shape, Spacing, Trial, float};
use report::{Area, KneeResult, LoadResult, Outcome};

use crate::{
    again::again, ending::ended_by, followers, ground::Ground, held, local::Local, profile::Volume, secret,
};

/// Of callers at a rate that is asked for, so many must end well.
const GOOD_SHARE_MIN: f64 = 0.99;
/// The journey that needs a secret election.
const SECRET: &str = "vote-secret";
/// How long a caller of a search waits.
const SEARCH_PATIENCE: Duration = Duration::from_secs(2);

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    pub(crate) loads: Vec<LoadResult>,
    pub(crate) knees: Vec<KneeResult>,
}

/// Runs all volumes of the profile. One that comes to no end takes nothing from the others: what was measured stays.
pub(crate) fn run(ground: &mut Ground, measured: &mut Measured) {
    if ground.profile.volumes.iter().any(|volume| volume.journey == SECRET) {
        open_secret_election(ground);
    }
    for volume in ground.profile.volumes.clone() {
        if volume.journey == "vote" && ground.election.is_none() {
            let why = "no officer's token was given (--officer-token-file), so there is no election";
            ground.skipped(Area::Volume, "volume/vote", "Vote: served at the rate that is asked for", why);
            continue;
        }
        // That there is no secret election is said already.
        if volume.journey == SECRET && ground.secret.is_none() {
            continue;
        }
        let name = format!("volume/{}", volume.journey);
        measured.loads.extend(part(ground, &name, |ground| one(ground, &volume)));
        if let Some(knee) = volume.knee {
            let search = |ground: &mut Ground| {
                search(ground, &volume, Search::new(knee), knee.p99_ms_max, knee.seconds)
            };
            measured.knees.extend(part(ground, &format!("{name}/knee"), search));
        }
        if ended_by().is_some() {
            return;
        }
    }
    ground.held = part(ground, "volume/held-connections", held::run).unwrap_or_default();
    part(ground, "volume/followers", followers::run);
}

/// Measures something. That it came to no end is a check that failed, and the rest is measured all the same.
fn part<T>(
    ground: &mut Ground,
    name: &str,
    measure: impl FnOnce(&mut Ground) -> anyhow::Result<T>,
) -> Option<T> {
    let done = measure(ground);
    if let Err(error) = &done {
        let said = ground.local.as_ref().map(Local::said).unwrap_or_default();
        ground.broke_off((Area::Volume, name), &format!("{name} is measured to its end"), said, error);
    }
    done.ok()
}

/// Opens the secret election, before anything is a load. That it cannot be opened is a failure of the target.
fn open_secret_election(ground: &mut Ground) {
    let (name, title) = ("volume/secret-election", "A secret election can be held");
    let Some(officer) = ground.staff.officer.clone() else {
        let why = "no officer's token was given (--officer-token-file), so there is no election";
        return ground.skipped(Area::Volume, name, title, why);
    };
    match secret::open(ground, &officer) {
        Ok(secret) => {
            ground.secret = Some(secret);
            let detail = "its trustees made a key, it was opened, and every voter got a token";
            ground.judged(Area::Volume, name, title, detail, Vec::new());
        }
        Err(error) => ground.broke_off((Area::Volume, name), title, String::new(), &error),
    }
}

fn one(ground: &mut Ground, volume: &Volume) -> anyhow::Result<LoadResult> {
    let journey = ground.journey(volume.journey)?;
    let shape = Shape::Open { phases: volume.phases.clone(), spacing: Spacing::Poisson };
    let name = format!("volume/{}", journey.name);
    let load = ground.load(&name, vec![(std::sync::Arc::clone(&journey), 1)], shape);
    wait_out(ground);
    let ran = ground.run(&journey.title, load)?;
    let limited = ground.limited(&ran);
    let mut result =
        told(&journey.name, &journey.title, &format!("Poisson, {}", Phase::told(&volume.phases)), &ran);
    let counts = &ran.record.counts;
    let excused = if limited.is_some() { counts.limited } else { 0 };
    let against = against(&result, excused, &ran.record.wrong, volume.p99_ms_max);
    result.invalid =
        result.invalid.or(limited).or_else(|| Some(format!("it was broken off by {}", ended_by()?)));
    let title = format!("{}: served at the rate that is asked for", journey.title);
    let detail = format!(
        "{}: {} came, {} ended well ({:.1} a second), p50 {:.1} ms, p99 {:.1} ms",
        result.shape, counts.offered, counts.good, result.good_per_s, result.p50_ms, result.p99_ms
    );
    match &result.invalid {
        Some(why) => {
            let detail = format!("{why}; {detail}");
            ground.found(Area::Volume, &name, &title, Outcome::Invalid, detail, against);
        }
        None => ground.judged(Area::Volume, &name, &title, detail, against),
    }
    Ok(result)
}

/// Waits until the target lets the drill's address ask again, if it has a limit on that: what is refused for what came before says
/// nothing of this load. Whether the target can be asked at all the load will show.
fn wait_out(ground: &Ground) {
    if ground.local.is_none() {
        drop(ground.block_on(again(async |_| ground.client.get("/health").await)));
    }
}

/// What a load says against the target. How many were served and how fast says nothing of it if the generator was late itself;
/// a wrong answer is one all the same. Whoever was refused by a limit on the drill's address is `excused`: the others must be served.
fn against(result: &LoadResult, excused: u64, wrong: &[String], p99_ms_max: f64) -> Vec<String> {
    let counts = &result.counts;
    let mut against = Vec::new();
    if counts.wrong > 0 {
        against.push(format!("{} answers were not what they should be", counts.wrong));
        against.extend(wrong.iter().cloned());
    }
    if result.invalid.is_some() {
        return against;
    }
    let offered = counts.offered.saturating_sub(excused);
    let share = if offered == 0 { 1.0 } else { float(counts.good) / float(offered) };
    if share < GOOD_SHARE_MIN {
        against.push(format!(
            "{:.2} % ended well, not {:.0} % ({} refused, {} unknown)",
            share * 100.0,
            GOOD_SHARE_MIN * 100.0,
            counts.refused.saturating_sub(excused),
            counts.unknown
        ));
        // Examples of those too who got no answer.
        against.extend(wrong.iter().filter(|_| counts.wrong == 0).cloned());
    }
    if result.p99_ms > p99_ms_max {
        against.push(format!("the 99th percentile is {:.0} ms, not {p99_ms_max:.0}", result.p99_ms));
    }
    against
}

fn search(
    ground: &mut Ground,
    volume: &Volume,
    mut search: Search,
    p99_ms_max: f64,
    seconds: f64,
) -> anyhow::Result<KneeResult> {
    let journey = ground.journey(volume.journey)?;
    while let Some(rate) = search.next() {
        // At even distances: in a short trial chance would bring a tenth more or less.
        let phases = vec![Phase::constant(rate, seconds)];
        let shape = Shape::Open { phases, spacing: Spacing::Constant };
        let called = format!("volume/{}/knee/{}", journey.name, search.trials.len());
        let mut load = ground.load(&called, vec![(std::sync::Arc::clone(&journey), 1)], shape);
        load.patience = SEARCH_PATIENCE;
        wait_out(ground);
        let ran = ground.run(&format!("{} at {rate:.0} a second", journey.title), load)?;
        crate::ending::go_on()?;
        search.tried(Trial {
            offered_per_s: rate,
            good_per_s: ran.goodput_per_s(),
            p50_ms: ran.record.latency_ms(50.0),
            p99_ms: ran.record.latency_ms(99.0),
            held: false,
            invalid: ground.invalid(&ran).is_some(),
            limited: ground.limited(&ran).is_some(),
        });
    }
    let bears_nothing = search.bears_nothing();
    let result = KneeResult {
        journey: journey.name.clone(),
        title: journey.title.clone(),
        found_per_s: search.found(),
        at_least: search.is_at_least(),
        p99_ms_max,
        trials: search.trials,
    };
    let title = format!("{}: there is a rate that holds", journey.title);
    let name = format!("volume/{}/knee", journey.name);
    let (outcome, detail, against) = bend(&result, bears_nothing);
    ground.found(Area::Volume, &name, &title, outcome, detail, against);
    Ok(result)
}

/// What a search came to.
fn bend(result: &KneeResult, bears_nothing: bool) -> (Outcome, String, Vec<String>) {
    let limit = if result.trials.iter().any(|trial| trial.limited) {
        "the drill's own address is limited there, which the target must let ([networks] allowed)"
    } else {
        "the generator was the limit"
    };
    match result.found_per_s {
        Some(found) if result.at_least => {
            (Outcome::Passed, format!("at least {found:.0} a second; {limit}"), Vec::new())
        }
        Some(found) => {
            let detail = format!("{found:.0} a second, with a p99 of at most {:.0} ms", result.p99_ms_max);
            (Outcome::Passed, detail, Vec::new())
        }
        None if bears_nothing => {
            let against = vec!["every rate was too much".to_owned()];
            (Outcome::Failed, "no rate that was tried held".to_owned(), against)
        }
        None => (Outcome::Invalid, format!("no rate that was tried says anything: {limit}"), Vec::new()),
    }
}

/// A run as the report has it.
pub(crate) fn told(journey: &str, title: &str, shape: &str, ran: &Ran) -> LoadResult {
    let record = &ran.record;
    let percentiles = [0.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99, 99.999, 100.0];
    LoadResult {
        journey: journey.to_owned(),
        title: title.to_owned(),
        shape: shape.to_owned(),
        seconds: ran.took.as_secs_f64(),
        counts: record.counts,
        good_per_s: ran.goodput_per_s(),
        p50_ms: record.latency_ms(50.0),
        p95_ms: record.latency_ms(95.0),
        p99_ms: record.latency_ms(99.0),
        max_ms: record.latency_ms(100.0),
        percentiles: percentiles.iter().map(|percent| (*percent, record.latency_ms(*percent))).collect(),
        generator_lag_p99_ms: record.lag_ms(99.0),
        generator_busy: ran.busy,
        invalid: ran.invalid(),
    }
}

#[cfg(test)]
mod tests {
    use load::Counts;

    use super::*;

    #[test]
    fn a_late_generator_excuses_slowness_and_no_wrong_answer() {
        let load = |good, wrong, p99_ms, invalid: Option<&str>| LoadResult {
            counts: Counts { offered: 100, good, wrong, refused: 100 - good - wrong, ..Counts::default() },
            p99_ms,
            invalid: invalid.map(str::to_owned),
            ..LoadResult::default()
        };
        let count = |load| against(&load, 0, &["500".to_owned()], 50.0).len();
        assert_eq!(count(load(100, 0, 20.0, None)), 0);
        assert_eq!(count(load(100, 0, 80.0, None)), 1);
        assert_eq!(count(load(90, 0, 80.0, None)), 3, "a share, an example and a percentile");
        assert_eq!(count(load(90, 0, 80.0, Some("the generator was late"))), 0);
        assert_eq!(count(load(90, 5, 80.0, Some("the generator was late"))), 2);
    }

    #[test]
    fn a_limit_on_the_drills_address_excuses_who_met_it_and_nobody_else() {
        let load = |good, refused, limited| LoadResult {
            counts: Counts { offered: 100, good, refused, limited, ..Counts::default() },
            p99_ms: 20.0,
            ..LoadResult::default()
        };
        let count = |load: &LoadResult, excused| against(load, excused, &[], 50.0).len();
        assert_eq!(count(&load(10, 90, 90), 90), 0);
        assert_eq!(count(&load(0, 100, 100), 100), 0);
        // What is refused for want of time is the target's fault, and so is all of it where the drill has no limit to meet.
        assert_eq!(count(&load(10, 90, 40), 40), 1);
        assert_eq!(count(&load(10, 90, 90), 0), 1);
    }

    #[test]
    fn a_search_that_says_nothing_is_no_failure_and_one_that_found_none_is() {
        let trial = Trial {
            offered_per_s: 9.0,
            good_per_s: 0.0,
            p50_ms: 1.0,
            p99_ms: 1.0,
            held: false,
            invalid: true,
            limited: true,
        };
        let none = KneeResult { trials: vec![trial], at_least: true, ..KneeResult::default() };
        let (outcome, detail, _) = bend(&none, false);
        assert!(outcome == Outcome::Invalid && detail.contains("allowed"), "{detail}");
        assert_eq!(bend(&none, true).0, Outcome::Failed);
        let (outcome, detail, _) = bend(&KneeResult { found_per_s: Some(7.0), ..none }, false);
        assert!(outcome == Outcome::Passed && detail.contains("at least 7 a second"), "{detail}");
    }
}
