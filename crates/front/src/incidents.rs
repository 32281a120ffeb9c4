//! What was done against somebody, for operators: told at once when it is new, and then once a minute with how often it
//! happened. It is bounded, and never keeps a request waiting.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clock::{Clock, Timestamp};
use ipnet::IpNet;
use serde::Serialize;

/// How often the same is told.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Kinds and networks that are told apart at once; what is beyond them is told together.
const KEYS_MAX: usize = 4096;
/// What happens once each, until it is fetched.
const SINGLES_MAX: usize = 1024;
/// The reason of what is told together.
const MANY: &str = "many";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentKind {
    /// A network is beyond a limit that blocks.
    LimitBlocked,
    /// A request carried an attack and was refused.
    RequestInspected,
    NetworkBlocked,
    NetworkUnblocked,
    AttackBegan,
    AttackOver,
    /// The caches were emptied, and requests that can wait are refused.
    MemoryShort,
    /// A new process takes over.
    MemoryOut,
}

impl IncidentKind {
    pub const ALL: [Self; 8] = [
        Self::LimitBlocked,
        Self::RequestInspected,
        Self::NetworkBlocked,
        Self::NetworkUnblocked,
        Self::AttackBegan,
        Self::AttackOver,
        Self::MemoryShort,
        Self::MemoryOut,
    ];

    /// The word for it, which is never changed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LimitBlocked => "limit-blocked",
            Self::RequestInspected => "request-inspected",
            Self::NetworkBlocked => "network-blocked",
            Self::NetworkUnblocked => "network-unblocked",
            Self::AttackBegan => "attack-began",
            Self::AttackOver => "attack-over",
            Self::MemoryShort => "memory-short",
            Self::MemoryOut => "memory-out",
        }
    }
}

/// Something that happened, once or often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    pub kind: IncidentKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<IpNet>,
    /// A word: the rule, or who decided.
    pub reason: String,
    /// Who did it, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How long it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How often it happened.
    pub count: u64,
    /// When it first did.
    pub since: Timestamp,
}

impl Incident {
    /// Something that happens now, and once.
    #[must_use]
    pub fn now(kind: IncidentKind, reason: &str, clock: &Clock) -> Self {
        let (reason, since) = (reason.to_owned(), clock.now());
        Self { kind, network: None, reason, by: None, until: None, count: 1, since }
    }
}

/// What happened and was not fetched yet. Clones share it.
#[derive(Debug, Clone)]
pub struct Incidents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    table: Mutex<Table>,
    /// What came while another thread had the table.
    missed: [AtomicU64; IncidentKind::ALL.len()],
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Table {
    counted: HashMap<(IncidentKind, Option<IpNet>, String), Counted>,
    singles: VecDeque<Incident>,
}

#[derive(Debug)]
struct Counted {
    count: u64,
    since: Timestamp,
    told: Option<Timestamp>,
}

impl Incidents {
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let (table, missed) = (Mutex::default(), std::array::from_fn(|_| AtomicU64::new(0)));
        Self(Arc::new(Inner { clock, table, missed, lost: AtomicU64::new(0) }))
    }

    /// Something that may happen very often. It never waits.
    pub(crate) fn count(&self, kind: IncidentKind, network: Option<IpNet>, reason: &str) {
        let Ok(mut table) = self.0.table.try_lock() else {
            if let Some(missed) = self.0.missed.get(kind as usize) {
                missed.fetch_add(1, Relaxed);
            }
            return;
        };
        table.add(kind, network, reason, 1, self.0.clock.now());
    }

    /// Something that happens once.
    pub fn tell(&self, incident: Incident) {
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.singles.len() >= SINGLES_MAX {
            table.singles.pop_front();
            self.0.lost.fetch_add(1, Relaxed);
        }
        table.singles.push_back(incident);
    }

    /// What is to be told now; to be called about once a second.
    #[must_use]
    pub fn due(&self) -> Vec<Incident> {
        let now = self.0.clock.now();
        let mut table = self.0.table.lock().unwrap_or_else(PoisonError::into_inner);
        for (kind, missed) in IncidentKind::ALL.into_iter().zip(&self.0.missed) {
            let count = missed.swap(0, Relaxed);
            if count > 0 {
                table.add(kind, None, MANY, count, now);
            }
        }
        let mut due: Vec<_> = table.singles.drain(..).collect();
        table.counted.retain(|(kind, network, reason), counted| {
            if counted.told.is_some_and(|told| now.since(told) < TOLD_EVERY) {
                return true;
            }
            if counted.count == 0 {
                return false;
            }
            let Counted { count, since, .. } = *counted;
            (counted.count, counted.told) = (0, Some(now));
            let (network, reason) = (*network, reason.clone());
            due.push(Incident { kind: *kind, network, reason, by: None, until: None, count, since });
            true
        });
        due
    }

    /// Incidents that nobody fetched in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }
}

impl Table {
    fn add(&mut self, kind: IncidentKind, network: Option<IpNet>, reason: &str, count: u64, now: Timestamp) {
        let mut key = (kind, network, reason.to_owned());
        if self.counted.len() >= KEYS_MAX && !self.counted.contains_key(&key) {
            key = (kind, None, MANY.to_owned());
        }
        let counted = self.counted.entry(key).or_insert(Counted { count: 0, since: now, told: None });
        if counted.count == 0 {
            counted.since = now;
        }
        counted.count += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Option<IpNet> {
        Some(text.parse().expect("a network"))
    }

    fn start() -> (Incidents, Clock) {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 1);
        (Incidents::new(clock.clone()), clock)
    }

    fn told(incidents: &Incidents) -> Vec<(Option<IpNet>, u64)> {
        let mut told: Vec<_> = incidents.due().iter().map(|one| (one.network, one.count)).collect();
        told.sort();
        told
    }

    #[test]
    fn a_flood_is_told_at_once_and_then_once_a_minute_with_its_count() {
        let (incidents, clock) = start();
        let (one, other) = (network("192.0.2.1/32"), network("192.0.2.2/32"));
        let flood = |network, times| {
            (0..times).for_each(|_| incidents.count(IncidentKind::LimitBlocked, network, "address"));
        };
        flood(one, 5);
        flood(other, 1);
        assert_eq!(told(&incidents), [(one, 5), (other, 1)]);
        for _ in 0..59 {
            flood(one, 10);
            clock.advance(Duration::from_secs(1));
            assert_eq!(told(&incidents), []);
        }
        clock.advance(Duration::from_secs(1));
        assert_eq!(told(&incidents), [(one, 590)]);
        clock.advance(Duration::from_secs(60));
        assert_eq!(told(&incidents), [], "nothing more happened");
        flood(other, 1);
        assert_eq!(told(&incidents), [(other, 1)], "a minute later it is new");
    }

    #[test]
    fn what_happens_once_is_told_each_time_and_is_bounded() {
        let (incidents, clock) = start();
        for _ in 0..SINGLES_MAX + 3 {
            incidents.tell(Incident::now(IncidentKind::AttackBegan, "operator", &clock));
        }
        assert_eq!((incidents.due().len(), incidents.lost()), (SINGLES_MAX, 3));
        assert_eq!(incidents.due(), []);
    }

    #[test]
    fn more_networks_than_can_be_told_apart_are_told_together() {
        let (incidents, _) = start();
        for number in 0..u32::try_from(KEYS_MAX).expect("a few") + 10 {
            let network = IpNet::from(std::net::IpAddr::from(number.to_be_bytes()));
            incidents.count(IncidentKind::LimitBlocked, Some(network), "address");
        }
        let due = incidents.due();
        let together = due.iter().find(|incident| incident.network.is_none()).expect("the rest");
        assert_eq!((due.len(), together.count, together.reason.as_str()), (KEYS_MAX + 1, 10, MANY));
    }

    #[test]
    fn kinds_lie_where_they_are_counted() {
        for (index, kind) in IncidentKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(serde_json::json!(kind), kind.word());
        }
    }
}
