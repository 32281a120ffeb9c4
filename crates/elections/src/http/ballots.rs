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
use crate::{Elections, read::Shown};

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
    /// The tracker of the vote that the same voter made later, if that one stands instead of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    superseded_by: Option<Hex<32>>,
    /// So many votes were sent in this voter's name that do not hold that the one that stands was not looked for: all of the board
    /// tells.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    buried: bool,
    /// Cut to the minute.
    #[schema(value_type = String, format = "date-time")]
    received_at: Timestamp,
    #[serde(flatten)]
    vote: LeafBody,
    /// The entry that says what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<LeafBody>,
}

/// An entry of the board, to be checked by whoever reads it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LeafBody {
    /// Its place on the board.
    index: u64,
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

impl From<Shown> for LeafBody {
    fn from(Shown { entry, proof }: Shown) -> Self {
        let (inclusion_proof, checkpoint) = proof.unzip();
        Self {
            index: entry.index,
            leaf_hash: entry.leaf().to_base64(),
            leaf_bytes: STANDARD.encode(entry.leaf_bytes()),
            inclusion_proof,
            checkpoint,
        }
    }
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
    let status = match found.judged.as_ref().map(|judged| judged.refused) {
        None => "RECEIVED",
        Some(None) => "CONFIRMED",
        Some(Some(_)) => "REFUSED",
    };
    let body = BallotBody {
        tracker,
        status,
        reason: found.judged.as_ref().and_then(|judged| judged.refused),
        superseded_by: found.judged.as_ref().and_then(|judged| judged.superseded_by),
        buried: found.judged.as_ref().is_some_and(|judged| judged.is_buried),
        received_at: found.vote.entry.at,
        vote: found.vote.into(),
        verdict: found.judged.map(|judged| judged.shown.into()),
    };
    Ok(private(StatusCode::OK, &body))
}
