//! The path of a request from a connection to a handler, in order, and what handlers take from it.

mod admit;
mod arriving;
mod digested;
mod extract;
mod inspecting;
mod json;
mod layers;
mod parking;
mod problem_document;
mod schemas;
mod service;

use axum::{
    Extension, Router,
    middleware::{from_fn, from_fn_with_state},
};
use overload::Overload;
use problem::Problem;
use tower::ServiceBuilder;

use admit::Admission;
pub use admit::{REQUEST_TIMEOUT_MS, RETRY_ATTEMPT, admit_passing};
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

/// Wraps `routes` in everything a port needs, outermost first. [`crate::serve`] does it for you,
/// once for each thread.
pub fn protect(routes: Router, edge: &Edge) -> Router {
    let admission = Admission { edge: edge.clone(), seat: edge.overload().map(Overload::seat) };
    routes.fallback(no_such_route).method_not_allowed_fallback(no_such_method).layer(
        ServiceBuilder::new()
            // First, so that all others, and every answer, can name the request.
            .layer(from_fn_with_state(edge.clone(), layers::name))
            // Sees every answer, refusals too, and the whole time it took.
            .layer(from_fn_with_state(edge.clone(), layers::observe))
            // A handler that panics costs its caller an answer, and nobody else anything.
            .layer(from_fn(layers::survive))
            // Says what is left of the limits, and waits until the request's turn comes.
            .layer(from_fn_with_state(edge.clone(), layers::take_turn))
            // A place in the process is not held for ever, whatever a handler waits for.
            .layer(from_fn_with_state(edge.clone(), layers::answer_in_time))
            // Refuses a declared size before a byte of it is read; cuts an undeclared one, and one that is not as its
            // digest says.
            .layer(from_fn_with_state(edge.clone(), layers::bound_body))
            // Serves the best first when too many come. Whoever waits here holds nothing but the head and what is
            // bounded of the body, and the time they wait is part of the answer's.
            .layer(from_fn_with_state(admission, admit::admit))
            // Last, so that only a body that will be served is read for it: does it carry an attack?
            .layer(from_fn_with_state(edge.clone(), layers::inspect))
            // Only hands on the rule: routes that do not ask who calls pay nothing for it.
            .layer(Extension(edge.identify().clone())),
    )
}

async fn no_such_route() -> Problem {
    Problem::not_found("edge/no-such-route", "nothing is served at this path")
}

/// The router adds the `Allow` field, which only it knows.
async fn no_such_method() -> Problem {
    Problem::method_not_allowed("edge/method-not-allowed", "this path is served with other methods", None)
}
