//! The shelves that threads count on, and how they are added up when metrics are read.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::{REFUSED, Verb};

/// Where a bound route stands on every shelf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteSlot(usize);

/// Which count of a shelf tells how many of something there are now.
pub(super) type Present = fn(&Shelf) -> &AtomicI64;

/// One shelf for each thread.
#[derive(Debug)]
pub(super) struct Shelves {
    shelves: Box<[Shelf]>,
    bounds_seconds: Vec<f64>,
}

/// Aligned so that no two threads write to the same cache line (two lines are fetched together).
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Shelf {
    in_flight: AtomicI64,
    connections: AtomicI64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    places: HashMap<Box<str>, usize>,
    routes: Vec<RouteCounts>,
    bounds_ns: Box<[u64]>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct RouteCounts {
    /// A route has two or three outcomes that matter: searching them in a row beats a map.
    outcomes: Vec<Outcome>,
    bounds_ns: Box<[u64]>,
}

/// Answers of one status to one method.
#[derive(Debug, Clone)]
struct Outcome {
    verb: Verb,
    status: StatusCode,
    /// Of those whose time was taken.
    times: Times,
    /// The others, which were refused before anything was done.
    refused: u64,
}

/// How long some answers took.
#[derive(Debug, Clone)]
struct Times {
    /// By upper bound; the last is what lies above all bounds.
    buckets: Box<[u64]>,
    sum_ns: u64,
}

impl Shelves {
    pub(super) fn new(threads: usize) -> Self {
        let bounds_seconds: Vec<f64> = telemetry::seconds_buckets().collect();
        let bounds_ns: Box<[u64]> = bounds_seconds.iter().copied().map(nanoseconds).collect();
        let shelf = || Shelf {
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            counts: Mutex::new(Counts { bounds_ns: bounds_ns.clone(), ..Counts::default() }),
        };
        Self { shelves: (0..threads.max(1)).map(|_| shelf()).collect(), bounds_seconds }
    }

    pub(super) fn of(&self, seat: usize) -> &Shelf {
        // More threads than cores share shelves: still correct, only contended.
        &self.shelves[seat % self.shelves.len()]
    }

    pub(super) fn bind(&self, route: &'static str) -> RouteSlot {
        // All shelves are filled in the same order only while nobody searches them by name: so each
        // bound route is put in the same place on every shelf by holding all of them at once.
        let mut shelves: Vec<_> = self.shelves.iter().map(Shelf::lock).collect();
        let free = shelves.iter().map(|counts| counts.routes.len()).max().unwrap_or(0);
        let known = shelves.first().and_then(|counts| counts.places.get(route).copied());
        let same = known.filter(|place| shelves.iter().all(|counts| counts.places.get(route) == Some(place)));
        let place = same.unwrap_or(free);
        for counts in &mut shelves {
            counts.place_at(route, place);
        }
        RouteSlot(place)
    }

    /// Requests on all shelves.
    pub(super) fn requests(&self) -> u64 {
        let of_shelf = |shelf: &Shelf| -> u64 {
            let counts = shelf.lock();
            counts.routes.iter().flat_map(|route| &route.outcomes).map(Outcome::count).sum()
        };
        self.shelves.iter().map(of_shelf).sum()
    }

    /// Every route's counts, added over all shelves.
    fn sum(&self) -> BTreeMap<String, RouteCounts> {
        let mut total = BTreeMap::<String, RouteCounts>::new();
        for shelf in &self.shelves {
            let counts = shelf.lock();
            for (route, place) in &counts.places {
                let of_route = &counts.routes[*place];
                total.entry(route.to_string()).or_insert_with(|| of_route.nothing()).add(of_route);
            }
        }
        total
    }
}

impl Shelf {
    pub(super) fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole whatever happened to a thread that held them.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) const fn in_flight(&self) -> &AtomicI64 {
        &self.in_flight
    }

    pub(super) const fn connections(&self) -> &AtomicI64 {
        &self.connections
    }
}

impl Counts {
    pub(super) fn slot(&mut self, slot: RouteSlot) -> &mut RouteCounts {
        &mut self.routes[slot.0]
    }

    pub(super) fn route(&mut self, route: &str) -> &mut RouteCounts {
        let place = self.places.get(route).copied().unwrap_or_else(|| {
            let free = self.routes.len();
            self.place_at(route, free);
            free
        });
        &mut self.routes[place]
    }

    fn place_at(&mut self, route: &str, place: usize) {
        let fresh = RouteCounts::new(self.bounds_ns.clone());
        if self.routes.len() <= place {
            self.routes.resize(place + 1, fresh);
        }
        if let Some(old) = self.places.insert(route.into(), place).filter(|old| *old != place) {
            // It was counted by name before it was bound: its counts move along.
            self.routes[place] = self.routes[old].clone();
        }
    }
}

impl RouteCounts {
    const fn new(bounds_ns: Box<[u64]>) -> Self {
        Self { outcomes: Vec::new(), bounds_ns }
    }

    fn nothing(&self) -> Self {
        Self::new(self.bounds_ns.clone())
    }

    pub(super) fn count(&mut self, verb: Verb, status: StatusCode, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_ns.iter().position(|bound| ns <= *bound).unwrap_or(self.bounds_ns.len());
        self.outcome(verb, status).times.count_one(bucket, ns);
    }

    pub(super) fn count_refused(&mut self, verb: Verb, status: StatusCode) {
        self.outcome(verb, status).refused += 1;
    }

    fn outcome(&mut self, verb: Verb, status: StatusCode) -> &mut Outcome {
        let known = self.outcomes.iter().position(|outcome| (outcome.verb, outcome.status) == (verb, status));
        let place = known.unwrap_or_else(|| {
            let times = Times::none(self.bounds_ns.len() + 1);
            self.outcomes.push(Outcome { verb, status, times, refused: 0 });
            self.outcomes.len() - 1
        });
        &mut self.outcomes[place]
    }

    fn add(&mut self, other: &Self) {
        for Outcome { verb, status, times, refused } in &other.outcomes {
            let outcome = self.outcome(*verb, *status);
            outcome.times.add(times);
            outcome.refused += refused;
        }
    }

    /// All answers of the route.
    fn all(&self) -> Times {
        let mut all = Times::none(self.bounds_ns.len() + 1);
        self.outcomes.iter().for_each(|outcome| all.add(&outcome.times));
        all
    }
}

impl Outcome {
    fn count(&self) -> u64 {
        self.times.count() + self.refused
    }
}

impl Times {
    fn none(buckets: usize) -> Self {
        Self { buckets: vec![0; buckets].into(), sum_ns: 0 }
    }

    fn count_one(&mut self, bucket: usize, ns: u64) {
        self.buckets[bucket] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn add(&mut self, other: &Self) {
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }

    fn encode(&self, bounds_seconds: &[f64], mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let bounds = bounds_seconds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().copied()).collect();
        let sum = Duration::from_nanos(self.sum_ns).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, self.count(), &buckets, None)
    }
}

const DURATION_HELP: &str = "From the end of a request's header section to the beginning of its answer";
const IN_FLIGHT_HELP: &str = "Requests whose answer has not been sent yet";

impl Collector for Shelves {
    /// The same counts under two names each: as dashboards have always asked for them, and as the semantic conventions of
    /// OpenTelemetry (HTTP metrics, stable) write them for Prometheus.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let routes = self.sum();
        self.encode_routes(&routes, &mut encoder)?;
        self.encode_outcomes(&routes, &mut encoder)?;
        let gauges: [(_, _, Present); _] = [
            ("http_requests_in_flight", IN_FLIGHT_HELP, Shelf::in_flight),
            ("http_server_active_requests", IN_FLIGHT_HELP, Shelf::in_flight),
            ("http_connections_open", "Connections that are open, on all ports", Shelf::connections),
        ];
        for (name, help, count) in gauges {
            let present = self.shelves.iter().map(|shelf| count(shelf).load(Ordering::Relaxed)).sum::<i64>();
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(present).encode(gauge)?;
        }
        Ok(())
    }
}

impl Shelves {
    fn encode_routes(
        &self,
        routes: &BTreeMap<String, RouteCounts>,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let help = "Requests answered, by method, route template and status";
        let mut requests = encoder.encode_descriptor("http_requests", help, None, MetricType::Counter)?;
        for (route, counts) in routes {
            for outcome in &counts.outcomes {
                let (method, status) = (outcome.verb.name(), outcome.status.as_str());
                let labels = [("method", method), ("route", route), ("status", status)];
                let count = outcome.count();
                requests.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&count, None)?;
            }
        }
        let (name, kind) = ("http_request_duration_seconds", MetricType::Histogram);
        let mut durations = encoder.encode_descriptor(name, DURATION_HELP, None, kind)?;
        for (route, counts) in routes.iter().filter(|(route, _)| *route != REFUSED) {
            let family = [("route", route.as_str())];
            counts.all().encode(&self.bounds_seconds, durations.encode_family(&family)?)?;
        }
        Ok(())
    }

    fn encode_outcomes(
        &self,
        routes: &BTreeMap<String, RouteCounts>,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let (name, kind) = ("http_server_request_duration_seconds", MetricType::Histogram);
        let mut durations = encoder.encode_descriptor(name, DURATION_HELP, None, kind)?;
        for (route, counts) in routes.iter().filter(|(route, _)| *route != REFUSED) {
            for Outcome { verb, status, times, .. } in &counts.outcomes {
                let family = [
                    ("http_request_method", verb.name()),
                    ("http_route", route),
                    ("http_response_status_code", status.as_str()),
                ];
                times.encode(&self.bounds_seconds, durations.encode_family(&family)?)?;
            }
        }
        Ok(())
    }
}

/// A bound in whole nanoseconds.
fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}
