//! What the loads say of how long callers waited and how many were served ill. A target is only met if every load says so, and says it
//! of so many callers that chance says nothing else.

use load::float;

use super::{Seen, grouped, not_part, row};
use crate::{Area, LoadResult, Scope, TargetRow};

/// Below this share of callers who were timed, percentiles speak of the lucky ones.
const TIMED_SHARE_MIN: f64 = 0.99;

/// What one load says of a target.
struct Said<'s> {
    load: &'s LoadResult,
    figure: f64,
    /// Nothing where it says too little.
    met: Option<bool>,
}

/// Of each percentile the worst of all loads: what is quick beside it makes nobody wait less.
pub(super) fn latencies(seen: &Seen<'_>) -> Vec<TargetRow> {
    vec![
        latency(seen, "Latency (p50)", 10.0, 0.5, |load| load.p50_ms),
        latency(seen, "Latency (p99)", 100.0, 0.01, |load| load.p99_ms),
    ]
}

/// `beyond` is the share of callers that may wait for longer.
fn latency(
    seen: &Seen<'_>,
    metric: &str,
    target_ms: f64,
    beyond: f64,
    of: fn(&LoadResult) -> f64,
) -> TargetRow {
    let target = format!("{target_ms:.0} ms");
    // Whoever was never served was not served quickly.
    if let Some(dead) = valid(seen).find(|load| load.counts.good == 0) {
        let note = format!("nobody was served: {}, {}{}", dead.title, dead.shape, silence(seen));
        return row(metric, &target, Scope::Measured, Some(false), &note, "never");
    }
    let said: Vec<_> = valid(seen)
        .map(|load| {
            let (timed, figure) = (load.counts.good + load.counts.unknown, of(load));
            let slow = figure > target_ms;
            let met = match float(timed) {
                // With fewer than this the percentile is whoever waited longest, unless half of all waited for too long.
                few if few * beyond < 1.0 => (load.p50_ms > target_ms).then_some(false),
                _ if slow => Some(false),
                some if some < enough(beyond) => None,
                some if some < float(load.counts.offered) * TIMED_SHARE_MIN => None,
                _ => Some(true),
            };
            Said { load, figure, met }
        })
        .collect();
    told(seen, (metric, &target), &said, enough(beyond), |said| {
        (
            format!("{:.2} ms", said.figure),
            format!("the slowest of {} loads: {}, {}", valid(seen).count(), said.load.title, said.load.shape),
        )
    })
}

/// Of the load that went worst: one that nobody was served in does not hide behind others.
pub(super) fn errors(seen: &Seen<'_>) -> TargetRow {
    const SHARE_MAX: f64 = 0.001;
    let bad = |load: &LoadResult| load.counts.offered.saturating_sub(load.counts.good);
    let said: Vec<_> = valid(seen)
        .filter(|load| load.counts.offered > 0)
        .map(|load| {
            let (bad, all) = (float(bad(load)), float(load.counts.offered));
            // As many as there may be where so many were seen, in 19 of 20 cases: three where there was none.
            let at_most = bad + 3.0 + 2.0 * bad.sqrt();
            let met = match bad / all {
                share if share >= SHARE_MAX => Some(false),
                _ if at_most / all > SHARE_MAX => None,
                _ => Some(true),
            };
            Said { load, figure: bad / all * 100.0, met }
        })
        .collect();
    told(seen, ("Error rate", "below 0.1 %"), &said, enough(SHARE_MAX), |said| {
        let load = said.load;
        let note = format!(
            "the worst of {} loads: {}, {}: {} of {}; refusals count",
            valid(seen).count(),
            load.title,
            load.shape,
            grouped(float(bad(load))),
            grouped(float(load.counts.offered)),
        );
        (format!("{:.3} %", said.figure), note)
    })
}

/// Of how many callers nothing of that share must be seen before it is known to be rarer: the rule of three.
fn enough(share: f64) -> f64 {
    (3.0 / share).ceil()
}

/// The row of a target that every load must meet.
fn told(
    seen: &Seen<'_>,
    (metric, target): (&str, &str),
    said: &[Said<'_>],
    enough: f64,
    words: impl Fn(&Said<'_>) -> (String, String),
) -> TargetRow {
    let worst = |met: Option<Option<bool>>| {
        let of = said.iter().filter(|said| met.is_none_or(|met| said.met == met));
        of.max_by(|a, b| a.figure.total_cmp(&b.figure))
    };
    let silence = silence(seen);
    let unmet = worst(Some(Some(false)));
    let Some(shown) = unmet.or_else(|| worst(None)) else {
        let why = match (seen.parts.contains(&Area::Volume), seen.loads.is_empty()) {
            (false, _) => return not_part(metric, target),
            (true, true) => "the part began, and no load came to its end",
            (true, false) => "no load was valid",
        };
        return row(metric, target, Scope::NotTested, None, &format!("{why}{silence}"), "–");
    };
    let (achieved, mut note) = words(shown);
    let few: Vec<_> = said.iter().filter(|said| said.met.is_none()).collect();
    if let Some(fewest) = few.iter().map(|said| said.load.counts.offered).min() {
        note.push_str(&format!(
            "; {} of {} loads had too few callers who were timed to tell, down to {}: {} are needed",
            few.len(),
            said.len(),
            grouped(float(fewest)),
            grouped(enough)
        ));
    }
    let met = match (unmet, few.is_empty() && silence.is_empty()) {
        (Some(_), _) => Some(false),
        (None, true) => Some(true),
        (None, false) => None,
    };
    row(metric, target, Scope::Measured, met, &format!("{note}{silence}"), &achieved)
}

fn valid<'s>(seen: &Seen<'s>) -> impl Iterator<Item = &'s LoadResult> {
    seen.loads.iter().filter(|load| load.invalid.is_none())
}

/// How many loads say nothing, and why, as the end of a sentence.
fn silence(seen: &Seen<'_>) -> String {
    let all = seen.loads.len().max(seen.loads_wanted);
    let mut text = String::new();
    let invalid: Vec<_> = seen.loads.iter().filter(|load| load.invalid.is_some()).collect();
    if !invalid.is_empty() {
        text.push_str(&format!(
            "; {} of {all} loads say nothing, because the generator, or a limit on its address, was the limit",
            invalid.len()
        ));
    }
    let limited: u64 = invalid.iter().map(|load| load.counts.limited).sum();
    if limited > 0 {
        let offered: u64 = invalid.iter().map(|load| load.counts.offered).sum();
        text.push_str(&format!(
            " ({} of their {} callers were refused with 429)",
            grouped(float(limited)),
            grouped(float(offered))
        ));
    }
    let missing = all - seen.loads.len();
    if missing > 0 {
        text.push_str(&format!("; {missing} of {all} loads were not run, or not to their end"));
    }
    text
}

#[cfg(test)]
mod tests {
    use load::Counts;

    use super::{super::tests::seen, *};

    fn served(offered: u64, good: u64) -> Counts {
        Counts { offered, good, refused: offered - good, ..Counts::default() }
    }

    fn load(title: &str, counts: Counts, (p50_ms, p99_ms): (f64, f64)) -> LoadResult {
        LoadResult { title: title.to_owned(), counts, p50_ms, p99_ms, ..LoadResult::default() }
    }

    const QUICK: (f64, f64) = (1.0, 2.0);

    fn invalid(load: LoadResult) -> LoadResult {
        LoadResult { invalid: Some("its address was limited".to_owned()), ..load }
    }

    #[test]
    fn a_load_that_nobody_was_served_in_is_neither_quick_nor_hidden_behind_others() {
        let loads = [load("Ask", served(100_000, 100_000), QUICK), load("Vote", served(20, 0), QUICK)];
        let seen = seen(&loads, &[]);
        for row in latencies(&seen) {
            assert!(row.met == Some(false) && row.note.contains("Vote"), "{row:?}");
        }
        let row = errors(&seen);
        assert_eq!((row.achieved.as_str(), row.met), ("100.000 %", Some(false)));
        assert!(row.note.contains("Vote") && row.note.contains("20 of 20"), "{}", row.note);
    }

    #[test]
    fn latencies_are_those_of_the_slowest_load_whichever_came_first() {
        let many = served(1000, 1000);
        let loads = [
            load("Ask", many, QUICK),
            load("Sign in", many, (70.0, 80.0)),
            load("Vote", many, (3.0, 300.0)),
            invalid(load("Register", many, (900.0, 900.0))),
        ];
        let rows = latencies(&seen(&loads, &[]));
        let told: Vec<_> = rows.iter().map(|row| (row.achieved.as_str(), row.met)).collect();
        assert_eq!(told, [("70.00 ms", Some(false)), ("300.00 ms", Some(false))]);
        assert!(
            rows[0].note.contains("3 loads: Sign in") && rows[1].note.contains("Vote"),
            "{}",
            rows[1].note
        );
        assert!(rows[0].note.contains("1 of 4 loads say nothing"), "{}", rows[0].note);
        assert!(latencies(&seen(&[], &[])).iter().all(|row| row.scope == Scope::NotTested));
    }

    #[test]
    fn no_target_is_met_while_loads_that_should_speak_of_it_say_nothing_or_never_came() {
        let fine = || load("Ask", served(100_000, 100_000), QUICK);
        let limited = Counts { limited: 40, ..served(1000, 960) };
        let loads = [fine(), invalid(load("Sign in", limited, QUICK))];
        let limited = seen(&loads, &[]);
        let fines = [fine()];
        let cut_short = Seen { loads_wanted: 8, ..seen(&fines, &[]) };
        for (seen, why) in [(&limited, "40 of their 1,000"), (&cut_short, "7 of 8 loads were not run")] {
            for row in latencies(seen).into_iter().chain([errors(seen)]) {
                assert!(row.met.is_none() && row.note.contains(why), "{row:?}");
            }
        }
        assert_eq!(errors(&seen(&fines, &[])).met, Some(true));
        // What was measured before stays, if it speaks against the target.
        let loads = [load("Ask", served(1000, 900), QUICK)];
        assert_eq!(errors(&Seen { loads_wanted: 8, ..seen(&loads, &[]) }).met, Some(false));
        let none = Seen { loads_wanted: 8, ..seen(&[], &[]) };
        assert!(errors(&none).note.contains("no load came to its end"), "{}", errors(&none).note);
    }

    #[test]
    fn of_too_few_callers_nothing_is_told() {
        for (callers, p50, p99, error) in [
            (5, None, None, None),
            (12, Some(true), None, None),
            (299, Some(true), None, None),
            (300, Some(true), Some(true), None),
            (2_999, Some(true), Some(true), None),
            (3_000, Some(true), Some(true), Some(true)),
        ] {
            let loads = [load("Ask", served(callers, callers), QUICK)];
            let seen = seen(&loads, &[]);
            let met: Vec<_> = latencies(&seen).iter().map(|row| row.met).chain([errors(&seen).met]).collect();
            assert_eq!(met, [p50, p99, error], "{callers}");
            assert!(error.is_some() || errors(&seen).note.contains("3,000 are needed"));
        }
        // The longest of twelve is no percentile, unless half of them waited that long.
        let p99 = |of| latencies(&seen(&[load("Ask", served(12, 12), of)], &[]))[1].met;
        assert_eq!((p99((1.0, 200.0)), p99((150.0, 200.0))), (None, Some(false)));
        // Of those who were refused nobody knows how long they would have waited.
        assert_eq!(latencies(&seen(&[load("Ask", served(1000, 900), QUICK)], &[]))[1].met, None);
    }
}
