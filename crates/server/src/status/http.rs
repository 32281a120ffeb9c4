//! `/health`, `/ready`, `/openapi.json` and `/problems` on the public port, `/metrics` on the operators'.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use cache::{Cache, Keep, public};
use edge::{Params, Refusals};
use identity::Identity;
use problem::Problem;
use seal::PersonKeys;
use serde::Serialize;
use telemetry::Metrics;
use utoipa::{ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::ledgers::Ledgers;

/// What is known of every problem, as it is kept in the documentation.
const PROBLEMS: &str = include_str!("../../../../docs/problems.md");

#[derive(Clone)]
struct Status {
    ledgers: Ledgers,
    person_keys: PersonKeys,
    cache: Cache,
    /// Its JSON, written once.
    description: Bytes,
}

impl Status {
    /// What keeps the server from its work, if anything does.
    fn complaint(&self) -> Option<String> {
        if let Some(name) = self.ledgers.stopped() {
            return Some(format!("the ledger {name} takes no commands; see the log"));
        }
        if let Some(name) = self.ledgers.failing() {
            return Some(format!("the last change of the ledger {name} could not be written; see the log"));
        }
        self.person_keys.is_failing().then(|| "persons' keys cannot be written; see the log".to_owned())
    }
}

/// What is the same until the next version of this program.
const KEEP: Keep = Keep { max_age_s: 60, shared_max_age_s: 300, stale_while_revalidate_s: 3600 };

pub(crate) fn public_routes(
    ledgers: Ledgers,
    person_keys: PersonKeys,
    cache: Cache,
    description: &OpenApi,
) -> Router {
    let description = serde_json::to_vec(description).expect("a description has only text for keys");
    let status = Status { ledgers, person_keys, cache, description: description.into() };
    described().route("/openapi.json", get(openapi)).with_state(status).split_for_parts().0
}

pub(crate) fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Status> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(ready))
        .routes(routes!(explain))
        .routes(routes!(explain_anywhere))
}

/// The operators' routes.
pub(crate) fn admin_routes(metrics: Metrics, identity: Identity) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(write_metrics))
        .route("/process", get(process))
        .with_state((metrics, identity))
}

/// The operators' routes of a process without services.
pub(crate) fn plain_admin_routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(write_plain_metrics))
        .route("/process", get(process))
        .with_state(metrics)
}

/// How the server is.
#[derive(Serialize, ToSchema)]
struct Condition {
    #[schema(value_type = String, example = "ok")]
    status: &'static str,
    /// Said only when there should be a Redis and this node goes on without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "away")]
    redis: Option<&'static str>,
}

/// Is the process alive? It does not look further: a restart would not mend what else may be wrong.
#[utoipa::path(
    get, path = "/health", tag = "status",
    responses((status = 200, description = "Alive", body = Condition)),
)]
async fn health() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(Condition { status: "ok", redis: None }))
        .into_response()
}

/// Can it do its work? Ask this before sending it requests.
#[utoipa::path(
    get, path = "/ready", tag = "status",
    responses((status = 200, description = "Ready", body = Condition), Refusals),
)]
async fn ready(State(status): State<Status>) -> Result<Response, Problem> {
    if let Some(detail) = status.complaint() {
        return Err(Problem::unavailable("server/not-ready", detail, std::time::Duration::from_secs(5)));
    }
    // Without Redis it does its work all the same, only with more readings of its database.
    let redis = status.cache.goes_alone().then_some("away");
    let condition = Condition { status: "ready", redis };
    Ok(([(header::CACHE_CONTROL, "no-store")], axum::Json(condition)).into_response())
}

/// Which process answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Process {
    pid: u32,
    version: &'static str,
}

async fn process() -> axum::Json<Process> {
    axum::Json(Process { pid: std::process::id(), version: env!("CARGO_PKG_VERSION") })
}

async fn openapi(State(status): State<Status>, asked: HeaderMap) -> Response {
    let body = status.description;
    public(&asked, "application/json", body, KEEP, &["openapi"]).map(Body::from)
}

/// Explains a problem: what its `type` points to.
#[utoipa::path(
    get, path = "/problems/{area}/{name}", tag = "status",
    params(
        ("area" = String, Path, description = "The part of the server, such as identity"),
        ("name" = String, Path, description = "The problem, such as sign-in-refused"),
    ),
    responses((status = 200, description = "What it means and what to do", body = String, content_type = "text/markdown; charset=utf-8"), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn explain(
    Params((area, name)): Params<(String, String)>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    explanation(&asked, &format!("{area}/{name}"))
}

/// Explains a problem that could arise anywhere: `internal`.
#[utoipa::path(
    get, path = "/problems/{name}", tag = "status",
    params(("name" = String, Path, description = "The problem: internal")),
    responses((status = 200, description = "What it means and what to do", body = String, content_type = "text/markdown; charset=utf-8"), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn explain_anywhere(Params(name): Params<String>, asked: HeaderMap) -> Result<Response, Problem> {
    explanation(&asked, &name)
}

fn explanation(asked: &HeaderMap, heading: &str) -> Result<Response, Problem> {
    let mut sections = PROBLEMS.split("\n## ").skip(1);
    let section = sections.find(|section| section.lines().next() == Some(heading));
    let text = section
        .ok_or_else(|| Problem::not_found("server/no-such-problem", "there is no problem of this name"))?;
    let text = format!("# {text}\n").into();
    Ok(public(asked, "text/markdown; charset=utf-8", text, KEEP, &["problems"]).map(Body::from))
}

async fn write_metrics(State((metrics, identity)): State<(Metrics, Identity)>) -> Response {
    identity.measure();
    written(&metrics)
}

async fn write_plain_metrics(State(metrics): State<Metrics>) -> Response {
    written(&metrics)
}

fn written(metrics: &Metrics) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (kind, metrics.encode()).into_response()
}
