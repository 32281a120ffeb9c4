//! The path of a request from a connection to a handler, in order, and what handlers take from it.

mod admit;
mod arriving;
mod digested;
mod extract;
mod inspecting;
mod json;
mod layers;
mod parking;
mod piece;
mod problem_document;
mod schemas;
mod service;
mod upload;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use overload::Overload;
use problem::Problem;

use admit::Admission;
pub use admit::{NoPlace, REQUEST_TIMEOUT_MS, RETRY_ATTEMPT, admit_passing};
pub(crate) use extract::enter;
pub use extract::{Caller, Params, Peer, Query, RawBody};
pub(crate) use inspecting::{Refused, inspected};
pub use json::{Body, Exact, read_json};
pub(crate) use layers::{TRACEPARENT, describe, panicked, trace};
pub use problem_document::{ProblemDocument, Refusals};
pub use schemas::{SchemaError, check_bodies};
pub(crate) use service::EdgeService;

use crate::Edge;

/// The routes of a port.
pub(crate) type Routes = Router;

/// The body of a request or an answer, whatever it is made of.
pub type Content = axum::body::Body;

/// A refusal as it is answered.
pub(crate) fn written(problem: Problem) -> axum::response::Response {
    axum::response::IntoResponse::into_response(problem)
}

/// Wraps `routes` in everything a port needs. [`crate::serve`] does it for you, once for each thread.
pub fn protect(routes: Router, edge: &Edge) -> Router {
    let admission = Admission { edge: edge.clone(), seat: edge.overload().map(Overload::seat) };
    let routes = routes.fallback(no_such_route).method_not_allowed_fallback(no_such_method);
    routes.layer(from_fn_with_state(Arc::new(admission), through_layers))
}

/// All layers, the innermost first. They are plain calls and one future: as layers of the router each would be memory
/// taken and given back, and a copy of all those within it, for every request.
async fn through_layers(State(admission): State<Arc<Admission>>, request: Request, route: Next) -> Response {
    let edge = &admission.edge;
    // Only hands on the rule: routes that do not ask who calls pay nothing for it.
    let next = async |mut request: Request| {
        request.extensions_mut().insert(edge.identify().clone());
        route.run(request).await
    };
    // Last, so that only a body that will be served is read for it: does it carry an attack?
    let next = async |request| layers::inspect(edge, request, next).await;
    // Serves the best first when too many come. Whoever waits here holds nothing but the head and what is bounded of the
    // body, and the time they wait is part of the answer's.
    let next = async |request| admit::admit(&admission, request, next).await;
    // Refuses a declared size before a byte of it is read; cuts an undeclared one, and one that is not as its digest says.
    let next = async |request| layers::bound_body(edge, request, next).await;
    // A place in the process is not held for ever, whatever a handler waits for.
    let next = async |request| layers::answer_in_time(edge, request, next).await;
    // Says what is left of the limits, and waits until the request's turn comes.
    let next = async |request| layers::take_turn(edge, request, next).await;
    // A handler that panics costs its caller an answer, and nobody else anything.
    let next = async |request| layers::survive(request, next).await;
    // Sees every answer, refusals too, and the whole time it took.
    let next = async |request| layers::observe(edge, request, next).await;
    // Before all others, so that they, and every answer, can name the request.
    layers::name(edge, request, next).await
}

async fn no_such_route() -> Problem {
    Problem::not_found("edge/no-such-route", "nothing is served at this path")
}

/// The router adds the `Allow` field, which only it knows.
async fn no_such_method() -> Problem {
    Problem::method_not_allowed("edge/method-not-allowed", "this path is served with other methods", None)
}
