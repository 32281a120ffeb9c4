//! `POST /api/v1/challenges` and `POST /api/v1/authenticate`.

use authz::{Actor, PersonKind, Roles};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use clock::Timestamp;
use edge::{Exact, Peer, Refusals};
use ids::Id;
use ledger::Receipt;
use problem::Problem;
use serde::{Deserialize, Serialize, de};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, credentials::CredentialsBody, idempotency::once, private};
use crate::{Attempt, Audience, Challenge, Identity, LoginName, OWN_AUDIENCE, SignedIn, token};

/// The longest device fingerprint, in bytes.
const FINGERPRINT_BYTES_MAX: usize = 1024;
/// The longest name of a service that tokens are for, in characters.
const AUDIENCE_CHARS_MAX: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(authenticate)).routes(routes!(challenge))
}

/// Who signs in, and how they prove it.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"userId": "ada", "credentials": "kelp holds fast in winter storms"}))]
struct AuthenticateBody {
    /// The name to sign in with.
    #[schema(value_type = String, min_length = 3, max_length = 128, pattern = "^[A-Za-z0-9._@+-]+$")]
    user_id: LoginName,
    /// The password, or an object with a signature.
    credentials: CredentialsBody,
    /// Accepted from clients that send it. A string proves nothing to a server: it is not stored, and
    /// never counts.
    #[serde(default, rename = "biometric")]
    #[schema(value_type = Option<String>)]
    _biometric: Option<de::IgnoredAny>,
    /// Whatever tells the caller's device from others, in ASCII without spaces at its ends. The token is then bound to it: send the same in
    /// `Device-Fingerprint` with each request.
    #[serde(default)]
    #[schema(max_length = 1024)]
    device_fingerprint: Option<String>,
    /// The service that the token is for; `holdfast` if absent. This service's own routes take no others.
    #[serde(default)]
    #[schema(max_length = 100)]
    audience: Option<String>,
}

/// Someone is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuthenticatedBody {
    /// Send it as `Authorization: Bearer <token>`. It is told once, and stored nowhere.
    token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
    #[schema(value_type = String, format = "uuid")]
    person_id: Id<authz::Person>,
    #[schema(value_type = String, format = "uuid")]
    session_id: Id<authz::Session>,
    #[schema(value_type = String, example = "citizen")]
    kind: PersonKind,
    #[schema(value_type = Vec<String>)]
    roles: Roles,
    assurance: AssuranceBody,
    receipt: ReceiptBody,
}

/// How sure the service is of who it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AssuranceBody {
    /// Authenticator assurance level of NIST SP 800-63B.
    level: u8,
    /// The factors that counted. A biometric string never does.
    #[schema(value_type = Vec<String>, example = json!(["password"]))]
    factors: [&'static str; 1],
    /// `known` if this person has signed in from the device before, `new` if not, `unnamed` without a
    /// fingerprint.
    #[schema(value_type = String, example = "unnamed")]
    device: &'static str,
    /// `low`, or `elevated` when the device is new to this person.
    #[schema(value_type = String, example = "low")]
    risk: &'static str,
}

/// Where in the ledger an act stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReceiptBody {
    #[schema(example = "identity")]
    ledger: String,
    index: u64,
    /// SHA-256 leaf hash of the entry (RFC 6962), in base64.
    leaf_hash: String,
}

impl ReceiptBody {
    pub(super) fn of<Done>(receipt: &Receipt<Done>) -> Self {
        let Receipt { ledger, index, leaf, .. } = receipt;
        Self { ledger: ledger.to_string(), index: *index, leaf_hash: leaf.to_base64() }
    }
}

/// Signs in.
#[utoipa::path(
    post, path = "/api/v1/authenticate", tag = "identity", request_body = AuthenticateBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body are one sign-in, for a day")),
    responses((status = 200, description = "Signed in", body = AuthenticatedBody), Refusals),
)]
async fn authenticate(
    State(identity): Service,
    Peer(address): Peer,
    headers: HeaderMap,
    Exact { value: body, bytes }: Exact<AuthenticateBody>,
) -> Result<Response, Problem> {
    let once = once(&headers, &Actor::ANONYMOUS, "POST /api/v1/authenticate", &bytes)?;
    let attempt = body.attempt(address)?;
    let receipt = identity.authenticate_once(attempt, &bytes, once).await?;
    let token = identity.tokens().mint(&receipt.done);
    Ok(private(StatusCode::OK, &AuthenticatedBody::of(&receipt, token::to_text(&token))))
}

impl AuthenticateBody {
    fn attempt(self, address: Option<std::net::IpAddr>) -> Result<Attempt, Problem> {
        let Self { user_id: name, credentials, device_fingerprint, audience, _biometric: _ } = self;
        device_fingerprint.as_deref().map_or(Ok(()), check_fingerprint)?;
        let audience = named_audience(audience.as_deref().unwrap_or(OWN_AUDIENCE))?;
        Ok(Attempt { name, credentials: credentials.0, device_fingerprint, audience, address })
    }
}

/// A fingerprint comes back in a header field with each request: it must be one that a field can hold.
fn check_fingerprint(text: &str) -> Result<(), Problem> {
    let visible = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && text.trim() == text;
    if visible && (1..=FINGERPRINT_BYTES_MAX).contains(&text.len()) {
        return Ok(());
    }
    let detail = format!(
        "a deviceFingerprint is 1 to {FINGERPRINT_BYTES_MAX} ASCII characters without spaces at its ends, as it is sent \
         in the field Device-Fingerprint; leave it out if there is none"
    );
    Err(Problem::unprocessable("identity/fingerprint-unfit", detail))
}

/// The audience of this name, if it can be one.
pub(super) fn named_audience(name: &str) -> Result<Audience, Problem> {
    if (1..=AUDIENCE_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(Audience::named(name));
    }
    let detail = format!("an audience is the name of a service, 1 to {AUDIENCE_CHARS_MAX} characters");
    Err(Problem::unprocessable("identity/audience-unfit", detail))
}

impl AuthenticatedBody {
    fn of(receipt: &Receipt<SignedIn>, token: String) -> Self {
        let signed_in = &receipt.done;
        let (device, risk) = match (signed_in.device, signed_in.device_known) {
            (None, _) => ("unnamed", "low"),
            (Some(_), true) => ("known", "low"),
            (Some(_), false) => ("new", "elevated"),
        };
        Self {
            token,
            token_type: "Bearer",
            expires_at: signed_in.expires_at,
            person_id: signed_in.person,
            session_id: signed_in.session,
            kind: signed_in.kind,
            roles: signed_in.roles,
            assurance: AssuranceBody { level: 1, factors: [signed_in.assurance.factor()], device, risk },
            receipt: ReceiptBody::of(receipt),
        }
    }
}

/// Something to sign.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ChallengeBody {
    challenge: String,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

/// A challenge for a device to sign, within a minute and once.
#[utoipa::path(
    post, path = "/api/v1/challenges", tag = "identity",
    responses((status = 201, description = "A challenge", body = ChallengeBody), Refusals),
)]
async fn challenge(State(identity): Service) -> Response {
    let challenge = Challenge::new(identity.clock(), identity.ledger().last_at());
    let body =
        ChallengeBody { challenge: challenge.to_text(identity.keys()), expires_at: challenge.expires_at };
    private(StatusCode::CREATED, &body)
}
