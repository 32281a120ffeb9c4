//! Answers given on the spot, for the few routes that are asked a hundred times more than the rest.
//!
//! A direct route sees the head of a request only, does not wait for anything, and passes no layer: it is
//! still named, counted and survives its own panic like the others. Whatever it declines goes to the
//! router, so a direct route holds the short way and the router the whole truth (refusals too).

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use http::Method;

use front::{Admitted, Told};

use crate::{Answer, Edge, Fields, http::panicked, traffic::RouteSlot};

/// What a direct route sees of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    pub path: &'a str,
    /// What follows the path's question mark, as it was sent.
    pub query: Option<&'a str>,
    pub fields: Fields<'a>,
}

type Respond = Arc<dyn Fn(Ask<'_>) -> Option<Answer> + Send + Sync>;

/// The direct routes of a port: few, since they are searched in a row.
#[derive(Clone, Default)]
pub struct Direct(Vec<DirectRoute>);

#[derive(Clone)]
struct DirectRoute {
    method: Method,
    path: &'static str,
    respond: Respond,
}

impl Direct {
    /// No direct routes.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a route for exactly this method and path (no template). `respond` must not block; `None`
    /// passes the request on to the router, as every request with a body is.
    #[must_use]
    pub fn route(
        mut self,
        method: Method,
        path: &'static str,
        respond: impl Fn(Ask<'_>) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        self.0.push(DirectRoute { method, path, respond: Arc::new(respond) });
        self
    }

    /// These routes and those of another service.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The routes with the places where they are counted.
    pub(crate) fn bind(&self, edge: &Edge) -> BoundRoutes {
        let bind = |route: &DirectRoute| (route.clone(), edge.traffic().bind(route.path));
        BoundRoutes(self.0.iter().map(bind).collect())
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|route| (&route.method, route.path))).finish()
    }
}

/// The direct routes of a port that is served.
#[derive(Clone)]
pub(crate) struct BoundRoutes(Vec<(DirectRoute, RouteSlot)>);

impl BoundRoutes {
    /// What the route of this method and path answers; nothing if there is none, or it declines, or the request has
    /// to wait.
    pub(crate) fn answer(
        &self,
        edge: &Edge,
        method: &str,
        ask: Ask<'_>,
        admitted: &Admitted,
    ) -> Option<Answer> {
        if !admitted.is_settled() {
            return None;
        }
        let (route, slot) =
            self.0.iter().find(|(route, _)| route.path == ask.path && route.method.as_str() == method)?;
        let stopwatch = edge.clock().stopwatch();
        let answer = match catch_unwind(AssertUnwindSafe(|| (route.respond)(ask))) {
            Ok(answer) => answer?,
            Err(panic) => Answer::refusing(&panicked(&*panic)),
        };
        edge.traffic().count_bound(*slot, &route.method, answer.status, stopwatch.elapsed());
        let told = admitted.told.iter().flat_map(Told::fields);
        Some(told.fold(answer, |answer, (name, value)| answer.with_field(name, value)))
    }
}
