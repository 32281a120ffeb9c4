//! `…/board`: an election's ledger, for everybody: checkpoints, tiles (C2SP tlog-tiles), entries and proofs.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use board::Election;
use cache::{Keep, public};
use clock::Timestamp;
use edge::{Params, Query, Refusals};
use ids::Id;
use ledger::{ENTRIES_MAX, Entry, Ledger, LogError, merkle::Hash};
use problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, private, public::FOR_EVER};
use crate::{Elections, boards::Board};

/// Entries or hashes in a full tile.
const TILE: u64 = 256;

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(entries))
        .routes(routes!(consistency))
        .routes(routes!(tile))
        .routes(routes!(tile_of_two))
        .routes(routes!(tile_of_three))
        .routes(routes!(tile_of_four))
}

/// The newest checkpoint of an election's board: a C2SP signed note.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/board/checkpoint", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The checkpoint", body = String, content_type = "text/plain; charset=utf-8"), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn checkpoint(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let published = elections.board(id).await?.ledger.published().ok_or_else(|| {
        Problem::not_found(
            "elections/no-checkpoint",
            "nothing stands on the board yet; ask again in a second",
        )
    })?;
    let (note, kind) = (published.note.clone().into(), "text/plain; charset=utf-8");
    Ok(public(&asked, kind, note, Keep::ASK_EACH_TIME, &[]).map(Body::from))
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Range {
    /// The first entry; nought if absent.
    from: Option<u64>,
    /// How many, at most 1,000.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    limit: Option<u32>,
}

/// Some entries.
#[derive(Serialize, ToSchema)]
struct BoardEntriesBody {
    entries: Vec<BoardEntryBody>,
    /// What to send as `from` to read on.
    next: u64,
}

/// One entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BoardEntryBody {
    index: u64,
    /// Cut to the minute.
    #[schema(value_type = String, format = "date-time")]
    at: Timestamp,
    /// What kind of entry it is.
    #[schema(example = "election/ballot")]
    command: String,
    #[schema(value_type = Object)]
    body: Box<RawValue>,
    leaf_hash: String,
    /// The exact bytes that the leaf covers, in base64: hash them with a zero byte in front.
    leaf_bytes: String,
}

impl BoardEntryBody {
    fn of(entry: Entry) -> Result<Self, Problem> {
        let (leaf_hash, leaf_bytes) = (entry.leaf().to_base64(), STANDARD.encode(entry.leaf_bytes()));
        let Entry { index, at, command, body, .. } = entry;
        let body = String::from_utf8(body).map_err(|error| Problem::internal(&error))?;
        let body = RawValue::from_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { index, at, command, body, leaf_hash, leaf_bytes })
    }
}

/// Reads entries of a board, in order.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/board/entries", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election"), Range),
    responses((status = 200, description = "The entries", body = BoardEntriesBody), Refusals),
)]
async fn entries(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    Query(Range { from, limit }): Query<Range>,
) -> Result<Response, Problem> {
    let board = elections.board(id).await?;
    let from = from.unwrap_or(0);
    let found = board.ledger.entries(from, limit.unwrap_or(ENTRIES_MAX)).await?;
    let next = found.last().map_or(from, |last| last.index + 1);
    let entries = found.into_iter().map(BoardEntryBody::of).collect::<Result<_, _>>()?;
    Ok(private(StatusCode::OK, &BoardEntriesBody { entries, next }))
}

/// From one size of the board to another.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Sizes {
    /// The smaller size, at least 1.
    #[param(minimum = 1)]
    from: u64,
    /// The larger size, under the newest checkpoint.
    #[param(minimum = 1)]
    to: u64,
}

/// A proof that nothing was taken back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct BoardConsistencyBody {
    from: u64,
    to: u64,
    /// Hashes in the order of RFC 6962, section 2.1.2, in base64.
    #[schema(value_type = Vec<String>)]
    consistency_proof: Vec<Hash>,
}

/// Proves that a board of one size continues that of a smaller one.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/board/consistency", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election"), Sizes),
    responses((status = 200, description = "The proof", body = BoardConsistencyBody), Refusals),
)]
async fn consistency(
    State(elections): Service,
    Params(id): Params<Id<Election>>,
    Query(Sizes { from, to }): Query<Sizes>,
) -> Result<Response, Problem> {
    let consistency_proof = elections.board(id).await?.ledger.consistency(from, to).await?;
    Ok(private(StatusCode::OK, &BoardConsistencyBody { from, to, consistency_proof }))
}

/// Declares the routes of tiles: a number has as many parts as it needs.
macro_rules! tiles {
    ($($name:ident $path:literal ($($part:ident = $word:literal),+);)+) => { $(
        /// A tile of the board's tree, or a bundle of its entries, as C2SP tlog-tiles has them.
        #[utoipa::path(
            get, path = $path, tag = "elections",
            params(
                ("id" = String, Path, format = "uuid", description = "The election"),
                ("level" = String, Path, pattern = "^(entries|[0-9]{1,2})$", description = "A level from 0, or `entries`"),
                $(($word = String, Path, pattern = "^(x?[0-9]{3}|[0-9]{3}\\.p|[0-9]{1,3})$", description = "A part of the tile's number")),+
            ),
            responses((status = 200, description = "The tile", content_type = "application/octet-stream"), (status = 304, description = "The caller has it already"), Refusals),
        )]
        async fn $name(
            State(elections): Service,
            Params((id, level, $($part),+)): Params<(Id<Election>, String, $(tiles!(@text $part)),+)>,
            asked: HeaderMap,
        ) -> Result<Response, Problem> {
            let board = elections.board(id).await?;
            serve_tile(&board, &level, &[$($part),+].join("/"), &asked).await
        }
    )+ };
    (@text $part:ident) => { String };
}

tiles! {
    tile "/api/v1/public/elections/{id}/board/tile/{level}/{a}" (a = "a");
    tile_of_two "/api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}" (a = "a", b = "b");
    tile_of_three "/api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}/{c}" (a = "a", b = "b", c = "c");
    tile_of_four "/api/v1/public/elections/{id}/board/tile/{level}/{a}/{b}/{c}/{d}" (a = "a", b = "b", c = "c", d = "d");
}

fn no_such_tile() -> Problem {
    Problem::not_found("elections/no-such-tile", "there is no such tile under the newest checkpoint")
}

/// The number of a tile and how wide it is: `x001/x234/067`, and with `.p/8` behind it, 8 of it.
fn read_number(path: &str) -> Option<(u64, u64)> {
    let (number, width) = match path.split_once(".p/") {
        Some((number, width)) => {
            let width: u64 = width.parse().ok().filter(|width| (1..TILE).contains(width))?;
            (number, width)
        }
        None => (path, TILE),
    };
    let parts: Vec<&str> = number.split('/').collect();
    let (last, before) = parts.split_last()?;
    let mut value = 0_u64;
    for part in before.iter().map(|part| part.strip_prefix('x')).chain([Some(*last)]) {
        let digits = part.filter(|part| part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        value = value * 1000 + digits.parse::<u64>().ok()?;
    }
    Some((value, width))
}

async fn serve_tile(
    board: &Arc<Board>,
    level: &str,
    path: &str,
    asked: &HeaderMap,
) -> Result<Response, Problem> {
    let (number, width) = read_number(path).ok_or_else(no_such_tile)?;
    let bytes = if level == "entries" {
        bundle(&board.ledger, number, width).await?
    } else {
        let level: u8 = level.parse().map_err(|_| no_such_tile())?;
        let tile = board.ledger.tile(level, number, width).await;
        tile.map_err(|error| {
            if matches!(error, LogError::NoSuchSize { .. }) { no_such_tile() } else { error.into() }
        })?
    };
    Ok(public(asked, "application/octet-stream", bytes.into(), FOR_EVER, &[]).map(Body::from))
}

/// Entries, each behind its length in two bytes.
async fn bundle(ledger: &Ledger, number: u64, width: u64) -> Result<Vec<u8>, Problem> {
    let size = ledger.published().map_or(0, |published| published.checkpoint.size());
    let from = number
        .checked_mul(TILE)
        .filter(|from| from.saturating_add(width) <= size)
        .ok_or_else(no_such_tile)?;
    let entries = ledger.entries(from, u32::try_from(width).unwrap_or(u32::MAX)).await?;
    let mut bytes = Vec::new();
    for entry in entries {
        let leaf = entry.leaf_bytes();
        let length = u16::try_from(leaf.len()).map_err(|error| Problem::internal(&error))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(leaf);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_tiles_have_one_spelling() {
        let found = ["067", "x001/x234/067", "000.p/8", "x001/005.p/255"].map(read_number);
        let expected = [(67, 256), (1_234_067, 256), (0, 8), (1005, 255)];
        assert_eq!(found, expected.map(Some));
        for wrong in ["67", "x067", "001/067", "067.p/256", "067.p/0", "x001", "", "0x7", "067/"] {
            assert_eq!(read_number(wrong), None, "{wrong}");
        }
    }
}
