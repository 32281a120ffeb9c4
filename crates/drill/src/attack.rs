//! Attack: what strangers try. Honest people go on, and strangers get nothing.

mod flood;
mod guessing;
mod injections;
mod malformed;
mod privileges;
mod raw;
mod replay;
mod slow;

use load::{Ran, float};
use report::Area;

use crate::ground::{Ground, attempt};

type Attack = fn(&mut Ground) -> anyhow::Result<()>;

const ATTACKS: &[(&str, Attack)] = &[
    ("injections", injections::run),
    ("malformed", malformed::run),
    ("privileges", privileges::run),
    ("replay", replay::run),
    ("passwords", guessing::passwords),
    ("tokens", guessing::tokens),
    ("slow", slow::run),
    ("flood", flood::run),
];

/// Tries everything.
pub(crate) fn run(ground: &mut Ground) {
    for (name, attack) in ATTACKS {
        attempt(ground, Area::Attack, name, *attack);
    }
}

/// The lines of a list that say something.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

/// What is answered when it is no more put off, or at the last try.
async fn answered(ask: impl AsyncFn() -> anyhow::Result<u16>) -> anyhow::Result<u16> {
    for _ in 1..raw::TRIES {
        let status = ask().await?;
        if !is_put_off(status) {
            return Ok(status);
        }
        tokio::time::sleep(raw::AGAIN_AFTER).await;
    }
    ask().await
}

/// What speaks against a target that should have served honest people meanwhile. A late generator says nothing of it; of a limit on the
/// drill's address, which attackers of a target elsewhere share with the honest, those say nothing who met it.
fn unserved(ran: &Ran, local: bool, share_min: f64) -> Vec<String> {
    let counts = &ran.record.counts;
    let asked = counts.offered - if local { 0 } else { counts.limited };
    let share = float(counts.good) / float(asked.max(1));
    let unserved = ran.invalid().is_none() && asked > 0 && share < share_min;
    unserved.then(|| format!("only {:.1} % were served", share * 100.0)).into_iter().collect()
}

/// Did the target say nothing but that it has no time? What was not looked at was not tried.
const fn is_put_off(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Whoever may not, or sends what is none, gets 4xx: not that there is no time for them.
const fn is_refused(status: u16) -> bool {
    !is_put_off(status) && status >= 400 && status < 500
}

#[cfg(test)]
mod tests {
    use load::{Counts, Record};

    use super::*;

    #[test]
    fn who_met_a_limit_on_the_drills_address_speaks_against_no_target_elsewhere() {
        let counts = Counts { offered: 100, good: 20, refused: 80, limited: 80, ..Counts::default() };
        let record = Record { counts, ..Record::default() };
        let mut ran = Ran { record, busy: 0.1, took: std::time::Duration::from_secs(1) };
        assert!(unserved(&ran, false, 0.95).is_empty() && unserved(&ran, true, 0.95).len() == 1);
        ran.record.counts.limited = 40;
        assert_eq!(unserved(&ran, false, 0.95).len(), 1);
        ran.record.taken_up(std::time::Duration::ZERO, std::time::Duration::from_secs(1));
        assert!(unserved(&ran, false, 0.95).is_empty(), "the generator was late");
    }

    #[test]
    fn who_has_no_time_has_refused_nothing() {
        for (status, refused) in
            [(200, false), (302, false), (401, true), (404, true), (429, false), (503, false)]
        {
            assert_eq!(is_refused(status), refused, "{status}");
        }
        assert!(is_put_off(429) && is_put_off(503) && !is_put_off(500));
    }
}
