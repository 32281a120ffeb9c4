//! A whole tally by the running service: votes that are in, until the result is there; and its verification.

use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use clock::Clock;

use crate::{
    figures::Figures,
    hall::{Hall, Plan, ended_well},
};

/// How large the election is.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Size {
    /// Ballots that `tally` counts, each of another voter, or rows that `mix` mixes once.
    #[arg(long, value_name = "COUNT")]
    pub(crate) ballots: Option<usize>,
}

pub(crate) fn run(quick: bool, size: Size) -> anyhow::Result<Figures> {
    let ballots = size.ballots.unwrap_or(if quick { 2_000 } else { 100_000 });
    let preparing = Clock::System.stopwatch();
    let hall = Hall::open(Plan { voters: ballots, trustees: 5, threshold: 3 })?;
    hall.send(hall.votes(ballots, 0)?, None)?;
    hall.until_confirmed(ballots as u64)?;
    let prepared = preparing.elapsed();
    let trustees = hall.trustees()?;
    let running = Clock::System.stopwatch();
    hall.step("closing")?;
    hall.step("tally")?;
    hall.until_state("decrypting")?;
    let mixed = running.elapsed();
    hall.until_state("counted")?;
    let counted = running.elapsed();
    ended_well(trustees)?;
    hall.step("publication")?;
    let verifying = Clock::System.stopwatch();
    let verdict = hall.verified()?;
    let verified = verifying.elapsed();
    ensure!(verdict.status.success(), "the election does not verify: {}{}", verdict.stdout, verdict.stderr);
    hall.close()?;
    let mut figures = Figures::new("tally");
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 ballots")]
    let ballots = ballots as f64;
    let seconds = Duration::as_secs_f64;
    figures.add("ballots", ballots, "each of another voter; one contest, three mixers, 3 of 5 trustees");
    figures.add("seconds", seconds(&counted), "from closing to the result, all on this machine");
    figures.add(
        "seconds_100k",
        seconds(&counted) * 100_000.0 / ballots,
        "the same, in proportion to the ballots",
    );
    figures.add("mixing_s", seconds(&mixed), "of these: three mixers, and the proof of the tokens");
    figures.add(
        "decrypting_s",
        seconds(&(counted - mixed)),
        "of these: three trustees check the whole record and decrypt, and it is counted",
    );
    figures.add("verifying_s", seconds(&verified), "an observer: `holdfast verify-election`, with fetching");
    figures.add("preparing_s", seconds(&prepared), "before: voters, tokens, votes taken and confirmed");
    Ok(figures)
}
