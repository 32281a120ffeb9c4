//! `/api/v1/tokens`: other services ask whether tokens hold: one at a time as RFC 7662 has it, or a
//! thousand at once.

use authz::Role;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use clock::Timestamp;
use edge::{Caller, Query, RawBody, Refusals};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, authenticate::named_audience, private};
use crate::{Audience, Identity, OWN_AUDIENCE, TOKEN_BYTES, TokenError, token};

/// Tokens that one call may ask about.
const TOKENS_MAX: usize = 1000;
/// The compact form: tokens of 96 bytes, one after the other; the answer has one byte for each.
const COMPACT: &str = "application/octet-stream";

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new().routes(routes!(introspect)).routes(routes!(validate))
}

/// Asking about other people's tokens.
struct AskAboutTokens;

impl authz::Guarded for AskAboutTokens {
    fn allows(&self, actor: &authz::Actor) -> bool {
        actor.has(Role::Introspector) || actor.has(Role::Administrator)
    }
}

/// What RFC 7662, section 2.1 sends, as a form.
#[derive(Deserialize, ToSchema)]
struct IntrospectBody {
    token: String,
    /// The service that asks: a token for any other is not active.
    #[serde(default)]
    #[schema(max_length = 100)]
    audience: Option<String>,
    #[expect(dead_code, reason = "RFC 7662 lets callers send it; there is one type of token here")]
    #[serde(default)]
    token_type_hint: Option<String>,
}

/// What RFC 7662, section 2.2 answers.
#[derive(Serialize, ToSchema, Default)]
struct IntrospectedBody {
    /// Whether the token holds; all else is absent if not.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    sub: Option<Id<authz::Person>>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    jti: Option<Id<authz::Session>>,
    /// The service that the token is for: `holdfast`, or the `audience` that was asked for; of others only a
    /// hash is known, and told as `#` and eight digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "holdfast")]
    aud: Option<String>,
    /// The person's roles, with spaces between.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    /// Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
    /// The token is bound to a device, which only this service's own routes check.
    #[serde(skip_serializing_if = "Option::is_none")]
    device_bound: Option<bool>,
}

/// Says whether one token holds (RFC 7662).
#[utoipa::path(
    post, path = "/api/v1/tokens/introspect", tag = "identity", security(("bearer" = [])),
    request_body(content = IntrospectBody, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Whether it holds", body = IntrospectedBody), Refusals),
)]
async fn introspect(
    State(identity): Service,
    Caller(actor): Caller,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let _ = actor.permit(AskAboutTokens)?;
    if content_type(&headers) != "application/x-www-form-urlencoded" {
        let detail = "send the token as application/x-www-form-urlencoded: token=...";
        return Err(Problem::unsupported_media_type("identity/not-a-form", detail));
    }
    let form: IntrospectBody = serde_urlencoded::from_bytes(&body).map_err(|error| {
        Problem::unprocessable("identity/form-unfit", format!("the form must have a token: {error}"))
    })?;
    let asked = form.audience.as_deref().map(named_audience).transpose()?;
    let validator = identity.tokens().validator().meant_for(asked);
    let held = token::from_text(&form.token).and_then(|bytes| validator.check(&bytes).ok());
    drop(validator);
    let answer = held.map_or_else(IntrospectedBody::default, |token| IntrospectedBody {
        active: true,
        token_type: Some("Bearer"),
        sub: Some(token.claims.person),
        jti: Some(token.claims.session),
        aud: Some(audience_word(token.audience, form.audience.as_deref())),
        scope: Some(token.claims.roles.iter().map(Role::word).collect::<Vec<_>>().join(" ")),
        iat: Some(token.claims.session.unix_ms() / 1000),
        exp: Some(token.expires_at.seconds()),
        device_bound: Some(token.device.is_some()),
    });
    Ok(private(StatusCode::OK, &answer))
}

/// The name of an audience, where it can be known.
fn audience_word(audience: Audience, asked: Option<&str>) -> String {
    let known = asked.into_iter().chain([OWN_AUDIENCE]).find(|name| Audience::named(name) == audience);
    known.map_or_else(|| format!("#{:08x}", audience.0), str::to_owned)
}

/// Tokens to look at.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ValidateBody<'a> {
    /// At most 1,000.
    #[serde(borrow)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    tokens: Vec<std::borrow::Cow<'a, str>>,
}

/// For whom tokens are looked at.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct For {
    /// The service that asks: tokens for any other do not hold. Left out, tokens for any service do.
    #[param(max_length = 100)]
    audience: Option<String>,
}

/// Whether each token holds, in the order in which they were sent.
#[derive(Serialize, ToSchema)]
struct ValidatedBody {
    results: Vec<Validated>,
}

/// Whether one token holds, and for whom; or why not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Validated {
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uuid")]
    person_id: Option<Id<authz::Person>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    expires_at: Option<Timestamp>,
    /// `malformed`, `forged`, `expired`, `ended` or `other-audience`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl From<Result<token::Token, TokenError>> for Validated {
    fn from(checked: Result<token::Token, TokenError>) -> Self {
        match checked {
            Ok(token) => Self {
                valid: true,
                person_id: Some(token.claims.person),
                expires_at: Some(token.expires_at),
                reason: None,
            },
            Err(error) => {
                Self { valid: false, person_id: None, expires_at: None, reason: Some(error.word()) }
            }
        }
    }
}

/// Says which of up to a thousand tokens hold. As `application/octet-stream` the body is tokens of 96 bytes
/// one after the other, and the answer one byte for each: 0 holds, 1 malformed, 2 forged, 3 expired, 4
/// ended, 5 for another audience than the one that asks.
#[utoipa::path(
    post, path = "/api/v1/tokens/validate", tag = "identity", security(("bearer" = [])), params(For),
    request_body(content(
        (ValidateBody<'static> = "application/json"),
        (Vec<u8> = "application/octet-stream"),
    )),
    responses((status = 200, description = "Which of them hold", content(
        (ValidatedBody = "application/json"),
        (Vec<u8> = "application/octet-stream"),
    )), Refusals),
)]
async fn validate(
    State(identity): Service,
    Caller(actor): Caller,
    Query(asks): Query<For>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let _ = actor.permit(AskAboutTokens)?;
    let audience = asks.audience.as_deref().map(named_audience).transpose()?;
    match content_type(&headers).as_str() {
        COMPACT => validate_compact(&identity, audience, &body),
        "application/json" => validate_json(&identity, audience, &body),
        _ => {
            let detail =
                "send tokens as application/json, or as application/octet-stream in the compact form";
            Err(Problem::unsupported_media_type("identity/not-tokens", detail))
        }
    }
}

fn validate_json(identity: &Identity, audience: Option<Audience>, body: &[u8]) -> Result<Response, Problem> {
    let ValidateBody { tokens } = edge::read_json(body)?;
    check_count(tokens.len())?;
    let validator = identity.tokens().validator().meant_for(audience);
    let check = |text: &std::borrow::Cow<'_, str>| {
        let bytes = token::from_text(text.as_bytes()).ok_or(TokenError::Malformed);
        Validated::from(bytes.and_then(|bytes| validator.check(&bytes)))
    };
    let results: Vec<_> = tokens.iter().map(check).collect();
    drop(validator);
    identity.instruments().tokens_checked.inc_by(results.len() as u64);
    Ok(private(StatusCode::OK, &ValidatedBody { results }))
}

fn validate_compact(
    identity: &Identity,
    audience: Option<Audience>,
    body: &[u8],
) -> Result<Response, Problem> {
    let (tokens, rest) = body.as_chunks::<TOKEN_BYTES>();
    if !rest.is_empty() {
        let detail =
            format!("the compact form is tokens of {TOKEN_BYTES} bytes; {} are left over", rest.len());
        return Err(Problem::unprocessable("identity/tokens-unfit", detail));
    }
    check_count(tokens.len())?;
    let validator = identity.tokens().validator().meant_for(audience);
    let results: Vec<u8> =
        tokens.iter().map(|bytes| validator.check(bytes).err().map_or(0, TokenError::number)).collect();
    drop(validator);
    identity.instruments().tokens_checked.inc_by(results.len() as u64);
    Ok(([(header::CONTENT_TYPE, COMPACT), (header::CACHE_CONTROL, "no-store")], results).into_response())
}

fn check_count(tokens: usize) -> Result<(), Problem> {
    if tokens <= TOKENS_MAX {
        return Ok(());
    }
    let detail = format!("one call asks about at most {TOKENS_MAX} tokens; send several");
    Err(Problem::unprocessable("identity/too-many-tokens", detail))
}

/// The media type of the body, in lower case and without parameters.
fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
