//! The routes of this service.

mod ballots;
mod board;
mod bodies;
mod events;
mod officers;
mod public;
mod trustees;
mod voting;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
pub(crate) use bodies::{ElectionBody, ResultBody, TurnoutBody};
use problem::Problem;
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::Elections;

/// Every route of the service, with its description.
pub fn routes(elections: Elections) -> OpenApiRouter {
    described().with_state(elections)
}

/// The description of those routes.
#[must_use]
pub fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Elections> {
    OpenApiRouter::new()
        .merge(officers::routes())
        .merge(public::routes())
        .merge(events::routes())
        .merge(ballots::routes())
        .merge(board::routes())
        .merge(trustees::routes())
        .merge(voting::routes())
}

/// The service's state as handlers take it.
type Service = axum::extract::State<Elections>;

/// A JSON answer for whoever asked, which no cache may keep.
fn private<T: Serialize>(status: StatusCode, body: &T) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

/// Text of ours that is JSON already.
fn json_text(text: &str) -> bytes::Bytes {
    bytes::Bytes::copy_from_slice(text.as_bytes())
}

/// What a room could not read, as the caller learns of it.
fn unloaded(error: &cache::Unloaded<Problem>) -> Problem {
    match error {
        cache::Unloaded::Failed(problem) => Problem::clone(problem),
        panicked @ cache::Unloaded::Panicked => {
            Problem::internal(&std::io::Error::other(panicked.to_string()))
        }
    }
}
