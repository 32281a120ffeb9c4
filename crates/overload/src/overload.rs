//! The gates of a port, and each thread's way to them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use clock::{Clock, Stopwatch};
use telemetry::Metrics;

use crate::{
    Class, Gate, OverloadConfig, OverloadState, RouteState, Tuning,
    gate::Standing,
    place::{Door, Waiting},
};

/// The name under which routes beyond [`OverloadConfig::routes_max`] share a gate.
const OTHERS: &str = "others";
/// Bytes of a `User-Agent` that are looked at.
const USER_AGENT_BYTES_MAX: usize = 256;

/// Overload control for the routes of a port: a cheap handle. Its state can be seen, and its settings replaced,
/// while it is in use.
#[derive(Debug, Clone)]
pub struct Overload(Arc<Gates>);

/// All gates. They begin to exist when their route is first asked.
#[derive(Debug)]
pub(crate) struct Gates {
    /// Sockets live in real time, whatever the clock of the rest says.
    running: Stopwatch,
    threads: usize,
    /// Changes with the settings, so that seats notice.
    generation: AtomicU64,
    /// The place of the best class that is refused because memory is short.
    spared_from: AtomicUsize,
    config: Mutex<Arc<OverloadConfig>>,
    gates: Mutex<BTreeMap<Box<str>, Arc<Gate<Waiting>>>>,
}

impl Overload {
    /// With these settings.
    #[must_use]
    pub fn new(config: OverloadConfig) -> Self {
        Self(Arc::new(Gates {
            running: Clock::System.stopwatch(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            generation: AtomicU64::new(0),
            spared_from: AtomicUsize::new(Class::COUNT),
            config: Mutex::new(Arc::new(config)),
            gates: Mutex::default(),
        }))
    }

    /// Registers its metrics: `overload_limit`, `overload_in_flight`, `overload_waiting`, `overload_threshold` by
    /// route, and `overload_refused_total` by route, class and reason.
    pub fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| registry.register_collector(Box::new(self.0.clone())));
    }

    /// Goes on with other settings, for every request that comes from now on. Limits and what was learnt stay.
    pub fn set(&self, config: OverloadConfig) {
        let tuning = Tuning::from(&config);
        *lock(&self.0.config) = Arc::new(config);
        self.0.generation.fetch_add(1, Relaxed);
        lock(&self.0.gates).values().for_each(|gate| gate.set(tuning));
    }

    /// Refuses requests of this class and of those below it, because memory is short; or nobody's any more.
    pub fn spare(&self, from: Option<Class>) {
        self.0.spared_from.store(from.map_or(Class::COUNT, Class::place), Relaxed);
    }

    /// How every route stands.
    #[must_use]
    pub fn state(&self) -> OverloadState {
        let standings = self.0.standings();
        let routes = standings.iter().map(|(route, standing)| RouteState::new(route, standing));
        OverloadState { routes: routes.collect() }
    }

    /// A thread's way to the gates.
    #[must_use]
    pub fn seat(&self) -> Seat {
        static SEATS: AtomicU64 = AtomicU64::new(0);
        let number = usize::try_from(SEATS.fetch_add(1, Relaxed)).unwrap_or(0);
        Seat(Arc::new(SeatParts { gates: self.0.clone(), number, known: Mutex::new(self.0.known()) }))
    }
}

impl Gates {
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.running.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Is this class refused because memory is short?
    pub(crate) fn spares(&self, class: Class) -> bool {
        class.place() >= self.spared_from.load(Relaxed)
    }

    pub(crate) fn standings(&self) -> Vec<(Box<str>, Standing)> {
        let gates: Vec<_> =
            lock(&self.gates).iter().map(|(route, gate)| (route.clone(), gate.clone())).collect();
        gates.into_iter().map(|(route, gate)| (route, gate.standing())).collect()
    }

    fn known(&self) -> Known {
        // Read first: settings that come in between are noticed at the next look.
        let generation = self.generation.load(Relaxed);
        Known { generation, config: lock(&self.config).clone(), doors: HashMap::new() }
    }

    fn gate(&self, route: &str, config: &OverloadConfig) -> Arc<Gate<Waiting>> {
        let mut gates = lock(&self.gates);
        let is_new = !gates.contains_key(route);
        let route =
            if is_new && gates.len() >= usize::from(config.routes_max.get()) { OTHERS } else { route };
        let fresh = || Arc::new(Gate::new(Tuning::from(config), self.threads, self.now()));
        gates.entry(route.into()).or_insert_with(fresh).clone()
    }
}

/// One thread's way to the gates: what it has found once it finds again without meeting another thread.
#[derive(Debug, Clone)]
pub struct Seat(Arc<SeatParts>);

#[derive(Debug)]
struct SeatParts {
    gates: Arc<Gates>,
    number: usize,
    /// Only its own thread asks, so nobody ever waits here.
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    generation: u64,
    config: Arc<OverloadConfig>,
    /// None for routes that pass always.
    doors: HashMap<Box<str>, Option<Arc<Door>>>,
}

impl Seat {
    /// The way to the gate of the route with this template; nothing if the route passes always.
    #[must_use]
    pub fn door(&self, route: &str) -> Option<Arc<Door>> {
        let SeatParts { gates, number, .. } = &*self.0;
        let mut known = self.known();
        let Known { config, doors, .. } = &mut *known;
        if let Some(door) = doors.get(route) {
            return door.clone();
        }
        let door = config.class_of(route).is_none_or(|class| class != Class::Operators).then(|| {
            let gate = gates.gate(route, config);
            Arc::new(Door::new(
                gates.clone(),
                gate,
                *number,
                config.class_of(route),
                config.retry_after_s_max,
            ))
        });
        if doors.len() < usize::from(config.routes_max.get()) {
            doors.insert(route.into(), door.clone());
        }
        door
    }

    /// Do settings know this `User-Agent` for that of a program that reads for somebody else?
    #[must_use]
    pub fn is_crawler(&self, user_agent: &[u8]) -> bool {
        let mut lower = [0; USER_AGENT_BYTES_MAX];
        let length = user_agent.len().min(lower.len());
        let lower = &mut lower[..length];
        lower.copy_from_slice(&user_agent[..length]);
        lower.make_ascii_lowercase();
        let known = self.known();
        known.config.crawlers.iter().any(|word| {
            let word = word.as_bytes();
            !word.is_empty() && lower.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        let mut known = lock(&self.0.known);
        if known.generation != self.0.gates.generation.load(Relaxed) {
            *known = self.0.gates.known();
        }
        known
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crawlers_are_known_by_a_word_in_any_case() {
        let seat = Overload::new(OverloadConfig::default()).seat();
        assert!(seat.is_crawler(b"Mozilla/5.0 (compatible; GoogleBot/2.1)"));
        assert!(!seat.is_crawler(b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"));
        assert!(!seat.is_crawler(b""));
    }

    #[test]
    fn other_settings_hold_for_the_next_request() {
        let overload = Overload::new(OverloadConfig::default());
        let seat = overload.seat();
        let class = |route| seat.door(route).map(|door| door.class());
        assert_eq!((class("/alarm"), class("/health")), (Some(None), None));
        let routes = [("/alarm".to_owned(), Class::Emergency)].into();
        overload.set(OverloadConfig {
            routes,
            crawlers: vec!["kelp".to_owned()],
            ..OverloadConfig::default()
        });
        assert_eq!((class("/alarm"), class("/health")), (Some(Some(Class::Emergency)), None));
        assert!(seat.is_crawler(b"Kelp/1") && !seat.is_crawler(b"googlebot"));
    }

    #[test]
    fn classes_below_one_are_refused_while_memory_is_short() {
        let overload = Overload::new(OverloadConfig::default());
        let door = overload.seat().door("/visits").expect("it has a gate");
        let knocks = |class| door.knock(class, false, std::time::Duration::from_secs(60)).err();
        let classes = [Class::SignedIn, Class::Anonymous, Class::Crawlers];
        overload.spare(Some(Class::Crawlers));
        assert_eq!(classes.map(knocks), [None, None, Some(crate::Reason::Memory)]);
        overload.spare(Some(Class::Anonymous));
        assert_eq!(classes.map(knocks), [None, Some(crate::Reason::Memory), Some(crate::Reason::Memory)]);
        overload.spare(None);
        assert_eq!(classes.map(knocks), [None; 3]);
    }

    #[test]
    fn invented_routes_do_not_fill_the_memory() {
        let routes_max = 3.try_into().expect("it is positive");
        let overload = Overload::new(OverloadConfig { routes_max, ..OverloadConfig::default() });
        let seat = overload.seat();
        (0..100).for_each(|route| drop(seat.door(&format!("/{route}"))));
        let routes: Vec<_> = overload.state().routes.into_iter().map(|route| route.route).collect();
        assert_eq!(routes, ["/0", "/1", "/2", "others"]);
    }
}
