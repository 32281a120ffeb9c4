//! What everybody sees of elections.

use std::sync::Arc;

use authz::{Actor, Role};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use board::{Election, Hex};
use cache::{Keep, public, tell_age};
use edge::{Caller, Params, Query, Refusals};
use futures_util::{StreamExt, stream};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ElectionBody, ResultBody, Service, TurnoutBody,
    bodies::{YouBody, visible},
    json_text, private, unloaded,
};
use crate::{
    Elections,
    blobs::no_such_blob,
    board_rows::Phase,
    create_election::no_such_election,
    elections::Answers,
    people::voter_hash,
    read::not_published,
    rows::{RollLine, TokenIssued},
    sql,
};

/// Elections on one page, at most.
const PAGE_MAX: u32 = 100;

/// Kept for a minute, by caches in between too, which hear of changes.
const A_MINUTE: Keep = Keep { max_age_s: 5, shared_max_age_s: 60, stale_while_revalidate_s: 10 };
/// Results do not change.
const A_QUARTER: Keep = Keep { max_age_s: 60, shared_max_age_s: 900, stale_while_revalidate_s: 60 };
/// What is named by its hash never changes.
pub(super) const FOR_EVER: Keep =
    Keep { max_age_s: 31_536_000, shared_max_age_s: 31_536_000, stale_while_revalidate_s: 0 };

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new()
        .routes(routes!(elections))
        .routes(routes!(election))
        .routes(routes!(public_election))
        .routes(routes!(turnout))
        .routes(routes!(results))
        .routes(routes!(public_results))
        .routes(routes!(blob))
}

/// Which page of elections.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The last election of the page before.
    #[param(value_type = Option<String>, format = "uuid")]
    after: Option<Id<Election>>,
    /// How many, at most 100.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    limit: Option<u32>,
}

/// A page of elections.
#[derive(Serialize, ToSchema)]
struct ElectionsBody {
    elections: Vec<ElectionBody>,
    /// What to send as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    next: Option<Id<Election>>,
}

/// Lists elections, the newest first. Officers see drafts, too.
#[utoipa::path(
    get, path = "/api/v1/elections", tag = "elections", params(Page),
    responses((status = 200, description = "A page of elections", body = ElectionsBody), Refusals),
)]
async fn elections(
    State(elections): Service,
    Caller(actor): Caller,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let limit = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let drafts = actor.has(Role::Officer);
    let read =
        move |snapshot: &store::Snapshot<'_>| sql::elections_before(snapshot, page.after, drafts, limit);
    let rows = elections.ledger().readers().read(read).await?;
    let full = rows.len() == limit as usize;
    let next = rows.last().map(|row| row.id).filter(|_| full);
    let mut bodies = Vec::with_capacity(rows.len());
    for row in rows {
        bodies.push(ElectionBody::of(&elections.reading().listed(row).await?)?);
    }
    Ok(private(StatusCode::OK, &ElectionsBody { elections: bodies, next }))
}

/// What an actor sees of an election, and what it is to them.
pub(super) async fn seen_by(
    elections: &Elections,
    actor: &Actor,
    id: Id<Election>,
) -> Result<ElectionBody, Problem> {
    let officer = actor.has(Role::Officer);
    let known = visible(elections.reading().known(id).await?, officer)?;
    let mut body = ElectionBody::of(&known)?;
    let Some(person) = actor.by().person() else { return Ok(body) };
    let (mut line, mut issued) = (None, None);
    if let Some(index) = elections.people().index_of(person).await? {
        let voter = voter_hash(elections.keys(), id, &index);
        let read = move |snapshot: &store::Snapshot<'_>| {
            Ok((snapshot.get::<RollLine>(&(id, voter))?, snapshot.get::<TokenIssued>(&(id, voter))?))
        };
        (line, issued) = elections.ledger().readers().read(read).await?;
    }
    body.you = Some(YouBody {
        officer,
        trustee: known.row.trustee(person)?,
        eligible: line.is_some(),
        weight: line.map(|line| line.weight),
        token_issued: issued.is_some(),
        voters: officer.then_some(known.row.voters),
    });
    Ok(body)
}

/// Shows an election, and what it is to the caller.
#[utoipa::path(
    get, path = "/api/v1/elections/{id}", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The election", body = ElectionBody), Refusals),
)]
async fn election(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
) -> Result<Response, Problem> {
    Ok(private(StatusCode::OK, &seen_by(&elections, &actor, id).await?))
}

/// An answer that many get alike.
async fn kept(
    room: &Answers,
    id: Id<Election>,
    asked: &HeaderMap,
    keep: Keep,
    absent: fn() -> Problem,
) -> Result<Response, Problem> {
    let found = room.get(&id.to_string()).await.map_err(|error| unloaded(&error))?;
    let text = found.value.as_deref().ok_or_else(absent)?;
    let key = format!("election:{id}");
    let mut answer = public(asked, "application/json", json_text(text), keep, &[&key]);
    tell_age(&found, answer.headers_mut());
    Ok(answer.map(Body::from))
}

/// Shows an election as everybody sees it. Caches keep it for a minute.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The election", body = ElectionBody), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn public_election(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    kept(elections.shown(), id, &asked, A_MINUTE, no_such_election).await
}

/// How many have voted. Caches keep it for a minute.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/turnout", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The turnout", body = TurnoutBody), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn turnout(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    kept(elections.turnouts(), id, &asked, A_MINUTE, no_such_election).await
}

/// The results, once they are published. Caches keep them for a quarter of an hour.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/results", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The results", body = ResultBody), (status = 304, description = "The caller has them already"), Refusals),
)]
async fn public_results(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    kept(elections.results(), id, &asked, A_QUARTER, not_published).await
}

/// The results; for officers, as soon as they are counted.
#[utoipa::path(
    get, path = "/api/v1/elections/{id}/results", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The results", body = ResultBody), Refusals),
)]
async fn results(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
) -> Result<Response, Problem> {
    let board = elections.board(id).await?;
    let enough = if actor.has(Role::Officer) { Phase::Counted } else { Phase::Published };
    let phase = board.phase_for(&[Phase::Published]).await?;
    if !(enough..=Phase::Published).contains(&phase) {
        return Err(not_published());
    }
    Ok(private(StatusCode::OK, &elections.reading().results(&board).await?))
}

/// What an entry of the board names by its SHA-256.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/blobs/{hash}", tag = "elections",
    params(
        ("id" = String, Path, format = "uuid", description = "The election"),
        ("hash" = String, Path, pattern = "^[0-9a-f]{64}$", description = "Its SHA-256"),
    ),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream"), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn blob(
    State(elections): Service,
    Params((id, hash)): Params<(Id<Election>, String)>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let hash: Hex<32> = hash.parse().map_err(|_| no_such_blob())?;
    let board = elections.board(id).await?;
    let pieces = board.pieces_of(hash).await?;
    // Its name stands for it: whoever has what it names has all of it.
    let answer = public(&asked, "application/octet-stream", hash.0.to_vec().into(), FOR_EVER, &[]);
    if answer.status() != StatusCode::OK {
        return Ok(answer.map(Body::from));
    }
    // A piece at a time, however large the whole is and however many ask for it.
    let pieces = stream::iter(0..pieces).then(move |piece| {
        let board = Arc::clone(&board);
        async move {
            let read = board.piece(hash, piece).await;
            read.map_err(|problem| std::io::Error::other(problem.detail().to_owned()))
        }
    });
    Ok(answer.map(|_| Body::from_stream(pieces)))
}
