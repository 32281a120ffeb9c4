//! A flood: some addresses that ask more than all honest people together. They are held back, the honest are served.

use std::{net::Ipv4Addr, sync::Arc};

use load::{Counts, Live, Phase, Shape, Spacing, float};
use report::{Area, Outcome};

use crate::ground::{Ground, in_background};

const NAME: &str = "attack/flood";
const TITLE: &str = "Honest people are served while others flood the target";
const HONEST_PER_S: f64 = 50.0;
/// What one of the flood's addresses asks a second at least: twice as much as by default one may.
const PER_ADDRESS_PER_S: f64 = 2_000.0;
const ADDRESSES_MAX: u8 = 250;
const GOOD_SHARE_MIN: f64 = 0.95;

pub(super) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    if ground.local.is_none() {
        let why = "a flood is for a deployment that the drill starts itself: a provider between would take it for a real one";
        ground.skipped(Area::Attack, NAME, TITLE, why);
        return Ok(());
    }
    let seconds = float(ground.profile.attack_ms) / 1000.0;
    let constant =
        |per_s| Shape::Open { phases: vec![Phase::constant(per_s, seconds)], spacing: Spacing::Poisson };
    let journey = ground.journey("validate-session")?;
    let honest = ground.load("beside a flood", vec![(Arc::clone(&journey), 1)], constant(HONEST_PER_S));
    let mut flood = ground.load("a flood", vec![(journey, 1)], constant(ground.profile.flood_per_s));
    let addresses = addresses(ground.profile.flood_per_s);
    flood.from = (1..=addresses).map(|last| Ipv4Addr::new(127, 66, 250, last)).collect();
    flood.threads = 1;
    flood.patience = std::time::Duration::from_secs(2);
    let live = Arc::new(Live::default());
    let (flood, honest) = (in_background(flood, &live)?, in_background(honest, &Arc::default())?);
    ground.screen.follow("a flood", &live, || honest.is_finished() && flood.is_finished());
    let panicked = |_| anyhow::anyhow!("the load panicked");
    let (flood, honest) = (flood.join().map_err(panicked)??, honest.join().map_err(panicked)??);
    let (counts, flooded) = (honest.record.counts, flood.record.counts);
    let detail = format!(
        "{} requests from {addresses} address{}, of which {} were turned away and {} had no answer; {} of {} honest ones were served, \
         p99 {:.0} ms",
        flooded.offered,
        if addresses == 1 { "" } else { "es" },
        flooded.refused,
        flooded.unknown,
        counts.good,
        counts.offered,
        honest.record.latency_ms(99.0)
    );
    let against = super::unserved(&honest, ground.local.is_some(), GOOD_SHARE_MIN);
    let dry = flood.invalid().or_else(|| no_flood(flooded));
    match ground.invalid(&honest).or(dry) {
        Some(why) => ground.found(Area::Attack, NAME, TITLE, Outcome::Invalid, why, against),
        None => ground.judged(Area::Attack, NAME, TITLE, detail, against),
    }
    Ok(())
}

/// How many addresses it comes from.
fn addresses(per_s: f64) -> u8 {
    let enough = |addresses: &u8| f64::from(*addresses) * PER_ADDRESS_PER_S >= per_s;
    (1..ADDRESSES_MAX).find(enough).unwrap_or(ADDRESSES_MAX)
}

/// Why a flood was none: that the honest are served while none of it arrives says nothing.
fn no_flood(counts: Counts) -> Option<String> {
    let answered = counts.good + counts.refused + counts.wrong;
    (answered == 0)
        .then(|| format!("none of the flood's {} requests was answered in any way", counts.offered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_its_addresses_asks_more_than_one_may() {
        for (per_s, expected) in [(100.0, 1), (2_000.0, 1), (20_000.0, 10), (1e9, ADDRESSES_MAX)] {
            assert_eq!(addresses(per_s), expected, "{per_s}");
        }
    }

    #[test]
    fn a_flood_that_never_arrived_was_none() {
        let counts = |refused, unknown| Counts { offered: 100, refused, unknown, ..Counts::default() };
        assert!(no_flood(counts(0, 100)).is_some_and(|why| why.contains("100")));
        assert!(no_flood(Counts::default()).is_some());
        assert!(no_flood(counts(10, 90)).is_none());
    }
}
