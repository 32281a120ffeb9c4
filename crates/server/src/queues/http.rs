//! `/api/v1/queues`: how queues stand, and what operators do to them. The operators' port tells of them too, for
//! autoscalers.

use authz::{Actor, Guarded};
use axum::{
    Router,
    extract::{FromRequestParts, State},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use clock::Timestamp;
use edge::{Caller, Params, Query, Refusals};
use ids::Id;
use problem::Problem;
use queue::{AnyJob, Finished, JobStatus, Outcome, may_manage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{PAGE_MAX, Queues, Standing};

pub(crate) fn routes(queues: Queues) -> OpenApiRouter {
    described().with_state(queues)
}

pub(crate) fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Queues> {
    OpenApiRouter::new()
        .routes(routes!(queues))
        .routes(routes!(queue))
        .routes(routes!(pause, resume))
        .routes(routes!(release))
        .routes(routes!(done_jobs))
        .routes(routes!(dead_jobs, purge_dead_jobs))
        .routes(routes!(job, purge_job))
        .routes(routes!(retry_job))
}

/// The operators' routes, for those who ask from inside: autoscalers and dashboards.
pub(crate) fn operator_routes(queues: Queues) -> Router {
    Router::new()
        .route("/queues", get(queues_inside))
        .route("/queues/{queue}", get(queue_inside))
        .with_state(queues)
}

/// Looking after queues.
struct LookAfter;

impl Guarded for LookAfter {
    fn allows(&self, actor: &Actor) -> bool {
        may_manage(actor)
    }
}

/// Somebody who may look after queues, and the queues.
struct Keeper {
    queues: Queues,
    actor: Actor,
}

impl FromRequestParts<Queues> for Keeper {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, queues: &Queues) -> Result<Self, Problem> {
        let Caller(actor) = Caller::from_request_parts(parts, queues).await?;
        let _ = actor.permit(LookAfter)?;
        Ok(Self { queues: queues.clone(), actor })
    }
}

/// How a queue stands. Lengths are counted up to 100,000.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct QueueBody {
    #[schema(example = "erasures")]
    queue: String,
    /// Jobs whose time has come and that nobody is at.
    ready: u64,
    /// Jobs whose time has not come, or that failed and wait.
    delayed: u64,
    /// Jobs that workers are at.
    active: u64,
    /// Jobs that were done, ever.
    done: u64,
    /// Jobs that were given up, ever.
    dead: u64,
    /// How long the first in line has waited since its time came.
    oldest_ms: u64,
    /// Jobs that ended in a second, over the last minute.
    per_second: f64,
    /// How many processes would do at once what may be done at once.
    wanted_workers: u64,
    /// Jobs that are worked at the same time, over all processes.
    concurrency: u32,
    /// Jobs that one process works at the same time.
    per_process: u32,
    /// Workers take none of its jobs until it is resumed.
    paused: bool,
    /// A restore found unfinished jobs, and workers take none until the queue is released.
    held: bool,
}

impl From<Standing> for QueueBody {
    fn from(standing: Standing) -> Self {
        let Standing { status, config, per_second, wanted_workers } = standing;
        Self {
            queue: status.queue,
            ready: status.ready,
            delayed: status.delayed,
            active: status.active,
            done: status.done,
            dead: status.dead,
            oldest_ms: u64::try_from(status.oldest.as_millis()).unwrap_or(u64::MAX),
            per_second,
            wanted_workers,
            concurrency: config.concurrency.get(),
            per_process: config.per_process().get(),
            paused: status.paused,
            held: status.held,
        }
    }
}

/// Every queue.
#[derive(Serialize, ToSchema)]
struct QueuesBody {
    queues: Vec<QueueBody>,
}

async fn all(queues: &Queues) -> Result<Response, Problem> {
    let mut bodies = Vec::new();
    for queue in queues.names() {
        bodies.push(queues.standing(queue).await?.into());
    }
    Ok(private(&QueuesBody { queues: bodies }))
}

async fn one(queues: &Queues, queue: &str) -> Result<Response, Problem> {
    Ok(private(&QueueBody::from(queues.standing(queue).await?)))
}

async fn queues_inside(State(queues): State<Queues>) -> Result<Response, Problem> {
    all(&queues).await
}

async fn queue_inside(
    State(queues): State<Queues>,
    Params(queue): Params<String>,
) -> Result<Response, Problem> {
    one(&queues, &queue).await
}

/// Lists the queues and how they stand.
#[utoipa::path(
    get, path = "/api/v1/queues", tag = "queues", security(("bearer" = [])),
    responses((status = 200, description = "The queues", body = QueuesBody), Refusals),
)]
async fn queues(Keeper { queues, .. }: Keeper) -> Result<Response, Problem> {
    all(&queues).await
}

/// Tells how a queue stands.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures")),
    responses((status = 200, description = "The queue", body = QueueBody), Refusals),
)]
async fn queue(Keeper { queues, .. }: Keeper, Params(queue): Params<String>) -> Result<Response, Problem> {
    one(&queues, &queue).await
}

/// Pauses a queue: workers take none of its jobs. Those that run go on.
#[utoipa::path(
    put, path = "/api/v1/queues/{queue}/pause", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures")),
    responses((status = 204, description = "Paused"), Refusals),
)]
async fn pause(
    Keeper { queues, actor }: Keeper,
    Params(queue): Params<String>,
) -> Result<StatusCode, Problem> {
    queues.pause(&actor, &queue, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resumes a queue that was paused.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/pause", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures")),
    responses((status = 204, description = "Not paused any more"), Refusals),
)]
async fn resume(
    Keeper { queues, actor }: Keeper,
    Params(queue): Params<String>,
) -> Result<StatusCode, Problem> {
    queues.pause(&actor, &queue, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Releases a queue: the jobs that a restore found unfinished may run. Look first which were done since the backup.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/hold", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures")),
    responses((status = 204, description = "Not held any more"), Refusals),
)]
async fn release(
    Keeper { queues, actor }: Keeper,
    Params(queue): Params<String>,
) -> Result<StatusCode, Problem> {
    queues.release(&actor, &queue).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a job is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum JobState {
    Waiting,
    Active,
    Done,
    Dead,
}

/// A job, and how far it has come.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct JobBody {
    #[schema(value_type = String, format = "uuid")]
    job: Id<AnyJob>,
    /// What kind of job it is.
    #[schema(example = "identity/finish-erasure")]
    name: String,
    state: JobState,
    /// How often it was tried, with the present time.
    attempts: u16,
    /// When it comes next, of one that waits; when it ended, of one that has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    at: Option<Timestamp>,
    /// How far it has come, of one that runs and says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
    /// What it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Why the last attempt failed, or why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// What it answered, of one that was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<Box<RawValue>>,
}

impl JobBody {
    fn of(job: Id<AnyJob>, status: JobStatus) -> Result<Self, Problem> {
        match status {
            JobStatus::Waiting { name, run_at, attempts, failure } => {
                Ok(Self { at: Some(run_at), failure, ..Self::new(job, name, JobState::Waiting, attempts) })
            }
            JobStatus::Active { name, attempts, percent, note } => {
                let (percent, note) = (Some(percent), Some(note));
                Ok(Self { percent, note, ..Self::new(job, name, JobState::Active, attempts) })
            }
            JobStatus::Finished(ended) => ended.try_into(),
        }
    }

    const fn new(job: Id<AnyJob>, name: String, state: JobState, attempts: u16) -> Self {
        let (at, percent, note, failure, result) = (None, None, None, None, None);
        Self { job, name, state, attempts, at, percent, note, failure, result }
    }
}

impl TryFrom<Finished> for JobBody {
    type Error = Problem;

    fn try_from(ended: Finished) -> Result<Self, Problem> {
        let Finished { outcome, id: job, name, result, attempts, at, .. } = ended;
        let result = String::from_utf8(result).map_err(|error| Problem::internal(&error))?;
        let result = RawValue::from_string(result).map_err(|error| Problem::internal(&error))?;
        let at = Some(at);
        Ok(match outcome {
            Outcome::Done => {
                Self { at, result: Some(result), ..Self::new(job, name, JobState::Done, attempts) }
            }
            // Why it was given up is a text, as JSON.
            Outcome::Dead => {
                let failure = serde_json::from_str(result.get()).ok();
                Self { at, failure, ..Self::new(job, name, JobState::Dead, attempts) }
            }
        })
    }
}

/// Which page of jobs that have ended.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The `next` of the page before.
    before: Option<i64>,
    /// How many, at most 200.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    limit: Option<u32>,
}

/// A page of jobs that have ended, the newest first.
#[derive(Serialize, ToSchema)]
struct JobsBody {
    jobs: Vec<JobBody>,
    /// What to send as `before` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

async fn page(queues: &Queues, queue: &str, outcome: Outcome, page: Page) -> Result<Response, Problem> {
    let ended = queues.ended(queue, outcome, page.before, page.limit.unwrap_or(PAGE_MAX)).await?;
    let next = ended.last().map(|last| last.place).filter(|place| *place > 0);
    let jobs = ended.into_iter().map(JobBody::try_from).collect::<Result<_, _>>()?;
    Ok(private(&JobsBody { jobs, next }))
}

/// Lists the last jobs that were done, with what they answered: a thousand are kept.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/done", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures"), Page),
    responses((status = 200, description = "A page of jobs", body = JobsBody), Refusals),
)]
async fn done_jobs(
    Keeper { queues, .. }: Keeper,
    Params(queue): Params<String>,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    page(&queues, &queue, Outcome::Done, asked).await
}

/// Lists the last jobs that were given up, with why: five thousand are kept.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/dead", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures"), Page),
    responses((status = 200, description = "A page of jobs", body = JobsBody), Refusals),
)]
async fn dead_jobs(
    Keeper { queues, .. }: Keeper,
    Params(queue): Params<String>,
    Query(asked): Query<Page>,
) -> Result<Response, Problem> {
    page(&queues, &queue, Outcome::Dead, asked).await
}

/// How many jobs were forgotten.
#[derive(Serialize, ToSchema)]
struct PurgedBody {
    purged: u64,
}

/// Forgets all jobs of a queue that were given up.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/dead", tag = "queues", security(("bearer" = [])),
    params(("queue" = String, Path, description = "The queue, such as erasures")),
    responses((status = 200, description = "Forgotten", body = PurgedBody), Refusals),
)]
async fn purge_dead_jobs(
    Keeper { queues, actor }: Keeper,
    Params(queue): Params<String>,
) -> Result<Response, Problem> {
    Ok(private(&PurgedBody { purged: queues.purge_all(&actor, &queue).await? }))
}

/// Shows a job and how far it has come. Ask again to follow it; progress is told about once a second.
#[utoipa::path(
    get, path = "/api/v1/queues/{queue}/jobs/{job}", tag = "queues", security(("bearer" = [])),
    params(
        ("queue" = String, Path, description = "The queue, such as erasures"),
        ("job" = String, Path, format = "uuid", description = "The job"),
    ),
    responses((status = 200, description = "The job", body = JobBody), Refusals),
)]
async fn job(
    Keeper { queues, .. }: Keeper,
    Params((queue, job)): Params<(String, Id<AnyJob>)>,
) -> Result<Response, Problem> {
    Ok(private(&JobBody::of(job, queues.job(&queue, job).await?)?))
}

/// Forgets a job that was given up. One that is gone already is gone.
#[utoipa::path(
    delete, path = "/api/v1/queues/{queue}/jobs/{job}", tag = "queues", security(("bearer" = [])),
    params(
        ("queue" = String, Path, description = "The queue, such as erasures"),
        ("job" = String, Path, format = "uuid", description = "The job"),
    ),
    responses((status = 204, description = "Forgotten"), Refusals),
)]
async fn purge_job(
    Keeper { queues, actor }: Keeper,
    Params((queue, job)): Params<(String, Id<AnyJob>)>,
) -> Result<StatusCode, Problem> {
    queues.purge(&actor, &queue, job).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a job that was given up in line again, with all its attempts. One that stands there already stays there.
#[utoipa::path(
    post, path = "/api/v1/queues/{queue}/jobs/{job}/retry", tag = "queues", security(("bearer" = [])),
    params(
        ("queue" = String, Path, description = "The queue, such as erasures"),
        ("job" = String, Path, format = "uuid", description = "The job"),
    ),
    responses((status = 204, description = "It stands in line"), Refusals),
)]
async fn retry_job(
    Keeper { queues, actor }: Keeper,
    Params((queue, job)): Params<(String, Id<AnyJob>)>,
) -> Result<StatusCode, Problem> {
    queues.retry(&actor, &queue, job).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn private<T: Serialize>(body: &T) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}
