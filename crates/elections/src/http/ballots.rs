//! Where a vote stands, for whoever knows its tracker.

use axum::{extract::State, http::StatusCode, response::Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use board::{Election, Hex, WhyRefused};
use clock::Timestamp;
use edge::{Params, Refusals};
use ids::Id;
use ledger::merkle::Hash;
use problem::Problem;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, private};
use crate::Elections;

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new().routes(routes!(ballot))
}

/// Where a vote stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BallotBody {
    #[schema(value_type = String)]
    tracker: Hex<32>,
    /// `RECEIVED`, and when it was checked and that is under a signed checkpoint, `CONFIRMED` or `REFUSED`.
    #[schema(example = "CONFIRMED")]
    status: &'static str,
    reason: Option<WhyRefused>,
    /// Its place on the board.
    index: u64,
    /// Cut to the minute.
    #[schema(value_type = String, format = "date-time")]
    received_at: Timestamp,
    /// The place of the entry that says what came of it.
    verdict_index: Option<u64>,
    leaf_hash: String,
    /// The exact bytes that the leaf covers, in base64: hash them with a zero byte in front.
    leaf_bytes: String,
    /// Sibling hashes from the leaf up (RFC 6962, section 2.1.1), once a checkpoint covers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    inclusion_proof: Option<Vec<Hash>>,
    /// The checkpoint that the proof leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    checkpoint: Option<String>,
}

/// Finds a vote by its tracker.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/ballots/{tracker}", tag = "elections",
    params(
        ("id" = String, Path, format = "uuid", description = "The election"),
        ("tracker" = String, Path, pattern = "^[0-9a-f]{64}$", description = "The vote's tracker"),
    ),
    responses((status = 200, description = "The vote", body = BallotBody), Refusals),
)]
async fn ballot(
    State(elections): Service,
    Params((id, tracker)): Params<(Id<Election>, String)>,
) -> Result<Response, Problem> {
    let tracker: Hex<32> =
        tracker.parse().map_err(|error| Problem::not_found("elections/no-such-ballot", error))?;
    let found = elections.board(id).await?.find(tracker).await?;
    let covered = found.proof.as_ref().map_or(0, |(_, _, size)| *size);
    // Nothing is said to be decided before everybody could hold the server to it.
    let verdict_index = found.verdict.as_ref().map(|verdict| verdict.index).filter(|index| *index < covered);
    let reason = if verdict_index.is_some() { found.refused()? } else { None };
    let status = match (verdict_index, reason) {
        (None, _) => "RECEIVED",
        (Some(_), None) => "CONFIRMED",
        (Some(_), Some(_)) => "REFUSED",
    };
    let (inclusion_proof, checkpoint) = match found.proof {
        Some((proof, note, _)) => (Some(proof), Some(note)),
        None => (None, None),
    };
    let body = BallotBody {
        tracker,
        status,
        reason,
        index: found.index,
        received_at: found.at,
        verdict_index,
        leaf_hash: found.leaf.to_base64(),
        leaf_bytes: STANDARD.encode(found.leaf_bytes),
        inclusion_proof,
        checkpoint,
    };
    Ok(private(StatusCode::OK, &body))
}
