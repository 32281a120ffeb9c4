//! What time it is, and what chance decides: the two things a program cannot work out for itself.
//!
//! Servers read the system. Tests and simulations turn the hands and choose the seed, and so see the same
//! run again.

mod timestamp;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ids::Id;
use rand::{Rng, SeedableRng, rngs::StdRng};
pub use timestamp::{Timestamp, TimestampError};

/// What time it is. Servers read the system; tests turn the hands themselves.
#[derive(Debug, Clone)]
pub enum Clock {
    System,
    Manual(Arc<Hands>),
}

/// The hands of a clock that only moves when told to, and the dice that go with it.
#[derive(Debug)]
pub struct Hands {
    unix_ms: AtomicU64,
    dice: Mutex<StdRng>,
}

/// Measures how long something takes, on a clock that never goes back.
#[derive(Debug, Clone)]
pub enum Stopwatch {
    System(Instant),
    Manual { clock: Clock, started: Timestamp },
}

impl Clock {
    /// A clock that stands at `at` and throws the dice of `seed`.
    #[must_use]
    pub fn manual(at: Timestamp, seed: u64) -> Self {
        let dice = Mutex::new(StdRng::seed_from_u64(seed));
        Self::Manual(Arc::new(Hands { unix_ms: AtomicU64::new(at.millis()), dice }))
    }

    /// The time now. It may go back when somebody sets the system's clock; a ledger never does.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
            }
            Self::Manual(hands) => Timestamp::from_millis(hands.unix_ms.load(Ordering::SeqCst)),
        }
    }

    /// Turns a manual clock's hands forward; a system clock is not ours to turn.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(hands) = self {
            let ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
            hands.unix_ms.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Starts a measurement.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system")]
    pub fn stopwatch(&self) -> Stopwatch {
        match self {
            Self::System => Stopwatch::System(Instant::now()),
            Self::Manual(_) => Stopwatch::Manual { clock: self.clone(), started: self.now() },
        }
    }

    /// `N` random bytes, fit for keys: from the system's generator, or from the dice of a manual clock.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match self {
            Self::System => rand::rng().fill_bytes(&mut bytes),
            Self::Manual(hands) => {
                hands.dice.lock().expect("nobody panics while throwing dice").fill_bytes(&mut bytes);
            }
        }
        bytes
    }

    /// A new identifier, made now.
    #[must_use]
    pub fn id<Kind>(&self) -> Id<Kind> {
        Id::new(self.now().millis(), self.random())
    }
}

impl Stopwatch {
    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        match self {
            Self::System(started) => started.elapsed(),
            Self::Manual { clock, started } => clock.now().since(*started),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::from_millis(5), 1);
        let stopwatch = clock.stopwatch();
        assert_eq!(clock.now(), Timestamp::from_millis(5));
        clock.advance(Duration::from_millis(7));
        assert_eq!(clock.now(), Timestamp::from_millis(12));
        assert_eq!(stopwatch.elapsed(), Duration::from_millis(7));
    }

    #[test]
    fn the_same_seed_throws_the_same_dice() {
        let throw = |seed| Clock::manual(Timestamp::EPOCH, seed).random::<16>();
        assert_eq!(throw(1), throw(1));
        assert_ne!(throw(1), throw(2));
    }
}
