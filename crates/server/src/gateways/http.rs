//! `/gateways` on the operators' port.

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use edge::{Body, Params};
use problem::Problem;
use serde_json::Value;

use super::{ANSWER_MAX, Gateways, Seen};

pub(crate) fn operator_routes(gateways: Gateways) -> Router {
    Router::new()
        .route("/gateways", get(look))
        .route("/gateways/{number}/routes/{route}/weights", put(move_weights))
        .with_state(gateways)
}

async fn look(State(gateways): State<Gateways>) -> Json<Vec<Seen>> {
    Json(gateways.look().await)
}

/// What the gateway answers is answered here.
async fn move_weights(
    State(gateways): State<Gateways>,
    Params((number, route)): Params<(usize, String)>,
    Body(to): Body<Value>,
) -> Result<Response, Problem> {
    let none = || Problem::not_found("server/no-such-gateway", "the settings name no such gateway");
    // It becomes a part of a path elsewhere.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !route.bytes().all(plain) {
        return Err(none());
    }
    let said = gateways.move_weights(number, &route, &to).await.ok_or_else(none)?;
    let away = |error| Problem::unavailable("server/gateway-away", format!("{error:#}"), ANSWER_MAX);
    let said = said.map_err(away)?;
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::BAD_GATEWAY);
    if said.body.is_empty() {
        return Ok(status.into_response());
    }
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    Ok((status, [(header::CONTENT_TYPE, kind)], said.body).into_response())
}
