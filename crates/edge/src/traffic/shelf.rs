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
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::{MetricType, gauge::ConstGauge},
};

use super::Verb;

/// Where a bound route stands on every shelf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteSlot(usize);

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
    answers: Vec<(Verb, StatusCode, u64)>,
    bounds_ns: Box<[u64]>,
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
            counts.routes.iter().flat_map(|route| &route.answers).map(|(_, _, count)| count).sum()
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
    fn new(bounds_ns: Box<[u64]>) -> Self {
        let buckets = vec![0; bounds_ns.len() + 1].into();
        Self { answers: Vec::new(), bounds_ns, buckets, sum_ns: 0 }
    }

    fn nothing(&self) -> Self {
        Self::new(self.bounds_ns.clone())
    }

    pub(super) fn count(&mut self, verb: Verb, status: StatusCode, took: Duration) {
        match self.answers.iter_mut().find(|(known, told, _)| (*known, *told) == (verb, status)) {
            Some((_, _, count)) => *count += 1,
            None => self.answers.push((verb, status, 1)),
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds_ns.iter().position(|bound| ns <= *bound).unwrap_or(self.bounds_ns.len());
        self.buckets[bucket] += 1;
        self.sum_ns = self.sum_ns.saturating_add(ns);
    }

    fn add(&mut self, other: &Self) {
        for (verb, status, count) in &other.answers {
            match self.answers.iter_mut().find(|(known, told, _)| (known, told) == (verb, status)) {
                Some((_, _, sum)) => *sum += count,
                None => self.answers.push((*verb, *status, *count)),
            }
        }
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(sum, count)| *sum += count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
    }
}

impl Collector for Shelves {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let routes = self.sum();
        let mut requests = encoder.encode_descriptor(
            "http_requests",
            "Requests answered, by method, route template and status",
            None,
            MetricType::Counter,
        )?;
        for (route, counts) in &routes {
            for (verb, status, count) in &counts.answers {
                let labels = [("method", verb.name()), ("route", route), ("status", status.as_str())];
                requests.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(count, None)?;
            }
        }
        let mut durations = encoder.encode_descriptor(
            "http_request_duration_seconds",
            "From the end of a request's header section to the beginning of its answer",
            None,
            MetricType::Histogram,
        )?;
        for (route, counts) in &routes {
            let bounds = self.bounds_seconds.iter().copied().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(counts.buckets.iter().copied()).collect();
            let sum = Duration::from_nanos(counts.sum_ns).as_secs_f64();
            let count = counts.buckets.iter().sum();
            durations
                .encode_family(&[("route", route.as_str())])?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        let in_flight = self.shelves.iter().map(|shelf| shelf.in_flight.load(Ordering::Relaxed)).sum::<i64>();
        let gauge = encoder.encode_descriptor(
            "http_requests_in_flight",
            "Requests whose answer has not been sent yet",
            None,
            MetricType::Gauge,
        )?;
        prometheus_client::encoding::EncodeMetric::encode(&ConstGauge::new(in_flight), gauge)
    }
}

/// A bound in whole nanoseconds.
fn nanoseconds(seconds: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).unwrap_or(u64::MAX)
}
