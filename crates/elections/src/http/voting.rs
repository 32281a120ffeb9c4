//! `/api/v1/voting`: a voter gets a token by name, and votes without one.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use board::{BallotEntry, Base64, Election, Hex};
use clock::Timestamp;
use edge::{Body, Caller, Refusals};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, private};
use crate::{
    Elections,
    intake::Received,
    selections::Selection,
    tokens::{Issued, IssuedToken},
};

/// What voters are told whose votes are not secret.
const NOTICE: &str = "This election is declared non-secret: whoever runs the server can tell how you voted.";

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new().routes(routes!(token)).routes(routes!(submit))
}

/// Which token.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TokenBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    /// The blinded public key that is to vote (RFC 9497), in hexadecimal; absent where votes are not secret.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    blinded_input: Option<Hex<32>>,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TokenIssuedBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    secret: bool,
    weight: u32,
    /// The issuer's public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    issuer: Option<Hex<32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    evaluated: Option<Hex<32>>,
    /// That the issuer used its one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    proof: Option<Hex<64>>,
    /// The token itself, where votes are not secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

/// Gives the caller their token, or the same one again.
#[utoipa::path(
    post, path = "/api/v1/voting/token", tag = "elections", security(("bearer" = [])), request_body = TokenBody,
    responses((status = 200, description = "The token", body = TokenIssuedBody), Refusals),
)]
async fn token(
    State(elections): Service,
    Caller(actor): Caller,
    Body(TokenBody { election_id, blinded_input }): Body<TokenBody>,
) -> Result<Response, Problem> {
    let Issued { weight, token } = elections.issue(&actor, election_id, blinded_input).await?;
    elections.instruments().tokens.inc();
    let mut body = TokenIssuedBody {
        election_id,
        secret: true,
        weight,
        issuer: None,
        evaluated: None,
        proof: None,
        token: None,
        notice: None,
    };
    match token {
        IssuedToken::Blind { issuer, evaluated, proof } => {
            (body.issuer, body.evaluated, body.proof) = (Some(issuer), Some(evaluated), Some(proof));
        }
        IssuedToken::Open(token) => {
            (body.secret, body.token, body.notice) = (false, Some(token), Some(NOTICE));
        }
    }
    Ok(private(StatusCode::OK, &body))
}

/// A vote: encrypted `ballots` with a signature, or `selections` where votes are not secret.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"electionId": "0198f1de-8b70-7c4e-9f3a-6a2b1c3d4e5f", "token": "1.ab.cd",
    "selections": [{"contestId": "mayor", "optionId": "ada"}]}))]
struct SubmitBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    /// The token: 64 bytes in hexadecimal for a secret vote.
    token: String,
    #[serde(default)]
    selections: Option<Vec<Selection>>,
    /// The weight that the token is for.
    #[serde(default)]
    weight: Option<u32>,
    /// The key that the token is for, 32 bytes in hexadecimal.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    voter_key: Option<Hex<32>>,
    /// Which of the voter's votes it is, by their own count: the highest stands. Whole minutes since 1970, or one more than the
    /// last, do.
    #[serde(default)]
    sequence: Option<u32>,
    /// One for each contest, in order, in base64.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 50)]
    ballots: Option<Vec<Base64>>,
    /// By the voter's key, 64 bytes in hexadecimal.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{128}$")]
    signature: Option<Hex<64>>,
}

/// A vote was taken, durably. What comes of it is found by its tracker.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ReceivedBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    /// Always `RECEIVED`.
    #[schema(example = "RECEIVED")]
    status: &'static str,
    #[schema(value_type = String)]
    tracker: Hex<32>,
    /// Its place on the board.
    index: u64,
    leaf_hash: String,
    /// By the board's Ed25519 key, in base64, over the election, the place and the leaf's hash: who took the vote cannot deny it.
    signature: String,
    /// Cut to the minute.
    #[schema(value_type = String, format = "date-time")]
    received_at: Timestamp,
    secret: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
}

fn missing(what: &str) -> Problem {
    let detail =
        format!("a secret vote has `voterKey`, `sequence`, `ballots` and `signature`: {what} is missing");
    Problem::unprocessable("elections/malformed", detail)
}

/// Takes a vote. Nobody has to be signed in, and nobody should: who sends it is not looked at.
#[utoipa::path(
    post, path = "/api/v1/voting/submit", tag = "elections", request_body = SubmitBody,
    params(("X-Voter-Key" = Option<String>, Header, description = "The same as `voterKey`: requests are counted by it")),
    responses((status = 201, description = "Taken", body = ReceivedBody), Refusals),
)]
async fn submit(
    State(elections): Service,
    headers: HeaderMap,
    Body(body): Body<SubmitBody>,
) -> Result<Response, Problem> {
    let election_id = body.election_id;
    let (secret, received) = match &body.selections {
        Some(selections) => (false, elections.take_open(election_id, &body.token, selections).await?),
        None => (true, elections.take(election_id, body.vote(&headers)?).await?),
    };
    let signature = STANDARD.encode(elections.promise(election_id, &received)?);
    let Received { tracker, index, leaf, at: received_at } = received;
    let leaf_hash = leaf.to_base64();
    let notice = (!secret).then_some(NOTICE);
    let status = "RECEIVED";
    let body = ReceivedBody {
        election_id,
        status,
        tracker,
        index,
        leaf_hash,
        signature,
        received_at,
        secret,
        notice,
    };
    Ok(private(StatusCode::CREATED, &body))
}

impl SubmitBody {
    /// A secret vote.
    fn vote(self, headers: &HeaderMap) -> Result<BallotEntry, Problem> {
        let voter = self.voter_key.ok_or_else(|| missing("voterKey"))?;
        let counted = headers.get("x-voter-key").map(|key| key.as_bytes() == voter.to_string().as_bytes());
        if counted == Some(false) {
            let detail = "the field X-Voter-Key names another key than `voterKey`";
            return Err(Problem::unprocessable("elections/malformed", detail));
        }
        let token = self.token.parse();
        let token =
            token.map_err(|error: board::NotHex| Problem::unprocessable("elections/malformed", error))?;
        Ok(BallotEntry {
            voter,
            token,
            weight: self.weight.unwrap_or(1),
            sequence: self.sequence.ok_or_else(|| missing("sequence"))?,
            ballots: self.ballots.ok_or_else(|| missing("ballots"))?,
            signature: self.signature.ok_or_else(|| missing("signature"))?,
        })
    }
}
