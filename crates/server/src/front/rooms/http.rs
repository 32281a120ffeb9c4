//! `/waiting-rooms` on the operators' port, and `/api/v1/waiting-rooms` for services that know when there is nothing left.

use authz::Actor;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post, put},
};
use edge::{Body, Caller, Params, Refusals, RoomStateNamed, Rooms};
use identity::{Identity, RecordOperation};
use problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};
use waiting::Reason;

/// People in 1,000 seconds that an operator may have let in.
const RATE_MILLI_MAX: f64 = 1e9;

pub(crate) fn operator_routes(rooms: Rooms) -> Router {
    Router::new()
        .route("/waiting-rooms", get(see))
        .route("/waiting-rooms/{name}/close", post(close))
        .route("/waiting-rooms/{name}/open", post(open))
        .route("/waiting-rooms/{name}/rate", put(let_in))
        .with_state(rooms)
}

async fn see(State(rooms): State<Rooms>) -> Json<Vec<RoomStateNamed>> {
    Json(rooms.state())
}

pub(crate) fn routes(rooms: Rooms, identity: Identity) -> OpenApiRouter {
    described().with_state(Kept { rooms, identity })
}

pub(crate) fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Kept> {
    OpenApiRouter::new().routes(routes!(close_by_service)).routes(routes!(open_by_service))
}

/// Rooms, and where it is recorded who had the last word about them.
#[derive(Clone)]
struct Kept {
    rooms: Rooms,
    identity: Identity,
}

impl Kept {
    /// Records what somebody asks for, before it is done. Who asks for a room that is not there is told so, and asked for nothing.
    async fn record(&self, actor: &Actor, what: Operated<'_>) -> Result<(), Problem> {
        let operation = RecordOperation::of("POST", what.route).set_to(Some(what.to));
        let permitted = actor.permit(operation)?;
        if !self.rooms.state().iter().any(|room| room.name == what.room) {
            return Err(no_such_room());
        }
        self.identity.ledger().submit(permitted).await?;
        Ok(())
    }
}

/// What is asked of a room.
struct Operated<'a> {
    room: &'a str,
    route: &'static str,
    to: Value,
}

/// Tells everybody who waits that there is nothing left to wait for, at all nodes.
#[utoipa::path(
    post, path = "/api/v1/waiting-rooms/{room}/close", tag = "waiting-rooms", security(("bearer" = [])),
    params(("room" = String, Path, description = "The room's name")), request_body = Closing,
    responses((status = 204, description = "They are told"), Refusals),
)]
async fn close_by_service(
    State(kept): State<Kept>,
    Caller(actor): Caller,
    Params(room): Params<String>,
    Body(body): Body<Closing>,
) -> Result<StatusCode, Problem> {
    let to = json!({ "room": room, "reason": body.reason });
    kept.record(&actor, Operated { room: &room, route: "/api/v1/waiting-rooms/{room}/close", to }).await?;
    kept.rooms.close(&room, body.reason).await.ok_or_else(no_such_room)?;
    let by = actor.by();
    tracing::info!(code = "server/waiting-room-closed", room, reason = ?body.reason, %by, "a waiting room was closed");
    Ok(StatusCode::NO_CONTENT)
}

/// Opens a room again, or before its time.
#[utoipa::path(
    post, path = "/api/v1/waiting-rooms/{room}/open", tag = "waiting-rooms", security(("bearer" = [])),
    params(("room" = String, Path, description = "The room's name")),
    responses((status = 204, description = "It is open"), Refusals),
)]
async fn open_by_service(
    State(kept): State<Kept>,
    Caller(actor): Caller,
    Params(room): Params<String>,
) -> Result<StatusCode, Problem> {
    let to = json!({ "room": room });
    kept.record(&actor, Operated { room: &room, route: "/api/v1/waiting-rooms/{room}/open", to }).await?;
    kept.rooms.open(&room).await.ok_or_else(no_such_room)?;
    tracing::info!(code = "server/waiting-room-opened", room, by = %actor.by(), "a waiting room was opened");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Closing {
    /// `sold-out`, `ended`, `cancelled` or `postponed`.
    #[schema(value_type = String, pattern = "^(sold-out|ended|cancelled|postponed)$", example = "sold-out")]
    reason: Reason,
}

async fn close(
    State(rooms): State<Rooms>,
    Path(name): Path<String>,
    Body(body): Body<Closing>,
) -> Result<Json<RoomStateNamed>, Problem> {
    let state = rooms.close(&name, body.reason).await.ok_or_else(no_such_room)?;
    tracing::info!(code = "server/waiting-room-closed", room = name, reason = ?body.reason, "an operator closed a waiting room");
    Ok(Json(state))
}

async fn open(State(rooms): State<Rooms>, Path(name): Path<String>) -> Result<Json<RoomStateNamed>, Problem> {
    let state = rooms.open(&name).await.ok_or_else(no_such_room)?;
    tracing::info!(code = "server/waiting-room-opened", room = name, "an operator opened a waiting room");
    Ok(Json(state))
}

/// How fast people are let in; as the settings say if nothing is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Rate {
    #[serde(default)]
    per_second: Option<f64>,
}

async fn let_in(
    State(rooms): State<Rooms>,
    Path(name): Path<String>,
    Body(body): Body<Rate>,
) -> Result<Json<RoomStateNamed>, Problem> {
    let rate_milli = body.per_second.map(milli).transpose()?;
    let state = rooms.let_in(&name, rate_milli).await.ok_or_else(no_such_room)?;
    tracing::info!(code = "server/waiting-room-rate", room = name, rate_milli, "an operator changed a rate");
    Ok(Json(state))
}

fn milli(per_second: f64) -> Result<u32, Problem> {
    let rate = (per_second * 1000.0).round();
    if !(0.0..=RATE_MILLI_MAX).contains(&rate) {
        let detail = "a rate is from 0 to a million people a second";
        return Err(Problem::unprocessable("server/rate-out-of-range", detail));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within its bounds")]
    Ok(rate as u32)
}

fn no_such_room() -> Problem {
    Problem::not_found("server/no-such-waiting-room", "the settings have no waiting room of this name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_kept_to_a_thousandth() {
        for (said, kept) in
            [(0.0, Some(0)), (0.25, Some(250)), (50.0, Some(50_000)), (-1.0, None), (2e6, None)]
        {
            assert_eq!(milli(said).ok(), kept, "{said}");
        }
        assert!(milli(f64::NAN).is_err());
    }
}
