//! Attack: what strangers try. Honest people go on, and strangers get nothing.

mod flood;
mod guessing;
mod injections;
mod malformed;
mod privileges;
mod raw;
mod replay;
mod slow;

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
    use super::*;

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
