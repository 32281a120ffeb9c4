//! Callers who send their request a byte at a time, to keep a place that others need.

use std::{io::Write, time::Duration};

use super::raw;
use load::{Live, Phase, Shape, Spacing, float};
use report::{Area, Outcome};

use crate::{
    ending,
    ground::{Ground, in_background, stopwatch},
    pause,
};

const NAME: &str = "attack/slow";
const TITLE: &str = "Callers who send a byte at a time keep nobody else from being served";
const SLOW: usize = 300;
/// That nobody else notices fewer of them says nothing.
const SLOW_MIN: usize = 100;
const EVERY: Duration = Duration::from_millis(200);
const HONEST_PER_S: f64 = 50.0;
const GOOD_SHARE_MIN: f64 = 0.99;

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    let seconds = float(ground.profile.attack_ms) / 1000.0;
    let phases = vec![Phase::constant(HONEST_PER_S, seconds)];
    let journey = ground.journey("validate-session")?;
    let load = ground.load(
        "beside slow callers",
        vec![(journey, 1)],
        Shape::Open { phases, spacing: Spacing::Poisson },
    );
    let target = ground.target.clone();
    let (mut slow, mut untaken) = (Vec::new(), None);
    for number in 0..SLOW {
        let from = raw::address(ground, 150 + u8::try_from(number % 40)?);
        match raw::connect(&target, from) {
            Ok(stream) => slow.push(stream),
            Err(error) => untaken = untaken.or_else(|| Some(format!("{error:#}"))),
        }
    }
    let began = slow.len();
    let live = std::sync::Arc::new(Live::default());
    let running = in_background(load, &live)?;
    let stopwatch = stopwatch();
    let text = format!(
        "POST /api/v1/authenticate HTTP/1.1\r\nhost: {}\r\ncontent-length: 100000\r\nx-slow: ",
        target.host
    );
    let mut at = 0;
    while ending::ended_by().is_none() && stopwatch.elapsed().as_secs_f64() < seconds {
        let byte = *text.as_bytes().get(at).unwrap_or(&b'a');
        slow.retain_mut(|stream| stream.write_all(&[byte]).and_then(|()| stream.flush()).is_ok());
        at += 1;
        pause::sleep(EVERY);
    }
    let ran = running.join().map_err(|_| anyhow::anyhow!("the load panicked"))??;
    let counts = ran.record.counts;
    let detail = format!(
        "{began} slow callers, of whom the target had sent away {} in the end; {} of {} honest ones were served, p99 {:.0} ms",
        began - slow.len(),
        counts.good,
        counts.offered,
        ran.record.latency_ms(99.0)
    );
    let against = super::unserved(&ran, ground.local.is_some(), GOOD_SHARE_MIN);
    let few = (began < SLOW_MIN).then(|| {
        let why = untaken.as_deref().unwrap_or("nobody says why");
        format!("only {began} of {SLOW} slow callers could connect: {why}")
    });
    match few.or_else(|| ground.invalid(&ran)) {
        Some(why) => ground.found(Area::Attack, NAME, TITLE, Outcome::Invalid, why, against),
        None => ground.judged(Area::Attack, NAME, TITLE, detail, against),
    }
    Ok(())
}
