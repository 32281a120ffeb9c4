//! How many commands a second become durable, beside a bare loop that writes the same rows.

mod bare;
pub(crate) mod notes;

use std::time::Duration;

use clock::Clock;

use crate::figures::{Figures, median};

/// Commands on their way at any time: what a busy edge keeps waiting.
const WAITING: usize = 16_384;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, time) = if quick { (3, Duration::from_secs(3)) } else { (5, Duration::from_secs(8)) };
    let mut realistic = Vec::new();
    let mut ratios = Vec::new();
    let mut plain = Vec::new();
    for _ in 0..runs {
        let ours = notes::measure(notes::Case::Realistic, WAITING, time)?;
        let bare = bare::measure(ours.batch, time)?;
        realistic.push(ours.per_second);
        ratios.push(ours.per_second / bare);
        plain.push(notes::measure(notes::Case::Plain, WAITING, time)?.per_second);
    }
    let mut figures = Figures::new("ledger");
    figures.add(
        "commands_per_s",
        median(realistic),
        "durable, sealed body, idempotency key, secondary index, readers",
    );
    figures.add(
        "ratio_to_bare_sqlite",
        median(ratios),
        "of a bare loop with the same rows, indexes and syncs",
    );
    figures.add("plain_per_s", median(plain), "durable, sequential keys only");
    Ok(figures)
}

/// Commands a second over the time a stopwatch ran.
#[expect(clippy::cast_precision_loss, reason = "a measurement is far below 2^52 commands")]
fn rate(commands: u64, stopwatch: &clock::Stopwatch) -> f64 {
    commands as f64 / stopwatch.elapsed().as_secs_f64()
}

fn stopwatch() -> clock::Stopwatch {
    Clock::System.stopwatch()
}
