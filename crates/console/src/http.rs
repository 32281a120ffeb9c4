//! `/console`: the page, what it follows, and what operators change by it.

mod live;
mod names;
mod operate;

pub use self::names::under;
use authz::{Actor, Guarded, Role};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use edge::Caller;
use problem::Problem;

use crate::Console;

/// The operators' port: `operators` are the process's own operators' routes, for programs as they are and for people by the console, and of
/// each change it is recorded who asked for it; `api` are the public ones, so that the page needs no other port.
pub fn routes(console: &Console, operators: Router, api: Router) -> Router {
    let own = Router::new()
        .route("/", get(async || Redirect::temporary("/console")))
        .route("/console", get(async || pages::console()))
        .route("/console/live", get(live::follow))
        .route("/console/settings", get(settings))
        .with_state(console.clone());
    own.nest(operate::FOR_PEOPLE, operate::for_people(console, operators.clone()))
        .merge(operate::for_programs(console, operators))
        .merge(pages::assets())
        .merge(api)
}

/// Looking at how a process is.
struct Look;

impl Guarded for Look {
    fn allows(&self, actor: &Actor) -> bool {
        [Role::Operator, Role::Administrator, Role::Auditor].iter().any(|role| actor.has(*role))
    }
}

/// The settings as they were read, without what is secret.
async fn settings(State(console): State<Console>, Caller(actor): Caller) -> Result<Response, Problem> {
    let _ = actor.permit(Look)?;
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::OK, kind, (console.0.settings)()).into_response())
}
