//! The original guide's targets, and how far what was seen here reaches.

mod callers;

use super::{Area, Check, FaultResult, KneeResult, LoadResult, Outcome, Scope, TargetRow};
use callers::{errors, latencies};
use load::float;

/// The name of the check that half of the nodes may fail.
pub const FAILING_NODES: &str = "failure/fleet-nodes";

const NOT_PART: &str = "not part of this run";

const NOT_STARTED: &str = "only a deployment that the drill starts itself is broken (--local)";
/// The name of the check that nothing ended the part in which things are broken.
const GOES_ON: &str = "failure/goes-on";

/// What the rows are made of.
pub struct Seen<'s> {
    pub loads: &'s [LoadResult],
    /// How many loads there were to be.
    pub loads_wanted: usize,
    pub knees: &'s [KneeResult],
    pub faults: &'s [FaultResult],
    pub checks: &'s [Check],
    /// The parts that this run had.
    pub parts: &'s [Area],
    /// The drill started the target itself.
    pub local: bool,
    pub cores: usize,
    /// How many nodes the target has, as far as that is known.
    pub nodes: Option<u64>,
    pub held_connections: usize,
}

/// Every line, in the guide's order.
pub fn rows(seen: &Seen<'_>) -> Vec<TargetRow> {
    let mut rows = vec![throughput(seen), per_hour(seen)];
    rows.push(concurrent(seen));
    rows.extend(latencies(seen));
    rows.push(errors(seen));
    rows.push(availability(seen));
    rows.push(row(
        "Attack traffic",
        "100 Gbit/s mitigated",
        Scope::NotTested,
        None,
        "a flood of that size is a network provider's to bear; a flood of requests stands under Attack",
        "–",
    ));
    rows.push(failing_nodes(seen));
    rows.extend(of_checks(seen));
    rows.push(row(
        "Algorithms against quantum computers",
        "all hold",
        Scope::NotTested,
        None,
        "nobody can test this; which are used stands in the documentation of the ledger",
        "–",
    ));
    rows
}

fn row(metric: &str, target: &str, scope: Scope, met: Option<bool>, note: &str, achieved: &str) -> TargetRow {
    TargetRow {
        metric: metric.to_owned(),
        target: target.to_owned(),
        achieved: achieved.to_owned(),
        scope,
        met,
        note: note.to_owned(),
    }
}

fn not_part(metric: &str, target: &str) -> TargetRow {
    row(metric, target, Scope::NotTested, None, NOT_PART, "–")
}

/// What stands where no rate was found that holds: that none did is measured, that nobody knows is not.
fn no_rate(seen: &Seen<'_>, metric: &str, target: &str) -> TargetRow {
    if !seen.parts.contains(&Area::Volume) {
        return not_part(metric, target);
    }
    let tried = seen.knees.iter().flat_map(|knee| &knee.trials);
    let valid = tried.clone().filter(|trial| !trial.invalid).map(|trial| trial.offered_per_s);
    let why = match (valid.reduce(f64::min), tried.count()) {
        (Some(lowest), _) => {
            let note = format!("no rate that was tried held, down to {} a second", grouped(lowest));
            return row(metric, target, Scope::Measured, Some(false), &note, "none held");
        }
        (None, 0) => "no highest rate was looked for to the end",
        (None, _) => {
            "no rate that was tried says anything: the generator, or a limit on its address, was the limit"
        }
    };
    row(metric, target, Scope::NotTested, None, why, "–")
}

/// The largest rate that was found to hold, and of what: every row says of what.
pub(crate) fn highest(knees: &[KneeResult]) -> Option<(&KneeResult, f64)> {
    let found = knees.iter().filter_map(|knee| Some((knee, knee.found_per_s?)));
    found.max_by(|a, b| a.1.total_cmp(&b.1))
}

fn throughput(seen: &Seen<'_>) -> TargetRow {
    let (metric, target) = ("Throughput", "1,000,000 a second");
    let Some((knee, found)) = highest(seen.knees) else {
        return no_rate(seen, metric, target);
    };
    let least = if knee.at_least { "at least " } else { "" };
    let achieved = format!("{least}{} a second", grouped(found));
    let note = format!("{}, {}", knee.title, machines(seen, found));
    row(metric, target, Scope::Measured, Some(found >= 1e6), &note, &achieved)
}

/// On what a rate was measured, and what that says of the guide's: of machines that nobody named nothing is said.
fn machines(seen: &Seen<'_>, found: f64) -> String {
    let needed = |found: f64| (1e6 / found).ceil().max(1.0);
    let rate = grouped(found);
    match seen.nodes {
        _ if seen.local => format!(
            "on {} cores that the generator shares; 1,000,000 / {rate} = {:.0} such machines, if load divides evenly",
            seen.cores,
            needed(found)
        ),
        Some(nodes) => format!(
            "by a target of {nodes} nodes; 1,000,000 / ({rate} / {nodes}) = {:.0} such nodes, if load divides evenly",
            needed(found / float(nodes.max(1)))
        ),
        None => "by a target of which nobody said how many nodes it has (--target-nodes), nor what they are"
            .to_owned(),
    }
}

fn per_hour(seen: &Seen<'_>) -> TargetRow {
    let (metric, target) = ("Requests in an hour", "1,000,000,000");
    let Some((knee, found)) = highest(seen.knees) else {
        return no_rate(seen, metric, target);
    };
    let hour = found * 3600.0;
    let note =
        format!("{} of {} a second × 3,600 s, if the rate holds that long", grouped(found), knee.title);
    row(metric, target, Scope::Extrapolated, Some(hour >= 1e9), &note, &grouped(hour))
}

fn concurrent(seen: &Seen<'_>) -> TargetRow {
    let (metric, target) = ("People at once", "10,000,000");
    let Some((knee, found)) = highest(seen.knees) else {
        return no_rate(seen, metric, target);
    };
    // Whoever reads a page asks for something about twice a minute.
    let people = found * 30.0;
    let note = format!(
        "{} of {} a second × 30 s between two questions of a person; {} connections were held open beside",
        grouped(found),
        knee.title,
        grouped(float(seen.held_connections as u64))
    );
    row(metric, target, Scope::Extrapolated, Some(people >= 1e7), &note, &grouped(people))
}

fn availability(seen: &Seen<'_>) -> TargetRow {
    let (metric, target) = ("Availability", "99.99 %");
    let lost: Vec<_> = never_well(seen.faults).map(|fault| fault.title.as_str()).collect();
    if !lost.is_empty() {
        let achieved = format!("not well again after {} of {} faults", lost.len(), seen.faults.len());
        return row(metric, target, Scope::Measured, Some(false), &lost.join("; "), &achieved);
    }
    let Some(worst) = seen.faults.iter().filter_map(|fault| fault.recovered_ms).reduce(f64::max) else {
        let why = match seen.parts.contains(&Area::Failure) {
            false => NOT_PART,
            true if !seen.local => NOT_STARTED,
            true => "nothing was broken to its end in this run",
        };
        return row(metric, target, Scope::NotTested, None, why, "–");
    };
    // 99.99 % of a month of 30 days leaves 259.2 s.
    let crashes = 259_200.0 / worst.max(1.0);
    let achieved = format!("{crashes:.0} such faults a month");
    let broke_off = seen.checks.iter().any(|check| check.name == GOES_ON);
    let rest = if broke_off { "; the part broke off, and what was to come was not tried" } else { "" };
    let note = format!(
        "30 days × 0.01 % = 259 s; the slowest of {} faults took {:.1} s to recover from, besides its own length{rest}",
        seen.faults.len(),
        worst / 1000.0
    );
    row(metric, target, Scope::Extrapolated, None, &note, &achieved)
}

/// The faults that the target did not come back from while anybody waited for it.
pub(crate) fn never_well(faults: &[FaultResult]) -> impl Iterator<Item = &FaultResult> {
    faults.iter().filter(|fault| fault.recovered_ms.is_none())
}

fn failing_nodes(seen: &Seen<'_>) -> TargetRow {
    let (metric, target) = ("Failing nodes", "half of all nodes");
    let check = seen.checks.iter().find(|check| check.name == FAILING_NODES);
    match check {
        Some(check) if matches!(check.outcome, Outcome::Passed | Outcome::Failed) => {
            let held = check.outcome == Outcome::Passed;
            let achieved = if held { "half of them" } else { "fewer" };
            row(metric, target, Scope::Measured, Some(held), &check.detail, achieved)
        }
        _ => {
            let why = match check {
                _ if !seen.parts.contains(&Area::Failure) => NOT_PART,
                _ if !seen.local => NOT_STARTED,
                Some(check) => &check.detail,
                None => "one node was started here: killing and pausing it stands under Failure",
            };
            row(metric, target, Scope::NotTested, None, why, "–")
        }
    }
}

fn of_checks(seen: &Seen<'_>) -> Vec<TargetRow> {
    [
        ("Acknowledged changes that are lost", "none", "invariants/acknowledged"),
        ("Subject access", "complete", "compliance/access"),
        ("Right to be forgotten", "nothing is left", "compliance/erasure"),
        ("Audit trail", "verified", "compliance/audit"),
        ("Injections", "none gets anything", "attack/injections"),
    ]
    .into_iter()
    .map(|(metric, target, name)| {
        let check = seen.checks.iter().find(|check| check.name == name);
        match check {
            Some(check) if check.outcome == Outcome::Passed => {
                row(metric, target, Scope::Measured, Some(true), &check.detail, "held")
            }
            Some(check) if check.outcome == Outcome::Failed => {
                row(metric, target, Scope::Measured, Some(false), &check.detail, "did not hold")
            }
            Some(check) => row(metric, target, Scope::NotTested, None, &check.detail, "–"),
            None => row(metric, target, Scope::NotTested, None, NOT_PART, "–"),
        }
    })
    .collect()
}

/// A number with its thousands apart.
pub fn grouped(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0.0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use load::Trial;

    use super::*;

    pub(super) fn seen<'s>(loads: &'s [LoadResult], faults: &'s [FaultResult]) -> Seen<'s> {
        Seen {
            loads,
            loads_wanted: loads.len(),
            knees: &[],
            faults,
            checks: &[],
            parts: &Area::ALL,
            local: true,
            cores: 2,
            nodes: Some(1),
            held_connections: 0,
        }
    }

    #[test]
    fn rates_of_which_none_held_are_measured_and_those_that_say_nothing_are_not() {
        let knee = |invalid| KneeResult {
            trials: vec![Trial {
                offered_per_s: 60.0,
                good_per_s: 1.0,
                p50_ms: 1.0,
                p99_ms: 1.0,
                held: false,
                invalid,
                limited: false,
            }],
            ..KneeResult::default()
        };
        let rows = |knees: &[KneeResult], parts: &[Area]| {
            let seen = Seen { knees, parts, ..seen(&[], &[]) };
            [throughput(&seen), per_hour(&seen), concurrent(&seen)].map(|row| (row.scope, row.met, row.note))
        };
        for (scope, met, note) in rows(&[knee(false)], &Area::ALL) {
            assert!(scope == Scope::Measured && met == Some(false) && note.contains("60 a second"), "{note}");
        }
        for (scope, met, note) in rows(&[knee(true)], &Area::ALL) {
            assert!(scope == Scope::NotTested && met.is_none() && note.contains("generator"), "{note}");
        }
        for (scope, _, note) in rows(&[], &[Area::Attack]) {
            assert!(scope == Scope::NotTested && note == NOT_PART, "{note}");
        }
    }

    #[test]
    fn of_machines_that_nobody_named_nothing_is_said() {
        let knees = [KneeResult { found_per_s: Some(10_000.0), ..KneeResult::default() }];
        let note = |local, nodes| throughput(&Seen { knees: &knees, local, nodes, ..seen(&[], &[]) }).note;
        assert!(note(true, Some(1)).contains("on 2 cores that the generator shares"));
        assert!(note(false, Some(4)).contains("1,000,000 / (10,000 / 4) = 400 such nodes"));
        let unknown = note(false, None);
        assert!(unknown.contains("--target-nodes") && !unknown.contains("cores"), "{unknown}");
    }

    #[test]
    fn of_nodes_that_nobody_started_nothing_is_said_but_that() {
        let note = |parts, local| failing_nodes(&Seen { parts, local, ..seen(&[], &[]) }).note;
        assert!(note(&Area::ALL, true).contains("one node was started"));
        assert!(note(&Area::ALL, false).contains("--local"));
        assert_eq!(note(&[Area::Attack], true), NOT_PART);
    }

    #[test]
    fn a_fault_that_was_never_recovered_from_is_the_worst_of_all() {
        let fault = |recovered_ms: Option<f64>| FaultResult {
            name: "killed".to_owned(),
            title: "A node that is killed".to_owned(),
            outcome: if recovered_ms.is_some() { Outcome::Passed } else { Outcome::Failed },
            from_s: 0.0,
            to_s: 1.0,
            bit: String::new(),
            recovered_ms,
        };
        let row = availability(&seen(&[], &[fault(Some(100.0)), fault(None)]));
        assert_eq!((row.achieved.as_str(), row.met), ("not well again after 1 of 2 faults", Some(false)));
        let row = availability(&seen(&[], &[fault(Some(100.0)), fault(Some(300.0))]));
        assert_eq!((row.achieved.as_str(), row.scope), ("864 such faults a month", Scope::Extrapolated));
        let checks = [Check::new(Area::Failure, GOES_ON, "", Outcome::Failed, "", Vec::new())];
        let faults = [fault(Some(100.0))];
        let row = availability(&Seen { checks: &checks, ..seen(&[], &faults) });
        assert!(row.note.contains("1 faults") && row.note.contains("broke off"), "{}", row.note);
        assert_eq!(availability(&seen(&[], &[])).scope, Scope::NotTested);
        assert_eq!(availability(&Seen { parts: &[Area::Attack], ..seen(&[], &[]) }).note, NOT_PART);
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, text) in [(0.0, "0"), (999.4, "999"), (1000.0, "1,000"), (1_234_567.0, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
