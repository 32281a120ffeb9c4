//! What tells something only where nothing else is going on: these tests run one after the other, before all others.

use std::sync::{Mutex, PoisonError};

use rig::{drill, long_run};

/// Whoever holds it is alone.
static MACHINE: Mutex<()> = Mutex::new(());

/// One run in the usual tests, twenty in the long ones. A drill finds a target slow that shares its processors with other
/// tests, and is right.
#[test]
fn a_deployment_that_is_in_order_raises_no_alarm() {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let runs = if long_run() { 20 } else { 1 };
    for run in 0..runs {
        let drilled =
            drill(&["--local", "--seed", &run.to_string(), "--cost-load", "1000000"]).expect("it runs");
        assert_eq!(drilled.why(), Vec::<String>::new(), "run {run}: {}", drilled.outcome.stderr);
        assert!(drilled.outcome.status.success(), "{}", drilled.outcome.stderr);
        for area in ["volume", "invariants", "failure", "attack", "compliance"] {
            let held = drilled.checks().iter();
            let held = held.filter(|check| check["area"] == area && check["outcome"] == "passed");
            assert!(held.count() > 2, "{area} was hardly tried");
        }
        let folder = drilled.folder().display().to_string();
        let checked = rig::run_alone(&["drill", "--check-report", &folder]).expect("it runs");
        assert!(checked.status.success(), "{}", checked.stderr);
        let page = std::fs::metadata(drilled.folder().join("report.html")).expect("a page was written");
        assert!(page.len() < 2 << 20, "the page has {} bytes", page.len());
    }
}

/// What a fleet stands on is installed, and so is what turns clocks: nothing of this may be left out here.
#[test]
fn a_fleet_bears_the_loss_of_half_its_nodes_and_a_clock_that_jumps() {
    // It takes minutes: it is in the long run only.
    if !long_run() {
        return;
    }
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    drop((peers::Postgres::start().expect("it starts"), peers::Redis::start().expect("it starts")));
    peers::FAKETIME.ensure().expect("it is installed");
    let drilled = drill(&["--local", "--only", "failure", "--nodes", "2"]).expect("it runs");
    assert_eq!(drilled.why(), Vec::<String>::new(), "{}", drilled.outcome.stderr);
    for name in ["fleet-nodes", "postgresql", "redis", "fleet-kept", "clock", "memory"] {
        let name = format!("failure/{name}");
        assert_eq!(drilled.outcome_of(&name), Some("passed"), "{name}: {:?}", drilled.checks());
    }
}
