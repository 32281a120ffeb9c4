//! The routes of this service, and how the edge learns from a token who is asking.

mod authenticate;
mod credentials;
mod device_keys;
mod idempotency;
mod persons;
mod sessions;
mod tokens;

use authz::Actor;
use axum::{
    extract::FromRequestParts,
    http::{HeaderName, Method, header, request::Parts},
    response::IntoResponse,
};
use edge::{Direct, Fields, Identify};
use problem::Problem;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Identity,
    token::{self, Token},
    tokens::TokenError,
};

/// The header field in which the holder of a token that is bound to a device names the device.
const DEVICE_FINGERPRINT: HeaderName = HeaderName::from_static("device-fingerprint");

/// Every route of the service, with its description.
pub fn routes(identity: Identity) -> OpenApiRouter {
    described().with_state(identity)
}

/// The description of those routes.
#[must_use]
pub fn description() -> OpenApi {
    described().into_openapi()
}

fn described() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .merge(authenticate::routes())
        .merge(persons::routes())
        .merge(device_keys::routes())
        .merge(sessions::routes())
        .merge(tokens::routes())
}

/// The routes that are asked a hundred times more than the rest.
pub fn direct(identity: Identity) -> Direct {
    Direct::none().route(Method::GET, "/api/v1/session", move |ask| {
        // Whatever does not hold goes to the router, which says why.
        let token = held_token(&identity, ask.fields).ok()??;
        Some(edge::Answer::json(sessions::told(&token)).not_stored())
    })
}

/// Who sent a request: nobody without a token, a person with one that holds.
pub fn identify(identity: Identity) -> Identify {
    Identify::by(move |fields| {
        let token = held_token(&identity, fields)?;
        Ok(token.map_or(Actor::ANONYMOUS, |token| Actor::person(token.claims)))
    })
}

/// The token of a request, if it brings one and it holds, on this device.
fn held_token(identity: &Identity, fields: Fields<'_>) -> Result<Option<Token>, Problem> {
    let Some(authorization) = fields.get(&header::AUTHORIZATION) else { return Ok(None) };
    let bearer = bearer_token(authorization).ok_or(TokenError::Malformed)?;
    let bytes = token::from_text(bearer).ok_or(TokenError::Malformed)?;
    let token = identity.tokens().check_own(&bytes)?;
    if let Some(device) = token.device {
        let fingerprint = fields.get(&DEVICE_FINGERPRINT).and_then(|value| std::str::from_utf8(value).ok());
        let same = fingerprint.is_some_and(|fingerprint| identity.tokens().device(fingerprint) == device);
        if !same {
            return Err(TokenError::OtherDevice.into());
        }
    }
    Ok(Some(token))
}

/// The token behind the scheme `Bearer`, whose case does not matter (RFC 9110, section 11.1).
fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"bearer ";
    let (scheme, token) = authorization.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| token.trim_ascii_start())
}

/// A JSON answer about somebody, which no cache may keep.
fn private<T: serde::Serialize>(status: axum::http::StatusCode, body: &T) -> axum::response::Response {
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    (status, no_store, axum::Json(body)).into_response()
}

/// In an answer, the entry that a change made; in a request, the newest one that the caller knows of.
const LEDGER_SEEN: HeaderName = HeaderName::from_static("ledger-seen");

/// The answer to a change that has nothing to tell but that it happened, and where that stands.
fn changed<T>(receipt: &ledger::Receipt<T>) -> axum::response::Response {
    (axum::http::StatusCode::NO_CONTENT, [(LEDGER_SEEN, receipt.index.to_string())]).into_response()
}

/// The newest entry that a caller knows of, if they say so.
struct Seen(Option<u64>);

impl<S: Sync> FromRequestParts<S> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(said) = parts.headers.get(LEDGER_SEEN) else { return Ok(Self(None)) };
        let index = said.to_str().ok().and_then(|text| text.parse().ok());
        // No ledger of ours counts further.
        let index = index.filter(|index| i64::try_from(*index).is_ok());
        index.map(|index| Self(Some(index))).ok_or_else(|| {
            let detail = "Ledger-Seen is the index of an entry, as in a `receipt`: digits alone";
            Problem::bad_request("identity/ledger-seen-unfit", detail)
        })
    }
}

/// The service's state as handlers take it.
type Service = axum::extract::State<Identity>;
