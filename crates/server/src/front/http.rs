//! `/front`, `/blocks`, `/attack`, `/hand-over` and `/reload` on the operators' port.

use authz::{Actor, By};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post, put},
};
use clock::{Clock, Timestamp};
use edge::{AttackMode, Block, Body, Caller, Front, FrontState, Peer, Query};
use ipnet::IpNet;
use problem::Problem;
use serde::{Deserialize, Serialize};

use crate::{hand_over::HandOver, reload::Reload};

/// Blocks that one answer lists.
const BLOCKS_MAX: usize = 1000;

/// How long a block may last, in seconds.
const BLOCK_SECONDS_MAX: u64 = 366 * 24 * 60 * 60;
/// Fewer bits would be a large part of all addresses.
const BLOCK_BITS_MIN: u8 = 8;
const BLOCK_BITS_MIN_IPV6: u8 = 16;

/// Routes of the operators' port.
pub(crate) type OperatorRoutes = Router;

/// What whoever looks after a process asks of it, whatever it serves.
pub(crate) fn operator_routes(front: Front, hand_over: HandOver) -> OperatorRoutes {
    Router::new()
        .route("/front", get(see))
        .route("/blocks", put(block).delete(unblock))
        .route("/attack", put(set_attack))
        .with_state(front)
        .merge(Router::new().route("/hand-over", post(hand_over_now)).with_state(hand_over))
}

pub(crate) fn reload_routes(reload: Reload) -> OperatorRoutes {
    Router::new().route("/reload", post(read_again)).with_state(reload)
}

async fn see(State(front): State<Front>) -> Json<FrontState> {
    Json(front.state(BLOCKS_MAX))
}

/// A network that nobody is to be let in from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BlockBody {
    network: IpNet,
    seconds: u64,
    #[serde(default)]
    reason: Option<String>,
}

/// Who asks, as it is told to whoever reads of it later.
fn asker(actor: &Actor, peer: Peer) -> String {
    let address = peer.0.map_or_else(String::new, |address| format!(" at {address}"));
    match actor.by() {
        By::Anonymous => format!("anonymous{address}"),
        by @ (By::Person(_) | By::Signer(_) | By::Service(_)) => by.to_string(),
    }
}

async fn block(
    State(front): State<Front>,
    Caller(actor): Caller,
    peer: Peer,
    Body(body): Body<BlockBody>,
) -> Result<StatusCode, Problem> {
    let BlockBody { network, seconds, reason } = body;
    if !(1..=BLOCK_SECONDS_MAX).contains(&seconds) {
        let detail = format!("a block lasts from 1 to {BLOCK_SECONDS_MAX} seconds");
        return Err(Problem::unprocessable("server/block-out-of-range", detail));
    }
    let bits_min = if network.addr().is_ipv4() { BLOCK_BITS_MIN } else { BLOCK_BITS_MIN_IPV6 };
    if network.prefix_len() < bits_min {
        let detail =
            format!("a block is of a network of /{bits_min} or smaller: this one is a part of the world");
        return Err(Problem::unprocessable("server/block-out-of-range", detail));
    }
    let until = Timestamp::from_millis(Clock::System.now().millis().saturating_add(seconds * 1000));
    let reason: String = reason.unwrap_or_else(|| "operator".to_owned()).chars().take(80).collect();
    let block = Block { network: network.trunc(), until, reason, ordered: true };
    let full = |error| Problem::conflict("server/too-many-blocks", error);
    front.block_by(block, asker(&actor, peer)).map_err(full)?;
    // Which network, the list of blocks says while it lasts: one address is a person's, and the log keeps it longer.
    let prefix_length = network.prefix_len();
    tracing::info!(code = "server/network-blocked", prefix_length, seconds, "an operator blocked a network");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Network {
    network: IpNet,
}

async fn unblock(
    State(front): State<Front>,
    Caller(actor): Caller,
    peer: Peer,
    Query(asked): Query<Network>,
) -> Result<StatusCode, Problem> {
    if !front.unblock(asked.network, Some(asker(&actor, peer))) {
        let detail = "there is no block of exactly this network";
        return Err(Problem::not_found("server/no-such-block", detail));
    }
    let prefix_length = asked.network.prefix_len();
    tracing::info!(code = "server/network-unblocked", prefix_length, "an operator took back a block");
    Ok(StatusCode::NO_CONTENT)
}

/// Is it an attack?
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackBody {
    mode: AttackMode,
}

async fn set_attack(State(front): State<Front>, Body(body): Body<AttackBody>) -> StatusCode {
    front.set_attack(body.mode);
    tracing::info!(code = "server/attack-mode", mode = ?body.mode, "an operator says whether this is an attack");
    StatusCode::NO_CONTENT
}

/// What became of new settings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reloaded {
    /// Tables that changed and hold only from the next start on.
    next_start: Vec<&'static str>,
}

async fn read_again(State(reload): State<Reload>) -> Result<Json<Reloaded>, Problem> {
    let read = reload.read_again();
    let next_start = read.map_err(|error| {
        Problem::unprocessable("server/bad-settings", format!("the settings stay as they are: {error:#}"))
    })?;
    Ok(Json(Reloaded { next_start }))
}

/// Answers before it happens: the log and `GET /process` say when it has.
async fn hand_over_now(State(hand_over): State<HandOver>) -> StatusCode {
    hand_over.ask();
    StatusCode::ACCEPTED
}
