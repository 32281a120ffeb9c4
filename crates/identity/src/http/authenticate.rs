//! `POST /api/v1/challenges` and `POST /api/v1/authenticate`.

use std::fmt;

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
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, idempotency::once, private};
use crate::{
    Attempt, Audience, Challenge, Credentials, DeviceKey, Identity, LoginName, Password, SignedIn,
    authenticate::signature_bytes, token,
};

/// The service that tokens are for unless a request names another.
const AUDIENCE: &str = "holdfast";
/// The longest device fingerprint, in bytes.
const FINGERPRINT_BYTES_MAX: usize = 1024;

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
    /// Whatever tells the caller's device from others. The token is then bound to it: send the same in
    /// `Device-Fingerprint` with each request.
    #[serde(default)]
    #[schema(max_length = 1024)]
    device_fingerprint: Option<String>,
    /// The service that the token is for; `holdfast` if absent.
    #[serde(default)]
    #[schema(max_length = 100)]
    audience: Option<String>,
}

/// The password as a string, or an object that says what it is.
#[derive(ToSchema)]
#[schema(example = json!("kelp holds fast in winter storms"))]
#[expect(dead_code, reason = "only its schema is used: values are read as `Credentials`")]
#[serde(untagged)]
enum CredentialsSchema {
    Password(String),
    Object(CredentialsObject),
}

/// Credentials that name their type.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
enum CredentialsObject {
    Password {
        #[schema(value_type = String)]
        password: Password,
    },
    /// A signature by an enrolled key over `holdfast sign-in v1`, the userId in lower case and the
    /// challenge, with line feeds between.
    DeviceKey {
        /// The key's identifier, from its enrolment.
        #[schema(value_type = String, format = "uuid")]
        key_id: Id<DeviceKey>,
        /// From `POST /api/v1/challenges`, at most a minute ago.
        challenge: String,
        /// 64 bytes in base64url.
        signature: String,
    },
}

/// Credentials in either form.
struct CredentialsBody(Credentials);

impl utoipa::PartialSchema for CredentialsBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        CredentialsSchema::schema()
    }
}

impl ToSchema for CredentialsBody {
    fn name() -> std::borrow::Cow<'static, str> {
        "Credentials".into()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::Schema>)>) {
        CredentialsSchema::schemas(schemas);
    }
}

impl<'de> Deserialize<'de> for CredentialsBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm).map(Self)
    }
}

struct EitherForm;

impl<'de> de::Visitor<'de> for EitherForm {
    type Value = Credentials;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a password as a string, or an object with a `type`")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Credentials, E> {
        Ok(Credentials::Password(Password::from(text.to_owned())))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Credentials, A::Error> {
        match CredentialsObject::deserialize(de::value::MapAccessDeserializer::new(map))? {
            CredentialsObject::Password { password } => Ok(Credentials::Password(password)),
            CredentialsObject::DeviceKey { key_id: key, challenge, signature } => {
                let signature = signature_bytes(&signature)
                    .ok_or_else(|| de::Error::custom("a signature is 64 bytes in base64url"))?;
                Ok(Credentials::DeviceKey { key, challenge, signature })
            }
        }
    }
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
        let too_long = device_fingerprint.as_ref().is_some_and(|text| text.len() > FINGERPRINT_BYTES_MAX);
        if too_long || device_fingerprint.as_deref().is_some_and(str::is_empty) {
            let detail = format!(
                "a deviceFingerprint is 1 to {FINGERPRINT_BYTES_MAX} bytes; leave it out if there is none"
            );
            return Err(Problem::unprocessable("identity/fingerprint-unfit", detail));
        }
        let audience = Audience::named(audience.as_deref().unwrap_or(AUDIENCE));
        Ok(Attempt { name, credentials: credentials.0, device_fingerprint, audience, address })
    }
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
    let challenge = Challenge::new(identity.clock());
    let body =
        ChallengeBody { challenge: challenge.to_text(identity.keys()), expires_at: challenge.expires_at };
    private(StatusCode::CREATED, &body)
}
