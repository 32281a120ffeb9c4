//! A quota that all nodes of a fleet have together: each leases some of it where all of them count, and gives that out
//! without asking anybody.

use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use clock::Stopwatch;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};

use crate::quota::{Algorithm, Leased, Quota, QuotaConfig, Used};

const PARTS: usize = 64;

/// Journeys for one key: so many a second, and so many at once.
const TRIPS_PER_SECOND: u64 = 8;
const TRIPS_AT_ONCE: u64 = 2;
const SECOND: u64 = 1_000_000_000;
const TRIP_EVERY: u64 = SECOND / TRIPS_PER_SECOND;

/// How long nobody is asked after nobody has answered.
const AWAY: u64 = SECOND / 4;

/// How long somebody waits for a lease that another asks for.
const QUEUE_MAX: Duration = Duration::from_secs(2);

/// How often somebody else may have been quicker before we go on alone.
const TRIES: u32 = 8;

/// A lease may grow to this part of the limit, so that some is left for others.
const PART_MAX: u32 = 4;

/// How much larger a lease is than one that was used up too soon.
const GROWTH: u32 = 4;

/// Whoever leases for the first time takes one request's worth of so many that every node could.
const FIRST_PARTS: u32 = 20;

/// What keys nobody has room for share.
const CROWD: u128 = 0;

/// What a key takes: its place in the table, and what is held, with its lock and its counts.
const KEY_BYTES: usize =
    size_of::<(u128, Arc<AsyncMutex<Held>>)>() + 1 + size_of::<AsyncMutex<Held>>() + 2 * size_of::<usize>();

/// How often a part that is full is looked through for room: a flood of new keys must not cost a search for each.
const SWEEP_EVERY: u64 = SECOND / 4;

/// Where all nodes count: a value is replaced by another if it still is what it was thought to be.
#[derive(Clone)]
pub struct Shared {
    exchange: Arc<Exchange>,
    sleep: Arc<Sleep>,
}

type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Exchange = dyn Fn(Ask) -> Later<Option<Told>> + Send + Sync;
type Sleep = dyn Fn(Duration) -> Later<()> + Send + Sync;

/// What is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub key: String,
    /// What the value is thought to be; 0 if there is thought to be none.
    pub known: Used,
    pub new: Used,
    /// It may be forgotten when so much time has gone by.
    pub life: Duration,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    pub replaced: bool,
    /// What the value was, if it was not replaced; 0 if there was none.
    pub found: Used,
    /// The time there, which all nodes count by, in microseconds.
    pub now_us: u64,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Passed,
    Refused {
        retry_after: Duration,
    },
    /// Others waited for the same lease for too long.
    Crowded {
        retry_after: Duration,
    },
    /// Nobody could be asked.
    Away,
}

/// What this node has leased of one quota, for each of many keys.
#[derive(Debug)]
pub struct Leases {
    name: String,
    shared: Shared,
    nodes: u32,
    since_start: Stopwatch,
    /// The time of all nodes less ours, in nanoseconds; 0 until it is known.
    ahead: AtomicI64,
    keys_max: usize,
    parts: Box<[Mutex<Part>]>,
    /// Which of them is swept next.
    next_part: AtomicUsize,
}

/// A part of the keys.
#[derive(Debug, Default)]
struct Part {
    held: HashMap<u128, Arc<AsyncMutex<Held>>>,
    /// When it was last looked for keys that hold nothing any more.
    swept: u64,
}

/// What is held of one key.
#[derive(Debug, Default)]
struct Held {
    tokens: u32,
    /// Until when, by our time.
    ends: u64,
    refused_until: u64,
    /// How much is asked for next, and when something last was.
    size: u32,
    leased_at: u64,
    /// When the next journeys may begin: a bucket of [`TRIPS_AT_ONCE`].
    trips: u64,
    known: Used,
    /// Nobody answered: until then nobody is asked.
    away_until: u64,
}

impl Shared {
    /// By asking this.
    pub fn by<F>(exchange: impl Fn(Ask) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Told>> + Send + 'static,
    {
        Self {
            exchange: Arc::new(move |ask| Box::pin(exchange(ask))),
            sleep: Arc::new(|time| Box::pin(tokio::time::sleep(time))),
        }
    }

    /// Asks it; nothing if nobody answers.
    pub async fn exchange(&self, ask: Ask) -> Option<Told> {
        (self.exchange)(ask).await
    }

    /// The same, waiting by another clock.
    #[cfg(test)]
    fn sleeping<F>(self, sleep: impl Fn(Duration) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { sleep: Arc::new(move |time| Box::pin(sleep(time))), ..self }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl QuotaConfig {
    /// Can all of it pass at one node that leases it? Each lease of a bucket is for what it holds at most, and journeys for
    /// one key are few.
    #[must_use]
    pub fn can_be_leased(&self) -> bool {
        let Self { algorithm, limit, window_ms, burst, .. } = *self;
        let burst = u64::from(burst.unwrap_or(limit).get());
        let second_ms = 1000;
        match algorithm {
            Algorithm::TokenBucket => {
                u64::from(limit.get()) * second_ms <= burst * TRIPS_PER_SECOND * window_ms.get()
            }
            Algorithm::FixedWindow | Algorithm::SlidingWindow | Algorithm::SubBuckets => true,
            Algorithm::EvenSpacing => false,
        }
    }
}

impl Leases {
    /// Of the quota of this name, which about so many nodes share, for at most so many keys at once.
    #[must_use]
    pub fn new(name: &str, shared: Shared, nodes: u32, since_start: Stopwatch, keys_max: usize) -> Self {
        Self {
            name: name.to_owned(),
            shared,
            nodes: nodes.max(1),
            since_start,
            ahead: AtomicI64::new(0),
            keys_max: keys_max.div_ceil(PARTS),
            parts: (0..PARTS).map(|_| Mutex::default()).collect(),
            next_part: AtomicUsize::new(0),
        }
    }

    /// Decides about one request of `key` if that can be done without asking: whether it passes, or for how long
    /// none will.
    #[must_use]
    pub fn take_at_once(&self, key: u128) -> Option<Taken> {
        let (_, held) = self.held(key);
        let mut held = held.try_lock().ok()?;
        held.take(self.now())
    }

    /// Decides about one request of `key`, by asking if need be.
    pub async fn take(&self, quota: &Quota, key: u128) -> Taken {
        let (key, place) = self.held(key);
        // Whoever comes meanwhile waits here for the same lease, and not for ever: where each lease is for few, a crowd
        // would be let through one by one.
        let Ok(mut held) = tokio::time::timeout(QUEUE_MAX, place.lock()).await else {
            return Taken::Crowded { retry_after: QUEUE_MAX };
        };
        if let Some(taken) = held.take(self.now()) {
            return taken;
        }
        // All who wait have a handle, and the table has one.
        let waiting = || Arc::strong_count(&place).saturating_sub(1);
        self.renew(&mut held, quota, key, waiting).await
    }

    async fn renew(
        &self,
        held: &mut AsyncMutexGuard<'_, Held>,
        quota: &Quota,
        key: u128,
        waiting: impl Fn() -> usize,
    ) -> Taken {
        held.resize(self.now(), quota, self.nodes);
        for _ in 0..TRIES {
            let (at, known) = (self.shared_now(), held.known);
            let (_, leased) = quota.lease(known, at.unwrap_or_default(), 1);
            // What all nodes have used only grows: whoever is refused by what was known is refused.
            if let (Leased::Refused { retry_after }, Some(_), false) = (leased, at, quota.blocks()) {
                return held.refuse(self.now(), retry_after);
            }
            (self.shared.sleep)(held.next_trip(self.now())).await;
            let (began, at) = (self.now(), self.shared_now());
            let want = held.size.max(u32::try_from(waiting()).unwrap_or(u32::MAX)).min(most(quota));
            let (used, leased) = quota.lease(known, at.unwrap_or_default(), want);
            let life = quota.life();
            let key = format!("{}:{key:032x}", self.name);
            // Without the time of all nodes nothing can be counted: then this only looks.
            let new = if at.is_some() { used } else { known };
            let Some(told) = (self.shared.exchange)(Ask { key, known, new, life }).await else {
                held.away_until = self.now().saturating_add(AWAY);
                return Taken::Away;
            };
            self.learn(told.now_us);
            match (told.replaced && at.is_some(), leased) {
                (true, Leased::Granted { tokens, lasts }) => {
                    held.known = used;
                    held.size = want;
                    held.tokens = tokens - 1;
                    held.leased_at = began;
                    held.ends = began.saturating_add(nanos(lasts));
                    return Taken::Passed;
                }
                (true, Leased::Refused { retry_after }) => {
                    held.known = used;
                    return held.refuse(began, retry_after);
                }
                (false, _) => held.known = if told.replaced { known } else { told.found },
            }
        }
        Taken::Away
    }

    /// What is held of a key, and as which it counts, here and where all nodes count: those for whom there is no room count
    /// as one.
    fn held(&self, key: u128) -> (u128, Arc<AsyncMutex<Held>>) {
        let part = usize::try_from(key >> 64 & 0xFFFF).unwrap_or_default() % PARTS;
        let mut part = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = key;
        if part.held.len() >= self.keys_max && !part.held.contains_key(&key) {
            let now = self.now();
            if part.swept == 0 || now >= part.swept + SWEEP_EVERY {
                part.swept = now.max(1);
                part.sweep(now);
            }
            if part.held.len() >= self.keys_max {
                key = CROWD;
            }
        }
        (key, part.held.entry(key).or_default().clone())
    }

    /// Forgets keys of which nothing is held any more, so that a flood of them does not keep its room for ever. To be
    /// called now and then: each time a few are looked at.
    pub fn sweep(&self) {
        let at = self.next_part.fetch_add(1, Relaxed) % PARTS;
        let mut part = self.parts[at].lock().unwrap_or_else(PoisonError::into_inner);
        part.sweep(self.now());
    }

    /// About how much memory they take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let entries: usize = self
            .parts
            .iter()
            .map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).held.capacity())
            .sum();
        entries * KEY_BYTES
    }

    fn now(&self) -> u64 {
        nanos(self.since_start.elapsed())
    }

    /// The time that all nodes count by, once it is known.
    fn shared_now(&self) -> Option<u64> {
        let ahead = self.ahead.load(Relaxed);
        (ahead != 0).then(|| self.now().saturating_add_signed(ahead))
    }

    fn learn(&self, now_us: u64) {
        let there = i64::try_from(now_us.saturating_mul(1000)).unwrap_or(i64::MAX);
        let here = i64::try_from(self.now()).unwrap_or(i64::MAX);
        self.ahead.store(there.saturating_sub(here).max(1), Relaxed);
    }
}

impl Part {
    fn sweep(&mut self, now: u64) {
        self.held.retain(|_, held| {
            Arc::strong_count(held) > 1 || held.try_lock().is_ok_and(|held| held.counts(now))
        });
        // After a flood the room goes back, and not after every lull.
        if self.held.len() * 4 < self.held.capacity() {
            self.held.shrink_to_fit();
        }
    }
}

impl Held {
    fn take(&mut self, now: u64) -> Option<Taken> {
        if self.tokens > 0 && now < self.ends {
            self.tokens -= 1;
            return Some(Taken::Passed);
        }
        if now < self.refused_until {
            return Some(Taken::Refused { retry_after: Duration::from_nanos(self.refused_until - now) });
        }
        (now < self.away_until).then_some(Taken::Away)
    }

    const fn refuse(&mut self, now: u64, retry_after: Duration) -> Taken {
        self.tokens = 0;
        #[expect(clippy::cast_possible_truncation, reason = "a quota's times are below a year")]
        let wait = retry_after.as_nanos() as u64;
        self.refused_until = now.saturating_add(wait);
        Taken::Refused { retry_after }
    }

    /// Asks for much more if the last lease was used up before the next journey would be due, and for half if most of
    /// it was left.
    fn resize(&mut self, now: u64, quota: &Quota, nodes: u32) {
        let first = (quota.limit() / FIRST_PARTS / nodes).max(1);
        self.size = match self.size {
            0 => first,
            size if self.tokens > size / 2 => (size / 2).max(first),
            size if now < self.leased_at.saturating_add(TRIP_EVERY * 2) => size.saturating_mul(GROWTH),
            size => size,
        };
    }

    /// How long until the next journey may begin.
    fn next_trip(&mut self, now: u64) -> Duration {
        let begins = self.trips.max(now);
        self.trips = begins + TRIP_EVERY;
        Duration::from_nanos((begins - now).saturating_sub(TRIP_EVERY * (TRIPS_AT_ONCE - 1)))
    }

    /// Is something known of it that still counts?
    const fn counts(&self, now: u64) -> bool {
        (self.tokens > 0 && now < self.ends)
            || now < self.refused_until
            || now < self.trips
            || now < self.away_until
    }
}

/// The largest lease of a quota.
fn most(quota: &Quota) -> u32 {
    (quota.limit() / PART_MAX).max(1)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
