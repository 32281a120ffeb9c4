//! `/api/v1/persons`: registering people, looking them up, changing and erasing them.

use authz::{PersonKind, Role, Roles};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use cache::told_if_old;
use clock::Timestamp;
use edge::{Body, Caller, Exact, Params, Peer, Query, RawBody, Refusals};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Seen, Service, authenticate::ReceiptBody, changed, credentials::CredentialsBody, device_keys::EnrolBody,
    idempotency::once, private,
};
use crate::{
    Credentials, DeviceKey, Erasing, Identity, LoginName, NewPassword, NewPerson, Password, Person,
    change_person::{ChangeStanding, MayChangePassword},
    confirm::proof_refused,
    export::may_look_at,
    look_up::Shown,
    register::no_such_person,
    sql,
};

/// People that one page lists, at most.
const PAGE_MAX: u32 = 200;

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(register, persons))
        .routes(routes!(person, erase))
        .routes(routes!(change_standing))
        .routes(routes!(change_password))
        .routes(routes!(export))
}

/// Somebody to be registered. Anyone may register as a citizen; administrators register the others.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"userId": "ada", "password": "kelp holds fast in winter storms"}))]
struct RegisterBody {
    #[schema(value_type = String, min_length = 3, max_length = 128, pattern = "^[A-Za-z0-9._@+-]+$")]
    user_id: LoginName,
    /// At least 15 characters and hard to guess. Left out, the person signs in with device keys alone.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    password: Option<Password>,
    /// The key of the person's first device.
    #[serde(default)]
    device_key: Option<EnrolBody>,
    #[serde(default = "citizen")]
    #[schema(value_type = Option<String>, example = "citizen")]
    kind: PersonKind,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    roles: Roles,
}

const fn citizen() -> PersonKind {
    PersonKind::Citizen
}

/// Somebody was registered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RegisteredBody {
    #[schema(value_type = String, format = "uuid")]
    person_id: Id<authz::Person>,
    /// The identifier of the device key that came with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    key_id: Option<Id<DeviceKey>>,
    #[schema(value_type = String, format = "date-time")]
    registered_at: Timestamp,
    receipt: ReceiptBody,
}

/// Registers a person.
#[utoipa::path(
    post, path = "/api/v1/persons", tag = "identity", request_body = RegisterBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body register once, for a day")),
    responses((status = 201, description = "Registered", body = RegisteredBody), Refusals),
)]
async fn register(
    State(identity): Service,
    Caller(actor): Caller,
    Peer(address): Peer,
    headers: HeaderMap,
    Exact { value: body, bytes }: Exact<RegisterBody>,
) -> Result<Response, Problem> {
    let once = once(&headers, &actor, "POST /api/v1/persons", &bytes)?;
    let RegisterBody { user_id: name, password, device_key, kind, roles } = body;
    let device_key = device_key.map(EnrolBody::key).transpose()?;
    let new = NewPerson { name, password, device_key, kind, roles, address };
    let receipt = identity.register(&actor, new, once).await?;
    let body = RegisteredBody {
        person_id: receipt.done.person,
        key_id: receipt.done.device_key,
        registered_at: receipt.done.at,
        receipt: ReceiptBody::of(&receipt),
    };
    Ok(private(StatusCode::CREATED, &body))
}

/// What is known of a person.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PersonBody {
    #[schema(value_type = String, format = "uuid")]
    person_id: Id<authz::Person>,
    #[schema(value_type = String, example = "citizen")]
    kind: PersonKind,
    #[schema(value_type = Vec<String>)]
    roles: Roles,
    disabled: bool,
    has_password: bool,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

impl PersonBody {
    const fn of(shown: &Shown) -> Self {
        let Shown { id: person_id, kind, roles, disabled, has_password, created_at } = *shown;
        Self { person_id, kind, roles, disabled, has_password, created_at }
    }
}

/// Shows a person. While the database is away, as they were when they were last shown: then `Age` says how long
/// ago that was, and `Warning` that it could not be read anew.
#[utoipa::path(
    get, path = "/api/v1/persons/{person_id}", tag = "identity", security(("bearer" = [])),
    params(
        ("person_id" = String, Path, format = "uuid", description = "The person"),
        ("Ledger-Seen" = Option<u64>, Header, description = "The newest entry that the caller knows of, from its `receipt` or the same field of an answer: nothing older is shown"),
    ),
    responses((status = 200, description = "The person", body = PersonBody), Refusals),
)]
async fn person(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
    Seen(seen): Seen,
) -> Result<Response, Problem> {
    may_look_at(&actor, person)?;
    let found = identity.look_up(person, seen).await?;
    let shown = found.value.as_deref().ok_or_else(no_such_person)?;
    Ok(told_if_old(&found, private(StatusCode::OK, &PersonBody::of(shown))))
}

/// Which page of people.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Page {
    /// The last person of the page before.
    #[param(value_type = Option<String>, format = "uuid")]
    after: Option<Id<authz::Person>>,
    /// How many, at most 200.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_u32)]
    limit: Option<u32>,
    /// Only the person with this sign-in name.
    #[serde(rename = "userId")]
    user_id: Option<String>,
}

/// A page of people.
#[derive(Serialize, ToSchema)]
struct PersonsBody {
    persons: Vec<PersonBody>,
    /// What to send as `after` for the next page; absent on the last.
    #[schema(value_type = Option<String>)]
    next: Option<Id<authz::Person>>,
}

/// Lists people in the order in which they came.
#[utoipa::path(
    get, path = "/api/v1/persons", tag = "identity", security(("bearer" = [])), params(Page),
    responses((status = 200, description = "A page of people", body = PersonsBody), Refusals),
)]
async fn persons(
    State(identity): Service,
    Caller(actor): Caller,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let _ = actor.permit(ListPersons)?;
    let limit = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let index = match page.user_id {
        Some(name) => Some(name.parse::<LoginName>()?.blind_index(identity.keys())),
        None => None,
    };
    let read = move |snapshot: &store::Snapshot<'_>| match index {
        Some(index) => Ok(sql::person_named(snapshot, index)?.into_iter().collect()),
        None => sql::persons_after(snapshot, page.after, limit),
    };
    let found: Vec<Person> = identity.ledger().readers().read(read).await?;
    let full = found.len() == limit as usize;
    let next = found.last().map(|person| person.id).filter(|_| full);
    let persons = found.iter().map(|person| PersonBody::of(&Shown::of(person))).collect();
    Ok(private(StatusCode::OK, &PersonsBody { persons, next }))
}

/// Looking through everybody.
struct ListPersons;

impl authz::Guarded for ListPersons {
    fn allows(&self, actor: &authz::Actor) -> bool {
        actor.has(Role::Support) || actor.has(Role::Administrator)
    }
}

/// A person's standing.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"kind": "staff", "roles": ["support"], "disabled": false}))]
struct StandingBody {
    #[schema(value_type = String)]
    kind: PersonKind,
    #[schema(value_type = Vec<String>)]
    roles: Roles,
    /// May not sign in.
    disabled: bool,
}

/// Changes a person's standing, and ends their sessions.
#[utoipa::path(
    put, path = "/api/v1/persons/{person_id}/standing", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person")), request_body = StandingBody,
    responses((status = 204, description = "Changed"), Refusals),
)]
async fn change_standing(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
    Body(StandingBody { kind, roles, disabled }): Body<StandingBody>,
) -> Result<Response, Problem> {
    let command = ChangeStanding { person, kind, roles, disabled };
    Ok(changed(&identity.ledger().submit(actor.permit(command)?).await?))
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"userId": "ada", "current": "kelp holds fast in winter storms", "new": "a lighthouse keeper counts the waves"}))]
struct PasswordBody {
    /// The person's sign-in name: a password may not be like it.
    #[schema(value_type = String, min_length = 3, max_length = 128)]
    user_id: LoginName,
    /// The present password, from people who change their own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    current: Option<Password>,
    /// In the place of `current`: a signature by a device key, also to set a first password.
    #[serde(default)]
    proof: Option<CredentialsBody>,
    #[schema(value_type = String, min_length = 15, max_length = 256)]
    new: Password,
    /// Also removes the person's device keys, which otherwise sign in as before.
    #[serde(default)]
    remove_device_keys: bool,
}

impl PasswordBody {
    /// What the caller offers as proof, the new password, and what is said when the proof does not hold.
    fn parts(self) -> (Option<Credentials>, NewPassword, fn() -> Problem) {
        let Self { user_id: name, current, proof, new: password, remove_device_keys } = self;
        let refused = if proof.is_some() { proof_refused } else { wrong_current_password };
        let offered = proof.map(|proof| proof.0).or_else(|| current.map(Credentials::Password));
        (offered, NewPassword { name, password, remove_device_keys }, refused)
    }
}

fn wrong_current_password() -> Problem {
    let detail = "the current password is missing or not right; without one, send a `proof` by a device key";
    Problem::forbidden("identity/wrong-current-password", detail)
}

/// Changes a person's password, and ends their sessions. Their device keys stay, unless `removeDeviceKeys` is
/// true. People prove who they are to change their own; administrators change others' without.
#[utoipa::path(
    put, path = "/api/v1/persons/{person_id}/password", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person")), request_body = PasswordBody,
    responses((status = 204, description = "Changed"), Refusals),
)]
async fn change_password(
    State(identity): Service,
    Caller(actor): Caller,
    Peer(address): Peer,
    Params(person): Params<Id<authz::Person>>,
    Body(body): Body<PasswordBody>,
) -> Result<Response, Problem> {
    let _ = actor.permit(MayChangePassword(person))?;
    let person = identity.named_person(person, &body.user_id).await?;
    let (offered, new, refused) = body.parts();
    let proof = match actor.is(person.id) {
        true => Some(identity.confirm(&actor, offered, address, refused).await?),
        false => None,
    };
    Ok(changed(&identity.change_password(&actor, &person, new, proof).await?))
}

/// Which of the ledger's entries about a person an export lists.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportPage {
    /// The last entry of the page before: its `nextLedgerEntries`.
    after: Option<i64>,
}

/// Everything that is held about a person, for them to take away. Of the ledger's entries about them it
/// lists a thousand; `nextLedgerEntries` says what to send as `after` for more.
#[utoipa::path(
    get, path = "/api/v1/persons/{person_id}/export", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person"), ExportPage),
    responses((status = 200, description = "Their data", body = serde_json::Value), Refusals),
)]
async fn export(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
    Query(page): Query<ExportPage>,
) -> Result<Response, Problem> {
    Ok(private(StatusCode::OK, &identity.export_for(&actor, person, page.after).await?))
}

/// What whoever erases a person sends.
#[derive(Deserialize, ToSchema, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"proof": "kelp holds fast in winter storms"}))]
struct EraseBody {
    /// The caller's own present password, or a signature by one of their device keys: refused without.
    #[serde(default)]
    proof: Option<CredentialsBody>,
}

/// Erases a person: their key is destroyed, and what was sealed under it says nothing any more. A token alone
/// does not allow it: the body proves who the caller is. Once begun, it is finished whatever happens.
#[utoipa::path(
    delete, path = "/api/v1/persons/{person_id}", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person")), request_body = EraseBody,
    responses(
        (status = 204, description = "Erased"),
        (status = 202, description = "Begun, and finished as soon as it can be: the person cannot sign in any more, and there is nothing to send again"),
        Refusals,
    ),
)]
async fn erase(
    State(identity): Service,
    Caller(actor): Caller,
    Peer(address): Peer,
    Params(person): Params<Id<authz::Person>>,
    RawBody(bytes): RawBody,
) -> Result<StatusCode, Problem> {
    // Some clients send no body with this method; whoever may not is told so, and who may, what is missing.
    let body = if bytes.is_empty() { EraseBody::default() } else { edge::read_json(&bytes)? };
    Ok(match identity.erase(&actor, person, body.proof.map(|proof| proof.0), address).await? {
        Erasing::Finished => StatusCode::NO_CONTENT,
        Erasing::Begun => StatusCode::ACCEPTED,
    })
}
