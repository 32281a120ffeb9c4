//! Attack: what strangers try. Honest people go on, and strangers get nothing.

mod flood;
mod guessing;
mod injections;
mod malformed;
mod privileges;
mod raw;
mod replay;
mod slow;

use crate::ground::Ground;

/// Tries everything.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    injections::run(ground)?;
    malformed::run(ground)?;
    privileges::run(ground)?;
    replay::run(ground)?;
    guessing::passwords(ground)?;
    guessing::tokens(ground)?;
    slow::run(ground)?;
    flood::run(ground)
}

/// The lines of a list that say something.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}
