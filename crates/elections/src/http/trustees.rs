//! What trustees see and say: the ceremony that makes the key, and their parts of the decryption.

use authz::{Actor, Role};
use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use board::{
    Base64, CeremonyStep, Election, Hex, ListBlob, TrusteeFault, ceremony_context, decryption_context,
};
use edge::{Body, Caller, Params, RawBody, Refusals};
use ids::Id;
use mixnet::Encoded;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, private};
use crate::{
    Elections,
    board_rows::Phase,
    ceremony::{Spoken, Standing},
    create_election::no_such_election,
    decryption::Taken,
    post::PostError,
    read::state_word,
    sql,
};

pub(super) fn routes() -> OpenApiRouter<Elections> {
    OpenApiRouter::new()
        .routes(routes!(ceremony))
        .routes(routes!(say))
        .routes(routes!(decryption, decrypt))
        .routes(routes!(upload))
}

/// A ceremony as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CeremonyBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    state: &'static str,
    attempt: u16,
    /// What its proofs are about, in hexadecimal.
    context: String,
    threshold: u16,
    trustees: u16,
    /// The caller's number.
    you: Option<u16>,
    /// What all are waited for: a step, `concluded` or `void`.
    step: String,
    said: Vec<SaidBody>,
    /// Who is to blame, if it is void.
    faults: Vec<TrusteeFault>,
    /// The trustees' keys, in hexadecimal, when it is concluded.
    keys: Option<String>,
}

/// What one trustee said.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SaidBody {
    trustee: u16,
    name: String,
    /// In hexadecimal.
    transport_key: Option<String>,
    /// In hexadecimal.
    sealed_opening: Option<String>,
    /// In base64.
    opening: Option<String>,
    /// In base64.
    dealing: Option<String>,
    approved: bool,
    /// In base64.
    complaint: Option<String>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Elections {
    /// The caller's number, if they are a trustee; officers have none and may look.
    async fn looks_on(&self, actor: &Actor, id: Id<Election>) -> Result<Option<u16>, Problem> {
        match self.trustee(actor, id).await {
            Ok(number) => Ok(Some(number)),
            Err(_) if actor.has(Role::Officer) => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

async fn ceremony_body(
    elections: &Elections,
    actor: &Actor,
    id: Id<Election>,
) -> Result<CeremonyBody, Problem> {
    let you = elections.looks_on(actor, id).await?;
    let row = elections.row(id).await?;
    let board = elections.board(id).await?;
    let spoken = Spoken::read(&board).await?;
    let phase = board.phase_for(&[]).await?;
    let agreed = board.agreed().await?;
    let faults = elections.faults(&board).await?;
    let spoken = std::sync::Arc::new(spoken);
    let judged = std::sync::Arc::clone(&spoken);
    let step = match elections.judge(move || judged.judge(id)).await? {
        _ if !faults.is_empty() => "void".to_owned(),
        Standing::Waiting(step) => word(step),
        Standing::Void(_) => "void".to_owned(),
        Standing::Concluded(_) => "concluded".to_owned(),
    };
    let names = row.trustees()?;
    let said = (1..=spoken.trustees).zip(&names).map(|(number, trustee)| {
        let by = |step| spoken.by(step, number);
        let base64 = |bytes: &[u8]| Base64(bytes.to_vec()).to_string();
        SaidBody {
            trustee: number,
            name: trustee.name.clone(),
            transport_key: by(CeremonyStep::TransportKey).map(hex),
            sealed_opening: by(CeremonyStep::SealedOpening).map(hex),
            opening: by(CeremonyStep::Opening).map(base64),
            dealing: by(CeremonyStep::Dealing).map(base64),
            approved: by(CeremonyStep::Approval).is_some(),
            complaint: by(CeremonyStep::Complaint).map(base64),
        }
    });
    Ok(CeremonyBody {
        election_id: id,
        state: state_word(&row, phase, true),
        attempt: spoken.attempt,
        context: hex(&ceremony_context(id, spoken.attempt)),
        threshold: spoken.threshold,
        trustees: spoken.trustees,
        you,
        step,
        said: said.collect(),
        faults,
        keys: agreed.and_then(|agreed| agreed.keys.as_ref().map(|keys| hex(&keys.to_bytes()))),
    })
}

/// A step as it is written in JSON.
fn word(step: CeremonyStep) -> String {
    serde_json::to_value(step).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Shows the ceremony to trustees and officers.
#[utoipa::path(
    get, path = "/api/v1/elections/{id}/ceremony", tag = "elections", security(("bearer" = [])),
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The ceremony", body = CeremonyBody), Refusals),
)]
async fn ceremony(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
) -> Result<Response, Problem> {
    Ok(private(StatusCode::OK, &ceremony_body(&elections, &actor, id).await?))
}

/// A trustee's part.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"attempt": 1, "bytes": ""}))]
struct SayBody {
    attempt: u16,
    /// In base64; nothing for an approval.
    #[serde(default)]
    #[schema(value_type = String)]
    bytes: Base64,
}

/// A trustee says their part. The same once more is the same; another is refused.
#[utoipa::path(
    post, path = "/api/v1/elections/{id}/ceremony/{step}", tag = "elections", security(("bearer" = [])),
    request_body = SayBody,
    params(
        ("id" = String, Path, format = "uuid", description = "The election"),
        ("step" = String, Path, pattern = "^(transport-key|sealed-opening|opening|dealing|approval|complaint)$", description = "What is said"),
    ),
    responses((status = 200, description = "The ceremony as it stands then", body = CeremonyBody), Refusals),
)]
async fn say(
    State(elections): Service,
    Caller(actor): Caller,
    Params((id, step)): Params<(Id<Election>, CeremonyStep)>,
    Body(SayBody { attempt, bytes }): Body<SayBody>,
) -> Result<Response, Problem> {
    elections.say(&actor, id, attempt, step, bytes.0).await?;
    Ok(private(StatusCode::OK, &ceremony_body(&elections, &actor, id).await?))
}

/// What is to be decrypted, and who has done so.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DecryptionBody {
    #[schema(value_type = String, format = "uuid")]
    election_id: Id<Election>,
    state: &'static str,
    you: Option<u16>,
    threshold: u16,
    lists: Vec<ListBody>,
    /// Trustees whose parts were checked and hold.
    decrypted: Vec<u16>,
    /// Trustees whose parts were checked and are false.
    lied: Vec<u16>,
    /// Trustees whose parts are being checked.
    checking: Vec<u16>,
}

/// A list to be decrypted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    list: u32,
    weight: u32,
    contest_id: String,
    rows: u32,
    width: usize,
    /// What the proof is about, in hexadecimal.
    context: String,
    /// SHA-256 of the rows, by which they are had.
    #[schema(value_type = String)]
    blob: Hex<32>,
}

/// Shows trustees and officers what is to be decrypted.
#[utoipa::path(
    get, path = "/api/v1/elections/{id}/decryption", tag = "elections", security(("bearer" = [])),
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses((status = 200, description = "The lists", body = DecryptionBody), Refusals),
)]
async fn decryption(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
) -> Result<Response, Problem> {
    let you = elections.looks_on(&actor, id).await?;
    let row = elections.row(id).await?;
    let board = elections.board(id).await?;
    let phase = board.phase_for(&[Phase::Decrypting]).await?;
    let agreed = board.agreed().await?.ok_or_else(|| Problem::from(PostError::NotNow(phase)))?;
    let manifest = &agreed.manifest;
    let mut lists = Vec::new();
    for list in elections.lists(&board).await? {
        let question =
            manifest.contests.get(manifest.lists().contest(list.list)).ok_or_else(no_such_election)?;
        let issuer = manifest.issuers.get(manifest.lists().weight(list.list)).ok_or_else(no_such_election)?;
        lists.push(ListBody {
            list: list.list,
            weight: issuer.weight,
            contest_id: question.contest_id.clone(),
            rows: list.rows,
            width: question.contest().map_or(0, |contest| contest.width()),
            context: hex(&decryption_context(&agreed.hash.0, list.list)),
            blob: list.blob,
        });
    }
    let trustees = manifest.trustees.as_ref().map_or(0, |trustees| trustees.names.len());
    // Asked first: what is no longer being checked then stands on the board.
    let checking = elections.checking(id, u16::try_from(trustees).unwrap_or(u16::MAX)).await?;
    let parts = board.ledger.readers().read(sql::decrypted).await?;
    let named = |holds| parts.iter().filter(|row| row.holds == holds).map(|row| row.trustee).collect();
    let body = DecryptionBody {
        election_id: id,
        state: state_word(&row, phase, true),
        you,
        threshold: row.threshold,
        lists,
        decrypted: named(true),
        lied: named(false),
        checking,
    };
    Ok(private(StatusCode::OK, &body))
}

/// A trustee's part of the decryption of all lists, by the hashes of what was uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DecryptBody {
    #[schema(max_items = 400)]
    partials: Vec<ListBlob>,
}

/// What became of a part.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TakenBody {
    /// Was it checked, and holds?
    accepted: bool,
}

/// Takes a trustee's part of the decryption and has it checked, which takes minutes if there are a million rows. Ask then
/// `GET …/decryption` who is being checked: the board names who decrypted and who lied. The same part once more is the same.
#[utoipa::path(
    post, path = "/api/v1/elections/{id}/decryption", tag = "elections", security(("bearer" = [])),
    request_body = DecryptBody,
    params(("id" = String, Path, format = "uuid", description = "The election")),
    responses(
        (status = 200, description = "It was checked before, and holds", body = TakenBody),
        (status = 202, description = "It is being checked", body = TakenBody),
        Refusals,
    ),
)]
async fn decrypt(
    State(elections): Service,
    Caller(actor): Caller,
    Params(id): Params<Id<Election>>,
    Body(DecryptBody { partials }): Body<DecryptBody>,
) -> Result<Response, Problem> {
    let status = match elections.take_partials(&actor, id, partials).await? {
        Taken::Holds => StatusCode::OK,
        Taken::Checking => StatusCode::ACCEPTED,
    };
    Ok(private(status, &TakenBody { accepted: status == StatusCode::OK }))
}

/// Keeps a piece of a trustee's part of the decryption.
#[utoipa::path(
    put, path = "/api/v1/elections/{id}/blobs/{hash}/parts/{part}", tag = "elections", security(("bearer" = [])),
    params(
        ("id" = String, Path, format = "uuid", description = "The election"),
        ("hash" = String, Path, pattern = "^[0-9a-f]{64}$", description = "SHA-256 of the whole"),
        ("part" = u32, Path, maximum = 1023, description = "The piece, from nought; all but the last have 524,288 bytes"),
    ),
    request_body(content = String, content_type = "application/octet-stream"),
    responses((status = 204, description = "Kept"), Refusals),
)]
async fn upload(
    State(elections): Service,
    Caller(actor): Caller,
    Params((id, hash, part)): Params<(Id<Election>, String, u32)>,
    RawBody(bytes): RawBody,
) -> Result<Response, Problem> {
    let hash =
        hash.parse().map_err(|error: board::NotHex| Problem::unprocessable("elections/blob-unfit", error))?;
    elections.take_piece(&actor, id, hash, part, bytes.to_vec()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
