//! `/api/v1/overload`: how every route stands. The operators' port tells it too, and is open when nothing else is.

use authz::{Actor, Guarded};
use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};
use edge::{Caller, Refusals};
use overload::{Overload, OverloadState};
use problem::Problem;
use queue::may_manage;
use utoipa::openapi::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) fn routes(overload: Overload) -> OpenApiRouter {
    described().with_state(overload)
}

pub(crate) fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Overload> {
    OpenApiRouter::new().routes(routes!(overload))
}

/// The operators' route, for those who ask from inside.
pub(crate) fn operator_routes(overload: Overload) -> Router {
    Router::new().route("/overload", get(overload_inside)).with_state(overload)
}

/// Looking at the load of the server, which is for those who look after its queues too.
struct Look;

impl Guarded for Look {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

/// How every route that was asked stands: its limit, who is at work and who waits, and which classes are refused.
#[utoipa::path(
    get, path = "/api/v1/overload", tag = "status", security(("bearer" = [])),
    responses((status = 200, description = "How every route stands", body = OverloadState), Refusals),
)]
async fn overload(State(overload): State<Overload>, Caller(actor): Caller) -> Result<Response, Problem> {
    let _ = actor.permit(Look)?;
    Ok(told(&overload))
}

async fn overload_inside(State(overload): State<Overload>) -> Response {
    told(&overload)
}

fn told(overload: &Overload) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(overload.state())).into_response()
}
