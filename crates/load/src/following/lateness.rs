//! How much later than its voter others hear of a vote.

use std::time::Duration;

use super::Told;

/// Of all followers and votes, and of the last follower of each vote.
#[derive(Debug)]
pub struct Lateness {
    of_all: Vec<Duration>,
    of_the_last: Vec<Duration>,
}

impl Lateness {
    /// From the votes and when their voters knew, by a clock that began `offset` after the followers'.
    #[must_use]
    pub fn of(votes: &[(u64, Duration)], offset: Duration, told: &[Told]) -> Self {
        let (mut of_all, mut of_the_last) = (Vec::new(), vec![None; votes.len()]);
        for told in told {
            for (at, heard) in told.of_each(votes).into_iter().enumerate() {
                let Some(heard) = heard else { continue };
                let late = heard.saturating_sub(offset + votes[at].1);
                of_all.push(late);
                of_the_last[at] = of_the_last[at].max(Some(late));
            }
        }
        let mut of_the_last: Vec<_> = of_the_last.into_iter().flatten().collect();
        of_all.sort_unstable();
        of_the_last.sort_unstable();
        Self { of_all, of_the_last }
    }

    /// Nobody heard of any vote.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.of_all.is_empty()
    }

    /// This share of followers and votes was no later.
    #[must_use]
    pub fn of_all_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.of_all, share)
    }

    /// Of this share of the votes, the last follower heard no later.
    #[must_use]
    pub fn of_the_last_ms(&self, share: f64) -> f64 {
        quantile_ms(&self.of_the_last, share)
    }
}

fn quantile_ms(sorted: &[Duration], share: f64) -> f64 {
    let reaches = |at: usize| crate::float(at as u64 + 1) >= share * crate::float(sorted.len() as u64);
    let at = (0..sorted.len()).find(|at| reaches(*at));
    at.map(|at| sorted[at]).map_or(0.0, |late| late.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_follower_of_each_vote_is_told_apart_from_all() {
        let ms = Duration::from_millis;
        let (quick, slow, absent) = (Told::default(), Told::default(), Told::default());
        // The followers' clock began a second before the voters'.
        for (told, late) in [(&quick, 5), (&slow, 50)] {
            told.hear(1, ms(1000 + late));
            told.hear(2, ms(1100 + late));
        }
        absent.hear(0, ms(1000));
        let lateness = Lateness::of(&[(0, ms(0)), (1, ms(100))], ms(1000), &[quick, slow, absent]);
        assert!((lateness.of_all_ms(0.5) - 5.0).abs() < 1e-9);
        assert!((lateness.of_all_ms(0.99) - 50.0).abs() < 1e-9);
        assert!((lateness.of_the_last_ms(0.5) - 50.0).abs() < 1e-9);
        assert!(Lateness::of(&[], ms(0), &[]).of_all_ms(1.0).abs() < 1e-9);
    }
}
