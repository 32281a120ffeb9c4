//! `/ledger/{service}`: checkpoints, receipts, proofs and entries.

use authz::{Actor, Guarded, Role};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use cache::{Keep, public, told_if_old};
use edge::{Caller, Params, Query, Refusals};
use ledger::{ENTRIES_MAX, Entry, Ledger, LogError, ProvenEntry, Search, merkle::Hash};
use problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::Ledgers;

pub(crate) fn routes(ledgers: Ledgers) -> OpenApiRouter {
    described().with_state(ledgers)
}

pub(crate) fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Ledgers> {
    OpenApiRouter::new()
        .routes(routes!(checkpoint))
        .routes(routes!(keys))
        .routes(routes!(receipt))
        .routes(routes!(consistency))
        .routes(routes!(entries))
        .routes(routes!(search))
}

fn find<'l>(ledgers: &'l Ledgers, service: &str) -> Result<&'l Ledger, Problem> {
    ledgers
        .of(service)
        .ok_or_else(|| Problem::not_found("ledger/no-such-ledger", "no service has a ledger of this name"))
}

/// The newest checkpoint: a C2SP signed note, with an Ed25519 and an ML-DSA-44 signature.
#[utoipa::path(
    get, path = "/ledger/{service}/checkpoint", tag = "ledger",
    params(("service" = String, Path, description = "The service, such as identity")),
    responses((status = 200, description = "The checkpoint", body = String, content_type = "text/plain; charset=utf-8"), (status = 304, description = "The caller has it already"), Refusals),
)]
async fn checkpoint(
    State(ledgers): State<Ledgers>,
    Params(service): Params<String>,
    asked: HeaderMap,
) -> Result<Response, Problem> {
    let published = find(&ledgers, &service)?.published();
    let published = published.ok_or_else(|| {
        Problem::not_found("ledger/no-checkpoint", "nothing has happened yet, so there is no checkpoint")
    })?;
    let (note, kind) = (published.note.clone().into(), "text/plain; charset=utf-8");
    Ok(public(&asked, kind, note, Keep::ASK_EACH_TIME, &["checkpoint"]).map(Body::from))
}

/// What a ledger is signed with.
#[derive(Serialize, ToSchema)]
struct KeysBody {
    /// The first line of each checkpoint, and the name of both keys.
    #[schema(example = "id.example.gov/holdfast/identity")]
    origin: String,
    /// An Ed25519 and an ML-DSA-44 key, as C2SP writes verifier keys.
    keys: Vec<String>,
}

/// The keys that sign the checkpoints. Whoever trusts them compares them with what the operator says elsewhere: a server that lies
/// would name its own.
#[utoipa::path(
    get, path = "/ledger/{service}/keys", tag = "ledger",
    params(("service" = String, Path, description = "The service, such as identity")),
    responses((status = 200, description = "The keys", body = KeysBody), Refusals),
)]
async fn keys(
    State(ledgers): State<Ledgers>,
    Params(service): Params<String>,
) -> Result<axum::Json<KeysBody>, Problem> {
    let log = find(&ledgers, &service)?.log_keys();
    let keys = [log.ed25519(), log.ml_dsa_44()];
    let origin = log.ed25519().name().to_string();
    Ok(axum::Json(KeysBody { origin, keys: keys.map(ToString::to_string).to_vec() }))
}

/// An entry with its proof.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProvenEntryBody {
    #[schema(example = "identity")]
    ledger: String,
    entry: EntryBody,
    /// The exact bytes that the leaf covers, in base64: hash them with a zero byte in front.
    leaf_bytes: String,
    #[schema(value_type = String)]
    leaf_hash: Hash,
    /// Sibling hashes from the leaf up (RFC 6962, section 2.1.1), in base64.
    #[schema(value_type = Vec<String>)]
    inclusion_proof: Vec<Hash>,
    /// The checkpoint that the proof leads to.
    checkpoint: String,
}

/// One entry.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    index: u64,
    #[schema(value_type = String, format = "date-time")]
    at: clock::Timestamp,
    /// The command's permanent name.
    #[schema(example = "identity/sign-in")]
    command: String,
    /// Who gave it.
    actor: String,
    /// Whom it is about.
    #[schema(value_type = Option<String>, format = "uuid")]
    subject: Option<ids::Id<authz::Person>>,
    /// The command; commitments stand for what is erasable.
    #[schema(value_type = Object)]
    body: Box<RawValue>,
    /// SHA-256 of the rows it changed, in base64.
    effect: String,
}

impl TryFrom<Entry> for EntryBody {
    type Error = Problem;

    fn try_from(entry: Entry) -> Result<Self, Problem> {
        let Entry { index, at, command, actor, subject, body, effect, .. } = entry;
        let body = String::from_utf8(body).map_err(|error| Problem::internal(&error))?;
        let body = RawValue::from_string(body).map_err(|error| Problem::internal(&error))?;
        Ok(Self { index, at, command, actor, subject, body, effect: STANDARD.encode(effect) })
    }
}

/// Seeing one entry: for whoever gave the command, whoever it is about, and auditors.
struct SeeEntry<'e>(&'e Entry);

impl Guarded for SeeEntry<'_> {
    fn allows(&self, actor: &Actor) -> bool {
        let own = actor.by().person().is_some_and(|person| {
            let given: Option<authz::By> = self.0.actor.parse().ok();
            self.0.subject == Some(person) || given.and_then(|by| by.person()) == Some(person)
        });
        own || actor.has(Role::Auditor)
    }
}

/// Seeing all entries.
struct SeeEntries;

impl Guarded for SeeEntries {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Auditor)
    }
}

/// An entry and the proof that a signed checkpoint covers it.
#[utoipa::path(
    get, path = "/ledger/{service}/receipts/{index}", tag = "ledger", security(("bearer" = [])),
    params(
        ("service" = String, Path, description = "The service, such as identity"),
        ("index" = u64, Path, description = "The entry's place, from nought"),
    ),
    responses((status = 200, description = "The entry, proven", body = ProvenEntryBody), Refusals),
)]
async fn receipt(
    State(ledgers): State<Ledgers>,
    Caller(actor): Caller,
    Params((service, index)): Params<(String, u64)>,
) -> Result<Response, Problem> {
    let ledger = find(&ledgers, &service)?;
    // Before anything is read: who is nobody may see no entry, and learns of none.
    if actor == Actor::ANONYMOUS {
        return Err(authz::Denied::Anonymous.into());
    }
    let found = ledgers.proven(ledger, index).await?;
    let Some(proven) = found.value.as_deref() else { return Err(LogError::NoSuchEntry { index }.into()) };
    let ProvenEntry { entry, proof, published } = proven.clone();
    let _ = actor.permit(SeeEntry(&entry))?;
    let leaf_bytes = entry.leaf_bytes();
    let body = ProvenEntryBody {
        ledger: service,
        leaf_hash: entry.leaf(),
        leaf_bytes: STANDARD.encode(leaf_bytes),
        entry: entry.try_into()?,
        inclusion_proof: proof,
        checkpoint: published.note.clone(),
    };
    Ok(told_if_old(&found, private(&body)))
}

/// From one size of the tree to another.
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
struct ConsistencyBody {
    from: u64,
    to: u64,
    /// Hashes in the order of RFC 6962, section 2.1.2, in base64.
    #[schema(value_type = Vec<String>)]
    consistency_proof: Vec<Hash>,
}

/// Proves that the tree of one size continues that of a smaller one.
#[utoipa::path(
    get, path = "/ledger/{service}/consistency", tag = "ledger",
    params(("service" = String, Path, description = "The service, such as identity"), Sizes),
    responses((status = 200, description = "The proof", body = ConsistencyBody), Refusals),
)]
async fn consistency(
    State(ledgers): State<Ledgers>,
    Params(service): Params<String>,
    Query(Sizes { from, to }): Query<Sizes>,
) -> Result<Response, Problem> {
    let found = ledgers.consistency(find(&ledgers, &service)?, from, to).await?;
    let consistency_proof = found.value.as_deref().cloned().unwrap_or_default();
    let body = ConsistencyBody { from, to, consistency_proof };
    Ok(told_if_old(&found, axum::Json(body).into_response()))
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
struct EntriesBody {
    entries: Vec<EntryBody>,
    /// What to send as `from` to read on.
    next: u64,
}

/// Reads entries, in order.
#[utoipa::path(
    get, path = "/ledger/{service}/entries", tag = "ledger", security(("bearer" = [])),
    params(("service" = String, Path, description = "The service, such as identity"), Range),
    responses((status = 200, description = "The entries", body = EntriesBody), Refusals),
)]
async fn entries(
    State(ledgers): State<Ledgers>,
    Caller(actor): Caller,
    Params(service): Params<String>,
    Query(Range { from, limit }): Query<Range>,
) -> Result<Response, Problem> {
    let _ = actor.permit(SeeEntries)?;
    let from = from.unwrap_or(0);
    let found = find(&ledgers, &service)?.entries(from, limit.unwrap_or(ENTRIES_MAX)).await?;
    let next = found.last().map_or(from, |last| last.index + 1);
    let entries = found.into_iter().map(EntryBody::try_from).collect::<Result<_, _>>()?;
    Ok(private(&EntriesBody { entries, next }))
}

/// What is looked for. What is absent may be anything.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// The command's whole name, such as `identity/sign-in`.
    command: Option<String>,
    /// Who gave it, as entries write it.
    actor: Option<String>,
    /// Whom it is about.
    #[param(value_type = Option<String>, format = "uuid")]
    subject: Option<ids::Id<authz::Person>>,
    /// Only entries before this one.
    before: Option<u64>,
    /// How many, at most 1,000.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    limit: Option<u32>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
struct FoundBody {
    /// The newest first.
    entries: Vec<EntryBody>,
    /// What to send as `before` to search on; absent if everything was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// Finds entries, the newest first. Of a long ledger one request looks at a part; `next` says where to go on.
#[utoipa::path(
    get, path = "/ledger/{service}/search", tag = "ledger", security(("bearer" = [])),
    params(("service" = String, Path, description = "The service, such as identity"), Wanted),
    responses((status = 200, description = "What was found", body = FoundBody), Refusals),
)]
async fn search(
    State(ledgers): State<Ledgers>,
    Caller(actor): Caller,
    Params(service): Params<String>,
    Query(Wanted { command, actor: by, subject, before, limit }): Query<Wanted>,
) -> Result<Response, Problem> {
    let _ = actor.permit(SeeEntries)?;
    let limit = limit.unwrap_or(ENTRIES_MAX);
    let search = Search { command, actor: by, subject, before, limit };
    let found = find(&ledgers, &service)?.search(search).await?;
    let entries = found.entries.into_iter().map(EntryBody::try_from).collect::<Result<_, _>>()?;
    Ok(private(&FoundBody { entries, next: found.next }))
}

fn private<T: Serialize>(body: &T) -> Response {
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}
