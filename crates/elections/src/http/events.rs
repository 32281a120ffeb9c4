//! `…/events`: an election's progress as it happens, as a stream of server-sent events (WHATWG HTML, section 9.2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use board::Election;
use bytes::Bytes;
use clock::{Clock, Stopwatch};
use edge::{Params, Refusals};
use futures_util::stream;
use ids::Id;
use problem::Problem;
use serde::Serialize;
use tokio::sync::watch;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Service;
use crate::{
    Elections,
    board_rows::BoardState,
    boards::Board,
    read::{json, state_word},
};

/// Between two events, at least.
const PAUSE: Duration = Duration::from_millis(500);
/// Without an event a comment is sent, so that nobody in between takes the connection for dead.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// After this the stream ends, and whoever listens comes again, perhaps to another node.
const LIFE: Duration = Duration::from_mins(5);

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new().routes(routes!(events))
}

/// How an election stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProgressBody {
    election_id: Id<Election>,
    state: &'static str,
    issued: u64,
    received: u64,
    confirmed: u64,
    refused: u64,
    board_size: u64,
    checkpoint_size: u64,
}

/// Somebody who listens.
struct Listener {
    elections: Elections,
    board: Arc<Board>,
    states: watch::Receiver<BoardState>,
    since: Stopwatch,
    begun: bool,
}

/// An election's progress, live: an event `progress` at once and after each change, at most twice a second.
#[utoipa::path(
    get, path = "/api/v1/public/elections/{id}/events", tag = "elections",
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The events", body = String, content_type = "text/event-stream"), Refusals),
)]
async fn events(State(elections): Service, Params(id): Params<Id<Election>>) -> Result<Response, Problem> {
    let board = elections.board(id).await?;
    let states = board.states();
    let listener = Listener { elections, board, states, since: Clock::System.stopwatch(), begun: false };
    let stream = stream::unfold(listener, |mut listener| async move {
        let bytes = listener.next().await?;
        Some((Ok::<_, Infallible>(bytes), listener))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

impl Listener {
    /// What is sent next; nothing at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if self.since.elapsed() > LIFE {
            return None;
        }
        if !std::mem::replace(&mut self.begun, true) {
            return self.progress().await;
        }
        let mut checkpoints = self.board.ledger.checkpoints();
        let changed = async {
            tokio::select! {
                changed = self.states.changed() => changed,
                changed = checkpoints.changed() => changed,
            }
        };
        match tokio::time::timeout(SIGN_OF_LIFE, changed).await {
            Err(_) => Some(Bytes::from_static(b":\n\n")),
            Ok(Err(_)) => None,
            Ok(Ok(())) => {
                tokio::time::sleep(PAUSE).await;
                self.progress().await
            }
        }
    }

    async fn progress(&mut self) -> Option<Bytes> {
        let state = self.states.borrow_and_update().clone();
        let reading = self.elections.reading();
        // A database that cannot be read ends the stream; whoever listens comes again.
        let row = reading.row(self.board.election).await.ok()??;
        let secret = row.definition().ok()?.secret;
        let issued = reading.issued(&row).await.ok()?.iter().map(|count| count.issued).sum();
        let published = self.board.ledger.published();
        let body = ProgressBody {
            election_id: row.id,
            state: state_word(&row, state.phase(), secret),
            issued,
            received: state.votes,
            confirmed: state.checked.saturating_sub(state.refused),
            refused: state.refused,
            board_size: state.entries,
            checkpoint_size: published.map_or(0, |published| published.checkpoint.size()),
        };
        let text = json(&body).ok()?;
        Some(format!("event: progress\nid: {}\ndata: {text}\n\n", state.entries).into())
    }
}
