//! `/waiting-rooms` on the operators' port.

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post, put},
};
use edge::{Body, RoomStateNamed, Rooms};
use problem::Problem;
use serde::Deserialize;
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
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
