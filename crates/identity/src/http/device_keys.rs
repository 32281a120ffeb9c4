//! `/api/v1/persons/{id}/device-keys`: the keys that a person's devices sign in with.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clock::Timestamp;
use edge::{Caller, Exact, Params, Peer, Refusals};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, authenticate::ReceiptBody, credentials::CredentialsBody, idempotency::once, private};
use crate::{
    DeviceKey, Identity, NewKey, RevokeDeviceKey, SignatureAlgorithm, authenticate::open_text,
    confirm::proof_refused, enrol_device_key::MayEnrol, export::may_look_at, sql,
};

/// The longest name of a device, in characters.
const LABEL_CHARS_MAX: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(enrol, list)).routes(routes!(revoke))
}

/// A key to be enrolled.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "label": "my phone"}))]
pub(super) struct EnrolBody {
    /// `Ed25519`, or `ES256`.
    #[schema(value_type = String, example = "Ed25519")]
    algorithm: SignatureAlgorithm,
    /// 32 bytes for Ed25519, an uncompressed point of 65 for ES256, in base64url.
    public_key: String,
    /// What the person calls the device.
    #[serde(default)]
    #[schema(max_length = 100)]
    label: String,
}

impl EnrolBody {
    /// The key, as far as its form can tell.
    pub(super) fn key(self) -> Result<NewKey, Problem> {
        let Self { algorithm, public_key, label } = self;
        if label.chars().count() > LABEL_CHARS_MAX {
            let detail = format!("a label has at most {LABEL_CHARS_MAX} characters");
            return Err(Problem::unprocessable("identity/label-unfit", detail));
        }
        // What is no base64url is no key of any length.
        let public_key = URL_SAFE_NO_PAD.decode(public_key.trim_end_matches('=')).unwrap_or_default();
        Ok(NewKey { algorithm, public_key, label })
    }
}

/// A key to be enrolled by somebody who is signed in, and proves it once more.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"algorithm": "Ed25519", "publicKey": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "label": "my phone", "proof": "kelp holds fast in winter storms"}))]
struct EnrolAnotherBody {
    /// `Ed25519`, or `ES256`.
    #[schema(value_type = String, example = "Ed25519")]
    algorithm: SignatureAlgorithm,
    /// 32 bytes for Ed25519, an uncompressed point of 65 for ES256, in base64url.
    public_key: String,
    /// What the person calls the device.
    #[serde(default)]
    #[schema(max_length = 100)]
    label: String,
    /// The present password, or a signature by a key that is enrolled: refused without.
    #[serde(default)]
    proof: Option<CredentialsBody>,
}

/// A key was enrolled.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EnrolledBody {
    #[schema(value_type = String, format = "uuid")]
    key_id: Id<DeviceKey>,
    receipt: ReceiptBody,
}

/// Enrols a key, with which its holder signs in as the caller from then on. A token alone does not allow
/// it: the body proves who the caller is.
#[utoipa::path(
    post, path = "/api/v1/persons/{person_id}/device-keys", tag = "identity", security(("bearer" = [])),
    params(
        ("person_id" = String, Path, format = "uuid", description = "The person"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body enrol once, for a day"),
    ),
    request_body = EnrolAnotherBody,
    responses((status = 201, description = "Enrolled", body = EnrolledBody), Refusals),
)]
async fn enrol(
    State(identity): Service,
    Caller(actor): Caller,
    Peer(address): Peer,
    Params(person): Params<Id<authz::Person>>,
    headers: HeaderMap,
    Exact { value: body, bytes }: Exact<EnrolAnotherBody>,
) -> Result<Response, Problem> {
    let _ = actor.permit(MayEnrol(person))?;
    let EnrolAnotherBody { algorithm, public_key, label, proof } = body;
    let key = EnrolBody { algorithm, public_key, label }.key()?;
    let proof = proof.map(|proof| proof.0);
    let once = once(&headers, &actor, "POST /api/v1/persons/{person_id}/device-keys", &bytes)?;
    let proof = identity.confirm(&actor, proof, address, proof_refused).await?;
    let enrolled = identity.enrol_device_key(&actor, person, key, proof, once).await?;
    let body = EnrolledBody { key_id: enrolled.done.key, receipt: ReceiptBody::of(&enrolled) };
    Ok(private(StatusCode::CREATED, &body))
}

/// One of a person's keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListedKey {
    #[schema(value_type = String, format = "uuid")]
    key_id: Id<DeviceKey>,
    #[schema(value_type = String, example = "Ed25519")]
    algorithm: SignatureAlgorithm,
    label: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
}

/// A person's keys.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeviceKeysBody {
    device_keys: Vec<ListedKey>,
}

/// Lists a person's device keys.
#[utoipa::path(
    get, path = "/api/v1/persons/{person_id}/device-keys", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person")),
    responses((status = 200, description = "Their keys", body = DeviceKeysBody), Refusals),
)]
async fn list(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
) -> Result<Response, Problem> {
    may_look_at(&actor, person)?;
    let key = identity.key_of(person).await?;
    let found =
        identity.ledger().readers().read(move |snapshot| sql::device_keys_of(snapshot, person)).await?;
    let mut device_keys = Vec::with_capacity(found.len());
    for device_key in found {
        let label = match device_key.label.content() {
            Some(sealed) => open_text(&key, "device-label", person, sealed)?.to_string(),
            None => String::new(),
        };
        let DeviceKey { id: key_id, algorithm, created_at, .. } = device_key;
        device_keys.push(ListedKey { key_id, algorithm, label, created_at });
    }
    Ok(private(StatusCode::OK, &DeviceKeysBody { device_keys }))
}

/// Revokes a key: it signs in no more. Sessions that it began go on; sign out to end them.
#[utoipa::path(
    delete, path = "/api/v1/persons/{person_id}/device-keys/{key_id}", tag = "identity", security(("bearer" = [])),
    params(
        ("person_id" = String, Path, format = "uuid", description = "The person"),
        ("key_id" = String, Path, format = "uuid", description = "The key"),
    ),
    responses((status = 204, description = "Revoked"), Refusals),
)]
async fn revoke(
    State(identity): Service,
    Caller(actor): Caller,
    Params((person, key)): Params<(Id<authz::Person>, Id<DeviceKey>)>,
) -> Result<StatusCode, Problem> {
    identity.ledger().submit(actor.permit(RevokeDeviceKey { person, key })?).await?;
    Ok(StatusCode::NO_CONTENT)
}
