//! Volume: each journey at the rate that the profile asks for, and the highest rate that still holds.

use std::time::Duration;

use load::{Phase, Ran, Search, Shape, Spacing, Trial, float};
use report::{Area, KneeResult, LoadResult, Outcome};

use crate::{followers, ground::Ground, held, profile::Volume, secret};

/// Of callers at a rate that is asked for, so many must end well.
const GOOD_SHARE_MIN: f64 = 0.99;
/// The journey that needs a secret election.
const SECRET: &str = "vote-secret";
/// How long a caller of a search waits.
const SEARCH_PATIENCE: Duration = Duration::from_secs(2);

/// Runs all volumes of the profile.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<(Vec<LoadResult>, Vec<KneeResult>)> {
    let (mut loads, mut knees) = (Vec::new(), Vec::new());
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
        loads.push(one(ground, &volume)?);
        if let Some(knee) = volume.knee {
            knees.push(search(ground, &volume, Search::new(knee), knee.p99_ms_max, knee.seconds)?);
        }
    }
    ground.held = held::run(ground)?;
    followers::run(ground)?;
    Ok((loads, knees))
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
        Err(error) => ground.judged(Area::Volume, name, title, "", vec![format!("{error:#}")]),
    }
}

fn one(ground: &mut Ground, volume: &Volume) -> anyhow::Result<LoadResult> {
    let journey = ground.journey(volume.journey)?;
    let shape = Shape::Open { phases: volume.phases.clone(), spacing: Spacing::Poisson };
    let load = ground.load(vec![(std::sync::Arc::clone(&journey), 1)], shape);
    let ran = ground.run(&journey.title, load)?;
    let result = told(&journey.name, &journey.title, &describe(&volume.phases), &ran);
    let counts = &ran.record.counts;
    let against = against(&result, &ran.record.wrong, volume.p99_ms_max);
    let title = format!("{}: served at the rate that is asked for", journey.title);
    let detail = format!(
        "{}: {} came, {} ended well ({:.1} a second), p50 {:.1} ms, p99 {:.1} ms",
        result.shape, counts.offered, counts.good, result.good_per_s, result.p50_ms, result.p99_ms
    );
    let name = format!("volume/{}", journey.name);
    match &result.invalid {
        Some(why) => {
            let detail = format!("{why}; {detail}");
            ground.found(Area::Volume, &name, &title, Outcome::Invalid, detail, against);
        }
        None => ground.judged(Area::Volume, &name, &title, detail, against),
    }
    Ok(result)
}

/// What a load says against the target. How many were served and how fast says nothing of it if the generator was late itself;
/// a wrong answer is one all the same.
fn against(result: &LoadResult, wrong: &[String], p99_ms_max: f64) -> Vec<String> {
    let counts = &result.counts;
    let mut against = Vec::new();
    if counts.wrong > 0 {
        against.push(format!("{} answers were not what they should be", counts.wrong));
        against.extend(wrong.iter().cloned());
    }
    if result.invalid.is_some() {
        return against;
    }
    let share = float(counts.good) / float(counts.offered.max(1));
    if share < GOOD_SHARE_MIN {
        against.push(format!(
            "{:.2} % ended well, not {:.0} % ({} refused, {} unknown)",
            share * 100.0,
            GOOD_SHARE_MIN * 100.0,
            counts.refused,
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
        let mut load = ground.load(vec![(std::sync::Arc::clone(&journey), 1)], shape);
        load.patience = SEARCH_PATIENCE;
        let ran = ground.run(&format!("{} at {rate:.0} a second", journey.title), load)?;
        search.tried(Trial {
            offered_per_s: rate,
            good_per_s: ran.goodput_per_s(),
            p50_ms: ran.record.latency_ms(50.0),
            p99_ms: ran.record.latency_ms(99.0),
            held: false,
            invalid: ran.invalid().is_some(),
        });
    }
    let result = KneeResult {
        journey: journey.name.clone(),
        title: journey.title.clone(),
        found_per_s: search.found(),
        at_least: search.is_at_least(),
        p99_ms_max,
        trials: search.trials,
    };
    let title = format!("{}: there is a rate that holds", journey.title);
    let (detail, against) = match result.found_per_s {
        Some(found) if result.at_least => {
            (format!("at least {found:.0} a second; the generator was the limit"), None)
        }
        Some(found) => (format!("{found:.0} a second, with a p99 of at most {p99_ms_max:.0} ms"), None),
        None => ("no rate that was tried held".to_owned(), Some("every rate was too much".to_owned())),
    };
    let name = format!("volume/{}/knee", journey.name);
    ground.judged(Area::Volume, &name, &title, detail, against.into_iter().collect());
    Ok(result)
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

fn describe(phases: &[Phase]) -> String {
    let parts = phases.iter().map(|phase| {
        if (phase.from_per_s - phase.to_per_s).abs() < f64::EPSILON {
            format!("{:.0} a second for {:.0} s", phase.to_per_s, phase.seconds)
        } else {
            format!(
                "from {:.0} to {:.0} a second in {:.0} s",
                phase.from_per_s, phase.to_per_s, phase.seconds
            )
        }
    });
    format!("Poisson, {}", parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use load::Counts;

    use super::*;

    #[test]
    fn a_late_generator_excuses_slowness_and_no_wrong_answer() {
        let load = |good, wrong, p99_ms, invalid: Option<&str>| LoadResult {
            counts: Counts { offered: 100, good, wrong, refused: 100 - good - wrong, unknown: 0 },
            p99_ms,
            invalid: invalid.map(str::to_owned),
            ..LoadResult::default()
        };
        let count = |load| against(&load, &["500".to_owned()], 50.0).len();
        assert_eq!(count(load(100, 0, 20.0, None)), 0);
        assert_eq!(count(load(100, 0, 80.0, None)), 1);
        assert_eq!(count(load(90, 0, 80.0, None)), 3, "a share, an example and a percentile");
        assert_eq!(count(load(90, 0, 80.0, Some("the generator was late"))), 0);
        assert_eq!(count(load(90, 5, 80.0, Some("the generator was late"))), 2);
    }
}
