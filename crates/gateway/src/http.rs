//! The operators' routes: how the gateway stands, and how it is changed while requests pass.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State as Held,
    http::StatusCode,
    routing::{get, post, put},
};
use edge::{Body, Params};
use problem::Problem;
use serde::Deserialize;

use crate::{Gateway, MoveError, PoolConfig, RouteConfig, TableConfig, TableError, state::State};

/// Reads the configuration anew from where it came from.
pub type Reload = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

#[derive(Clone)]
struct Operated {
    gateway: Gateway,
    reload: Reload,
}

/// Where a split is to move, and how fast.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Move {
    weights: BTreeMap<String, u32>,
    #[serde(default)]
    over_ms: u32,
}

/// A whole table: one without pools or routes has to say so, because `{}` is sent by mistake. Where the gateway stands, and
/// whom it believes, stays as it is unless something is said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WholeTable {
    region: Option<String>,
    trusts_forwarded: Option<bool>,
    pools: BTreeMap<String, PoolConfig>,
    routes: Vec<RouteConfig>,
}

impl WholeTable {
    /// In the place of the table there is.
    fn after(self, before: &TableConfig) -> TableConfig {
        let Self { region, trusts_forwarded, pools, routes } = self;
        TableConfig {
            region: region.unwrap_or_else(|| before.region.clone()),
            trusts_forwarded: trusts_forwarded.unwrap_or(before.trusts_forwarded),
            pools,
            routes,
        }
    }
}

/// What is to be dropped from the cache.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Purge {
    /// Whatever has one of these tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Or everything.
    #[serde(default)]
    all: bool,
}

/// The operators' routes of a gateway.
pub fn operator_routes(gateway: Gateway, reload: Reload) -> Router {
    Router::new()
        .route("/gateway", get(state))
        .route("/gateway/table", get(table).put(change))
        .route("/gateway/reload", post(read_anew))
        .route("/gateway/cache/purge", post(purge))
        .route("/gateway/routes/{name}/weights", put(move_weights))
        .route("/gateway/routes/{name}/canary", post(try_again))
        .with_state(Operated { gateway, reload })
}

async fn state(Held(operated): Held<Operated>) -> Json<State> {
    Json(operated.gateway.state())
}

async fn table(Held(operated): Held<Operated>) -> Json<TableConfig> {
    Json(operated.gateway.table().config.clone())
}

async fn change(
    Held(operated): Held<Operated>,
    Body(whole): Body<WholeTable>,
) -> Result<StatusCode, Problem> {
    operated.gateway.change_from(|before| whole.after(before))?;
    tracing::info!(code = "gateway/changed", "an operator changed the table");
    Ok(StatusCode::NO_CONTENT)
}

async fn read_anew(Held(operated): Held<Operated>) -> Result<StatusCode, Problem> {
    (operated.reload)().map_err(|said| Problem::unprocessable("gateway/bad-settings", said))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn move_weights(
    Held(operated): Held<Operated>,
    Params(name): Params<String>,
    Body(Move { weights, over_ms }): Body<Move>,
) -> Result<StatusCode, Problem> {
    operated.gateway.move_weights(&name, &weights, Duration::from_millis(over_ms.into()))?;
    tracing::info!(code = "gateway/moved", route = name, over_ms, "an operator moves the split of {name}");
    Ok(StatusCode::NO_CONTENT)
}

async fn purge(Held(operated): Held<Operated>, Body(Purge { tags, all }): Body<Purge>) -> StatusCode {
    if all {
        operated.gateway.cache().drop_all();
    } else {
        operated.gateway.cache().drop_tags(tags);
    }
    StatusCode::NO_CONTENT
}

async fn try_again(
    Held(operated): Held<Operated>,
    Params(name): Params<String>,
) -> Result<StatusCode, Problem> {
    operated.gateway.try_canary_again(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        Self::unprocessable("gateway/bad-table", error)
    }
}

impl From<MoveError> for Problem {
    fn from(error: MoveError) -> Self {
        match &error {
            MoveError::NoSuchRoute(_) => Self::not_found("gateway/no-such-route", error),
            MoveError::NoSuchPool(_) | MoveError::Nowhere => {
                Self::unprocessable("gateway/bad-weights", error)
            }
        }
    }
}
