//! Failure: what is done to a deployment while people use it, and how long it takes to come back.
//!
//! Only what the drill started itself is broken. Each fault is seen by a probe, or says that it was not exercised.

pub(crate) mod clocks;
mod disk;
pub(crate) mod fleet;
mod memory;
mod network;
mod node;
mod pressure;

use std::{sync::Arc, time::Duration};

use load::{Live, Phase, Ran, Shape, Spacing, target::Target};

use load::proxy::Proxy;
use report::{Area, Band, FaultResult, Outcome};

use crate::{
    ending,
    ground::{Ground, in_background, stopwatch},
    pause,
    probe::{self, Asked, Probe},
};
use anyhow::Context;

/// How long it is well before the first fault, and between two.
const BETWEEN: Duration = Duration::from_millis(800);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Longer than any run of faults.
const LONG_S: f64 = 24.0 * 3600.0;

/// How a fault is known to have bitten.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bite {
    /// Questions asked meanwhile failed, or were only answered when it was over.
    Stops,
    /// Answers took at least this much longer than before.
    SlowerBy(Duration),
    /// The node's threads waited for a core, for at least a twentieth of the time.
    WaitsForCores,
}

/// A fault that can be brought about and taken back.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) bite: Bite,
    pub(crate) begin: fn(&mut Ground, &Proxy) -> anyhow::Result<()>,
    pub(crate) end: fn(&mut Ground, &Proxy) -> anyhow::Result<()>,
}

/// Everything that is tried on one node.
const FAULTS: [Fault; 7] = [
    node::KILLED,
    node::PAUSED,
    node::RESTARTED,
    network::CUT,
    network::SLOW,
    network::LOSSY,
    pressure::BUSY_MACHINE,
];

/// What came of all of it, as far as it came.
#[derive(Default)]
pub(crate) struct Broken {
    pub(crate) ran: Option<Ran>,
    pub(crate) faults: Vec<FaultResult>,
    pub(crate) bands: Vec<Band>,
}

/// Breaks one thing after the other. What was found stays, even if something later cannot be brought about.
pub(crate) fn run(ground: &mut Ground, broken: &mut Broken) -> anyhow::Result<()> {
    node(ground, broken)?;
    disk::full(ground)?;
    fleet::run(ground, &mut broken.faults)?;
    clocks::turned(ground)?;
    memory::short(ground)
}

/// Breaks one node while people come all the time.
fn node(ground: &mut Ground, broken: &mut Broken) -> anyhow::Result<()> {
    let public = ground.target.address;
    let proxy = Proxy::before(public)?;
    let behind = Target { address: proxy.address, ..ground.target.clone() };
    let mut journeys = vec![(ground.journey("sign-in-device")?, 3), (ground.journey("register")?, 1)];
    journeys.push((ground.journey("validate-session")?, 4));
    if ground.election.is_some() {
        journeys.push((ground.journey("vote")?, 3));
    }
    let phases = vec![Phase::constant(ground.profile.fault_per_s, LONG_S)];
    let mut load =
        ground.load("while things are broken", journeys, Shape::Open { phases, spacing: Spacing::Poisson });
    load.target = behind.clone();
    let live = Arc::new(Live::default());
    let stopwatch = stopwatch();
    let running = in_background(load, &live)?;
    let client = ground.client.at(&behind);
    let people = Arc::clone(&ground.people);
    let probe = Probe::begin(&client, &people, &stopwatch, probe::OFTEN)?;
    pause::sleep(BETWEEN);
    // What is usual is what was before anything was broken.
    let before = usual(&probe.since(Duration::ZERO)).unwrap_or_default();
    let mut ended = Ok(());
    for fault in FAULTS {
        ground.screen.doing(fault.title);
        let result = match one(ground, &fault, &proxy, &probe, &stopwatch, before) {
            Ok(result) => result,
            Err(error) => {
                ended = Err(error);
                break;
            }
        };
        broken.bands.push(Band { name: fault.name.to_owned(), from_s: result.from_s, to_s: result.to_s });
        told(ground, &result);
        broken.faults.push(result);
        pause::sleep(BETWEEN);
    }
    live.stop();
    drop(probe);
    let ran = running.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
    if !ran.record.wrong.is_empty() && ran.record.counts.wrong > 0 {
        let detail = "an answer while things are broken is right or says that it cannot be given";
        ground.judged(Area::Failure, "failure/answers", detail, "", ran.record.wrong.clone());
    }
    broken.ran = Some(ran);
    ended
}

fn one(
    ground: &mut Ground,
    fault: &Fault,
    proxy: &Proxy,
    probe: &Probe,
    stopwatch: &clock::Stopwatch,
    before: Duration,
) -> anyhow::Result<FaultResult> {
    let from = stopwatch.elapsed();
    let waited_before = waited_for_cores(ground);
    (fault.begin)(ground, proxy).with_context(|| format!("cannot bring about: {}", fault.title))?;
    pause::sleep(Duration::from_millis(ground.profile.fault_ms));
    let to = stopwatch.elapsed();
    let waited =
        waited_for_cores(ground).zip(waited_before).map(|(after, before)| after.saturating_sub(before));
    (fault.end)(ground, proxy).with_context(|| format!("cannot take back: {}", fault.title))?;
    ending::go_on()?;
    let patience = Duration::from_millis(ground.profile.recovery_ms_max);
    let mut well = None;
    while well.is_none() && ending::ended_by().is_none() && stopwatch.elapsed() < to + patience {
        pause::sleep(LOOK_EVERY);
        well = probe.well_since(to);
    }
    ending::go_on()?;
    let during: Vec<_> =
        probe.since(from).into_iter().filter(|asked| asked.at < to.saturating_sub(LOOK_EVERY)).collect();
    let (bit, seen) = bitten(fault.bite, &during, before, (from, to), waited);
    let recovered = well.map(|at| at.saturating_sub(to));
    Ok(FaultResult {
        name: fault.name.to_owned(),
        title: fault.title.to_owned(),
        outcome: outcome(bit, recovered),
        from_s: from.as_secs_f64(),
        to_s: to.as_secs_f64(),
        bit: seen,
        recovered_ms: recovered.map(|time| time.as_secs_f64() * 1000.0),
    })
}

/// Whoever is not well again has failed, even if nothing else was seen of the fault.
const fn outcome(bit: bool, recovered: Option<Duration>) -> Outcome {
    match (bit, recovered) {
        (_, None) => Outcome::Failed,
        (false, Some(_)) => Outcome::NotExercised,
        (true, Some(_)) => Outcome::Passed,
    }
}

fn waited_for_cores(ground: &Ground) -> Option<Duration> {
    pressure::waited_for_cores(ground.local.as_ref()?.pid()?)
}

/// The median of good answers; nothing if there was none.
fn usual(asked: &[Asked]) -> Option<Duration> {
    let mut took: Vec<_> = asked.iter().filter(|asked| asked.good).map(|asked| asked.took).collect();
    took.sort();
    took.get(took.len() / 2).copied()
}

/// Did the probe see it, and what?
fn bitten(
    bite: Bite,
    during: &[Asked],
    before: Duration,
    (from, to): (Duration, Duration),
    waited: Option<Duration>,
) -> (bool, String) {
    let all = during.len();
    match bite {
        Bite::Stops => {
            // What is asked while nothing passes is answered afterwards, or never.
            let served = during.iter().filter(|asked| asked.good && asked.at + asked.took < to).count();
            let stopped = all - served;
            (stopped * 2 > all, format!("{stopped} of {all} questions had no good answer meanwhile"))
        }
        Bite::SlowerBy(least) => {
            let before_ms = before.as_millis();
            // What has no good answer at all may still be on its way, or never come: that is slower still.
            usual(during).map_or_else(
                || (true, format!("none of {all} questions had a good answer, before after {before_ms} ms")),
                |now| {
                    let text = format!("answers took {} ms, before {before_ms} ms", now.as_millis());
                    (now >= before + least, text)
                },
            )
        }
        Bite::WaitsForCores => {
            let waited = waited.unwrap_or_default();
            let text = format!(
                "the node's threads waited {} ms for a core, in {} ms",
                waited.as_millis(),
                to.saturating_sub(from).as_millis()
            );
            (waited * 20 > to.saturating_sub(from), text)
        }
    }
}

fn told(ground: &mut Ground, result: &FaultResult) {
    let recovery_max = ground.profile.recovery_ms_max;
    let (detail, against) = match (result.outcome, result.recovered_ms) {
        (Outcome::NotExercised, _) => (format!("the probe saw nothing of it: {}", result.bit), Vec::new()),
        (_, Some(ms)) => (format!("{}; well again {ms:.0} ms after it was over", result.bit), Vec::new()),
        (_, None) => (result.bit.clone(), vec![format!("not well again within {recovery_max} ms")]),
    };
    let name = format!("failure/{}", result.name);
    ground.found(Area::Failure, &name, &result.title, result.outcome, detail, against);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Duration = Duration::from_millis(10);

    fn slower(during: &[Asked]) -> bool {
        let ends = (Duration::ZERO, Duration::from_secs(1));
        bitten(Bite::SlowerBy(Duration::from_millis(100)), during, BEFORE, ends, None).0
    }

    fn asked(took_ms: u64, good: bool) -> Asked {
        Asked { at: Duration::ZERO, took: Duration::from_millis(took_ms), good }
    }

    #[test]
    fn a_target_that_gives_no_good_answer_any_more_is_slower_than_any() {
        assert!(slower(&[asked(1, false), asked(2, false)]), "whoever refuses at once has died of it");
        assert!(slower(&[]), "nobody was answered yet");
        assert!(slower(&[asked(120, true), asked(130, true), asked(1, false)]));
        assert!(!slower(&[asked(12, true), asked(13, true), asked(500, false)]));
    }

    #[test]
    fn a_target_that_is_not_well_again_has_failed_whether_its_fault_was_seen_or_not() {
        for (bit, recovered, expected) in [
            (true, None, Outcome::Failed),
            (false, None, Outcome::Failed),
            (true, Some(BEFORE), Outcome::Passed),
            (false, Some(BEFORE), Outcome::NotExercised),
        ] {
            assert_eq!(outcome(bit, recovered), expected, "{bit} {recovered:?}");
        }
    }
}
