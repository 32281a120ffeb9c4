//! What was offered, and how much of it ended well: where the two part lies the knee.

use super::frame::{Frame, Scale, told_rate};
use crate::KneeResult;

/// One search for the knee.
pub(crate) fn offered(knee: &KneeResult) -> String {
    let mut trials = knee.trials.clone();
    trials.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    let most = trials.iter().map(|trial| trial.offered_per_s).fold(1.0, f64::max) * 1.05;
    let scale = Scale::straight(0.0, most);
    let mut frame = Frame::new(
        &format!("{}: offered load against goodput", knee.title),
        (scale, "offered a second", told_rate),
        (scale, "ended well a second", told_rate),
    );
    frame.line("line ideal", [(0.0, Some(0.0)), (most, Some(most))]);
    frame.line("line", trials.iter().map(|trial| (trial.offered_per_s, Some(trial.good_per_s))));
    for trial in &trials {
        let (x, y) = (frame.across(trial.offered_per_s), frame.down(trial.good_per_s));
        let class = if trial.held { "dot" } else { "dot open" };
        let held = match (trial.held, trial.invalid) {
            (true, _) => "held",
            (false, true) => "the generator was the limit",
            (false, false) => "did not hold",
        };
        frame.put(format_args!(
            "<circle class='{class}' cx='{x:.1}' cy='{y:.1}' r='4'><title>{:.0} offered, {:.0} well, p99 {:.1} ms: {held}\
             </title></circle>",
            trial.offered_per_s, trial.good_per_s, trial.p99_ms
        ));
    }
    if let Some(found) = knee.found_per_s {
        let (x, y) = (frame.across(found), frame.down(0.0));
        frame.put(format_args!("<line class='mark' x1='{x:.1}' x2='{x:.1}' y1='{y:.1}' y2='16'/>"));
        let least = if knee.at_least { "at least " } else { "" };
        frame.label("note strong", (x + 5.0, y - 6.0), &format!("{least}{}", told_rate(found)));
    }
    frame.done()
}
