//! What went through: requests by method, route and status, how long they took, how many are in flight.
//!
//! **No counter is shared between threads.** Each thread has its shelf behind a lock of its own, which is
//! only ever contended while metrics are read, so counting costs the same on two cores and on sixty-four.

mod shelf;

use std::{
    cell::Cell,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Method, StatusCode};
use telemetry::Metrics;

pub(crate) use shelf::RouteSlot;
use shelf::{Present, Shelf, Shelves};

thread_local! {
    /// Which shelf this thread counts on.
    static SEAT: Cell<usize> = const { Cell::new(0) };
}

/// Gives this thread the shelf of its number.
pub(crate) fn take_seat(number: usize) {
    SEAT.set(number);
}

/// The name under which requests to no route are counted: their paths are anybody's invention.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The name under which requests are counted that were refused before a route was looked for: by a limit, a block, a waiting room, or
/// because they cannot be read.
pub(crate) const REFUSED: &str = "refused";

/// Counts requests for a whole process: `http_requests_total`, `http_request_duration_seconds` and
/// `http_requests_in_flight`, and the same under the names of the OpenTelemetry conventions,
/// `http_server_request_duration_seconds` and `http_server_active_requests`; and connections, `http_connections_open`. Make one, and give it to every [`crate::Edge`].
#[derive(Debug, Clone)]
pub struct Traffic(Arc<Shelves>);

impl Traffic {
    /// Registers the metrics. A second one on the same registry would write each name twice.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shelves = Arc::new(Shelves::new(cores));
        metrics.register(|registry| registry.register_collector(Box::new(shelves.clone())));
        Self(shelves)
    }

    /// Binds a route, so that counting it needs no search. Only for a handful of routes, at start.
    pub(crate) fn bind(&self, route: &'static str) -> RouteSlot {
        self.0.bind(route)
    }

    /// Counts an answer of a route that was bound.
    pub(crate) fn count_bound(&self, slot: RouteSlot, method: &Method, status: StatusCode, took: Duration) {
        self.0.of(SEAT.get()).lock().slot(slot).count(Verb::of(method), status, took);
    }

    /// Counts an answer of the route whose template is `route`.
    pub(crate) fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        self.0.of(SEAT.get()).lock().route(route).count(Verb::of(method), status, took);
    }

    /// Counts a request that was refused before a route was looked for; without a method, if that could not be read. No time is
    /// counted: that of nothing would say that all the others are quick.
    pub(crate) fn count_refused(&self, method: Option<&Method>, status: StatusCode) {
        let verb = method.map_or(Verb::Other, Verb::of);
        self.0.of(SEAT.get()).lock().route(REFUSED).count_refused(verb, status);
    }

    /// Requests that were answered, ever.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.0.requests()
    }

    /// Holds a place among the requests in flight.
    pub(crate) fn enter(&self) -> Here {
        self.present(Shelf::in_flight)
    }

    /// Holds a place among the open connections.
    pub(crate) fn connect(&self) -> Here {
        self.present(Shelf::connections)
    }

    fn present(&self, count: Present) -> Here {
        let seat = SEAT.get();
        count(self.0.of(seat)).fetch_add(1, Ordering::Relaxed);
        Here { shelves: self.0.clone(), seat, count }
    }
}

/// A request in flight, or an open connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Here {
    shelves: Arc<Shelves>,
    seat: usize,
    count: Present,
}

impl Drop for Here {
    fn drop(&mut self) {
        (self.count)(self.shelves.of(self.seat)).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Methods as they are counted: callers may invent methods, and must not invent time series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Other,
}

impl Verb {
    fn of(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            // The name that the OpenTelemetry conventions have for it.
            Self::Other => "_OTHER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_counted_apart_is_read_as_one() {
        let metrics = Metrics::new();
        let traffic = Traffic::new(&metrics);
        let slot = traffic.bind("/session");
        let took = Duration::from_micros(200);
        for seat in 0..2 {
            take_seat(seat);
            traffic.count_bound(slot, &Method::GET, StatusCode::OK, took);
            traffic.count("/visits/{visit}", &Method::POST, StatusCode::CREATED, took);
        }
        let text = metrics.encode();
        for line in [
            r#"http_requests_total{method="GET",route="/session",status="200"} 2"#,
            r#"http_requests_total{method="POST",route="/visits/{visit}",status="201"} 2"#,
            r#"http_request_duration_seconds_count{route="/session"} 2"#,
            r#"http_request_duration_seconds_bucket{le="0.0001",route="/session"} 0"#,
            r#"http_request_duration_seconds_bucket{le="0.00025",route="/session"} 2"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_same_is_told_under_the_names_of_the_opentelemetry_conventions() {
        let metrics = Metrics::new();
        let traffic = Traffic::new(&metrics);
        for (status, took) in
            [(StatusCode::OK, 200), (StatusCode::OK, 700), (StatusCode::NOT_FOUND, 20_000_000)]
        {
            traffic.count("/visits/{visit}", &Method::GET, status, Duration::from_micros(took));
        }
        let text = metrics.encode();
        let name = "http_server_request_duration_seconds";
        let found =
            r#"http_request_method="GET",http_route="/visits/{visit}",http_response_status_code="200""#;
        let lost = found.replace("200", "404");
        for line in [
            format!("# TYPE {name} histogram"),
            format!("{name}_count{{{found}}} 2"),
            format!("{name}_sum{{{found}}} 0.0009"),
            format!("{name}_bucket{{le=\"0.0005\",{found}}} 1"),
            format!("{name}_bucket{{le=\"0.001\",{found}}} 2"),
            format!("{name}_bucket{{le=\"10.0\",{lost}}} 0"),
            format!("{name}_bucket{{le=\"+Inf\",{lost}}} 1"),
            r#"http_request_duration_seconds_count{route="/visits/{visit}"} 3"#.to_owned(),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn invented_methods_make_no_new_series() {
        let metrics = Metrics::new();
        let invented = Method::from_bytes(b"BREW").expect("it is a token");
        Traffic::new(&metrics).count(UNMATCHED, &invented, StatusCode::NOT_FOUND, Duration::ZERO);
        assert!(metrics.encode().contains(r#"method="_OTHER""#), "{}", metrics.encode());
    }

    #[test]
    fn a_request_is_in_flight_until_its_place_is_dropped() {
        let metrics = Metrics::new();
        let traffic = Traffic::new(&metrics);
        let tells = |count: u32| {
            let text = metrics.encode();
            for name in ["http_requests_in_flight", "http_server_active_requests"] {
                assert!(text.contains(&format!("{name} {count}\n")), "{text}");
            }
        };
        let place = traffic.enter();
        tells(1);
        drop(place);
        tells(0);
    }
}
