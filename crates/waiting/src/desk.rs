//! Where the numbers of a room lie: with all nodes, and for as long as nobody can be asked there, with this one.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clock::Clock;
use limiter::{Ask, Shared};

/// How often somebody else may have been quicker before this is taken for nobody answering.
const TRIES: u32 = 16;
/// How long nobody is asked after nobody has answered.
const AWAY_MS: u64 = 250;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// What is not changed for so long may be forgotten where nodes share it; every node that runs says it again.
const LIFE: Duration = DAY.saturating_mul(30);

/// One of the numbers. Those that have an index are of a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Word,
    Issued,
    /// One more than the numbers that were drawn before the opening.
    Opened,
    Serving,
    Settled,
    /// One more than what was served when a stretch began.
    Mark {
        length_ms: u64,
        index: u64,
    },
    /// Passes that end with a stretch.
    Ending {
        length_ms: u64,
        index: u64,
    },
    /// One more than the number of a person.
    Person(u128),
}

#[derive(Debug)]
pub(crate) struct Desk {
    room: String,
    clock: Clock,
    shared: Option<Shared>,
    /// The time of all nodes less ours, in milliseconds.
    ahead_ms: AtomicI64,
    /// As they were last heard of, or left by this node alone.
    known: Mutex<BTreeMap<Key, u64>>,
    away: AtomicBool,
    away_until_ms: AtomicU64,
}

impl Key {
    fn name(self) -> String {
        match self {
            Self::Word => "word".to_owned(),
            Self::Issued => "issued".to_owned(),
            Self::Opened => "opened".to_owned(),
            Self::Serving => "serving".to_owned(),
            Self::Settled => "settled".to_owned(),
            Self::Mark { length_ms, index } => format!("mark:{length_ms}:{index}"),
            Self::Ending { length_ms, index } => format!("ending:{length_ms}:{index}"),
            Self::Person(person) => format!("person:{person:032x}"),
        }
    }

    const fn life(self) -> Duration {
        match self {
            Self::Word | Self::Issued | Self::Opened | Self::Serving | Self::Settled => LIFE,
            Self::Mark { .. } | Self::Ending { .. } | Self::Person(_) => DAY,
        }
    }

    /// Is it over at this time?
    const fn is_over(self, now_ms: u64) -> bool {
        match self {
            Self::Word | Self::Issued | Self::Opened | Self::Serving | Self::Settled => false,
            Self::Mark { length_ms, index } => (index + 2) * length_ms <= now_ms,
            Self::Ending { length_ms, index } => index * length_ms <= now_ms,
            Self::Person(_) => true,
        }
    }
}

impl Desk {
    pub(crate) fn new(room: &str, clock: Clock, shared: Option<Shared>) -> Self {
        Self {
            room: room.to_owned(),
            clock,
            shared,
            ahead_ms: AtomicI64::new(0),
            known: Mutex::default(),
            away: AtomicBool::new(false),
            away_until_ms: AtomicU64::new(0),
        }
    }

    /// The time that all nodes count by.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().millis().saturating_add_signed(self.ahead_ms.load(Relaxed))
    }

    /// Do nodes share something, and nobody answers?
    pub(crate) fn is_away(&self) -> bool {
        self.away.load(Relaxed)
    }

    /// Is nobody to be asked?
    pub(crate) const fn is_alone(&self) -> bool {
        self.shared.is_none()
    }

    /// Changes a number where all nodes have it, or on this one alone while nobody answers; tells what it is then. What grows must be kept from
    /// going back by `to` itself, as others may not know what was done here alone.
    pub(crate) async fn change(&self, key: Key, to: impl Fn(u64) -> u64) -> u64 {
        match self.change_shared(key, &to).await {
            Some(changed) => changed,
            None => self.change_here(key, to),
        }
    }

    /// Changes a number where all nodes have it; nothing if nobody answers.
    pub(crate) async fn change_shared(&self, key: Key, to: impl Fn(u64) -> u64) -> Option<u64> {
        let Some(shared) = &self.shared else { return Some(self.change_here(key, to)) };
        if self.clock.now().millis() < self.away_until_ms.load(Relaxed) {
            return None;
        }
        let mut before = self.known().get(&key).copied().unwrap_or_default();
        for _ in 0..TRIES {
            let after = to(before);
            let name = format!("waiting:{}:{}", self.room, key.name());
            let Some(told) =
                shared.exchange(Ask { key: name, known: before, new: after, life: key.life() }).await
            else {
                break;
            };
            self.away.store(false, Relaxed);
            self.learn(told.now_us / 1000);
            if told.replaced {
                self.known().insert(key, after);
                return Some(after);
            }
            before = told.found;
        }
        self.away.store(true, Relaxed);
        self.away_until_ms.store(self.clock.now().millis() + AWAY_MS, Relaxed);
        None
    }

    /// Changes what this node knows of it, without asking anybody.
    pub(crate) fn change_here(&self, key: Key, to: impl Fn(u64) -> u64) -> u64 {
        let mut known = self.known();
        let number = known.entry(key).or_default();
        *number = to(*number);
        *number
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&self) {
        let now_ms = self.now_ms();
        self.known().retain(|key, _| !key.is_over(now_ms));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<Key, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, there_ms: u64) {
        let (there, here) = (i64::try_from(there_ms), i64::try_from(self.clock.now().millis()));
        if let (Ok(there), Ok(here)) = (there, here) {
            self.ahead_ms.store(there - here, Relaxed);
        }
    }
}
