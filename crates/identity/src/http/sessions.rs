//! `/api/v1/session` and `/api/v1/sessions`: where the caller is signed in, and how they sign out.

use authz::{PersonKind, Roles};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use clock::Timestamp;
use edge::{Caller, Params, Query, Refusals};
use ids::Id;
use problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Service, held_token, private};
use crate::{Identity, SignOut, SignOutEverywhere, Token, export::may_look_at, sql};

/// Sessions that a list shows, the newest first.
const LISTED_MAX: u32 = 200;

pub(super) fn routes() -> OpenApiRouter<Identity> {
    OpenApiRouter::new()
        .routes(routes!(session, sign_out))
        .routes(routes!(sessions, sign_out_everywhere))
        .routes(routes!(end_session))
        .routes(routes!(sessions_of, end_sessions_of))
}

/// What the caller's token says.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionBody {
    #[schema(value_type = String, format = "uuid")]
    person_id: Id<authz::Person>,
    #[schema(value_type = String, format = "uuid")]
    session_id: Id<authz::Session>,
    #[schema(value_type = String, example = "citizen")]
    kind: PersonKind,
    #[schema(value_type = Vec<String>)]
    roles: Roles,
    /// The factor that the person signed in with.
    #[schema(value_type = String, example = "password")]
    factor: &'static str,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

impl SessionBody {
    fn of(token: &Token) -> Self {
        Self {
            person_id: token.claims.person,
            session_id: token.claims.session,
            kind: token.claims.kind,
            roles: token.claims.roles,
            factor: token.assurance.factor(),
            expires_at: token.expires_at,
        }
    }
}

/// The session of a token, as JSON: a [`SessionBody`], written in one go because almost every request asks
/// for it. Nothing in it needs an escape.
pub(super) fn told(token: &Token) -> Vec<u8> {
    let mut text = Vec::with_capacity(320);
    text.extend_from_slice(b"{\"personId\":\"");
    text.extend_from_slice(&token.claims.person.to_text());
    text.extend_from_slice(b"\",\"sessionId\":\"");
    text.extend_from_slice(&token.claims.session.to_text());
    text.extend_from_slice(b"\",\"kind\":\"");
    text.extend_from_slice(token.claims.kind.word().as_bytes());
    text.extend_from_slice(b"\",\"roles\":[");
    for (place, role) in token.claims.roles.iter().enumerate() {
        text.extend_from_slice(if place == 0 { b"\"" } else { b",\"" });
        text.extend_from_slice(role.word().as_bytes());
        text.extend_from_slice(b"\"");
    }
    text.extend_from_slice(b"],\"factor\":\"");
    text.extend_from_slice(token.assurance.factor().as_bytes());
    text.extend_from_slice(b"\",\"expiresAt\":\"");
    text.extend_from_slice(&token.expires_at.to_text());
    text.extend_from_slice(b"\"}");
    text
}

/// The token of a caller who must have one.
fn own_token(identity: &Identity, headers: &HeaderMap) -> Result<Token, Problem> {
    Ok(held_token(identity, headers.into())?.ok_or(authz::Denied::Anonymous)?)
}

/// Says who the caller's token is for.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "identity", security(("bearer" = [])),
    responses((status = 200, description = "The caller's session", body = SessionBody), Refusals),
)]
async fn session(State(identity): Service, headers: HeaderMap) -> Result<Response, Problem> {
    let token = own_token(&identity, &headers)?;
    Ok(private(StatusCode::OK, &SessionBody::of(&token)))
}

/// Signs out here: the caller's token holds no more.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "identity", security(("bearer" = [])),
    responses((status = 204, description = "Signed out"), Refusals),
)]
async fn sign_out(
    State(identity): Service,
    Caller(actor): Caller,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let token = own_token(&identity, &headers)?;
    let command = SignOut { person: token.claims.person, session: token.claims.session };
    identity.ledger().submit(actor.permit(command)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// One of somebody's sessions.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ListedSession {
    #[schema(value_type = String, format = "uuid")]
    session_id: Id<authz::Session>,
    #[schema(value_type = String, format = "date-time")]
    began_at: Timestamp,
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
    #[schema(value_type = String, example = "password")]
    factor: &'static str,
    /// The one that is asking.
    current: bool,
    /// Its token is bound to a device.
    device_bound: bool,
}

/// Where somebody is signed in.
#[derive(Serialize, ToSchema)]
struct SessionsBody {
    /// The newest first, at most 200.
    sessions: Vec<ListedSession>,
}

async fn list(
    identity: &Identity,
    person: Id<authz::Person>,
    current: Option<Id<authz::Session>>,
) -> Result<Response, Problem> {
    let person = identity.person(person).await?;
    let now = identity.clock().now();
    let read = move |snapshot: &store::Snapshot<'_>| sql::sessions_of(snapshot, &person, now, LISTED_MAX);
    let sessions = identity.ledger().readers().read(read).await?;
    let listed = sessions.into_iter().map(|session| ListedSession {
        session_id: session.id,
        began_at: Timestamp::from_millis(session.id.unix_ms()),
        expires_at: session.expires_at,
        factor: session.assurance.factor(),
        current: current == Some(session.id),
        device_bound: session.device_bound,
    });
    Ok(private(StatusCode::OK, &SessionsBody { sessions: listed.collect() }))
}

/// Lists where the caller is signed in.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "identity", security(("bearer" = [])),
    responses((status = 200, description = "The caller's sessions", body = SessionsBody), Refusals),
)]
async fn sessions(State(identity): Service, headers: HeaderMap) -> Result<Response, Problem> {
    let token = own_token(&identity, &headers)?;
    list(&identity, token.claims.person, Some(token.claims.session)).await
}

/// What ends with all sessions.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Everywhere {
    /// Also removes the person's device keys, which otherwise sign in as before.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    remove_device_keys: bool,
}

/// Signs the caller out everywhere, here too. Their device keys stay, unless `removeDeviceKeys` is true.
#[utoipa::path(
    delete, path = "/api/v1/sessions", tag = "identity", security(("bearer" = [])), params(Everywhere),
    responses((status = 204, description = "Signed out everywhere"), Refusals),
)]
async fn sign_out_everywhere(
    State(identity): Service,
    Caller(actor): Caller,
    Query(Everywhere { remove_device_keys }): Query<Everywhere>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let person = own_token(&identity, &headers)?.claims.person;
    identity.ledger().submit(actor.permit(SignOutEverywhere { person, remove_device_keys })?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one of the caller's sessions.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{session_id}", tag = "identity", security(("bearer" = [])),
    params(("session_id" = String, Path, format = "uuid", description = "The session to end")),
    responses((status = 204, description = "Ended"), Refusals),
)]
async fn end_session(
    State(identity): Service,
    Caller(actor): Caller,
    Params(session): Params<Id<authz::Session>>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let person = own_token(&identity, &headers)?.claims.person;
    identity.ledger().submit(actor.permit(SignOut { person, session })?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists where a person is signed in.
#[utoipa::path(
    get, path = "/api/v1/persons/{person_id}/sessions", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person")),
    responses((status = 200, description = "Their sessions", body = SessionsBody), Refusals),
)]
async fn sessions_of(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
) -> Result<Response, Problem> {
    may_look_at(&actor, person)?;
    list(&identity, person, actor.session()).await
}

/// Signs a person out everywhere. Their device keys stay, unless `removeDeviceKeys` is true.
#[utoipa::path(
    delete, path = "/api/v1/persons/{person_id}/sessions", tag = "identity", security(("bearer" = [])),
    params(("person_id" = String, Path, format = "uuid", description = "The person"), Everywhere),
    responses((status = 204, description = "Signed out everywhere"), Refusals),
)]
async fn end_sessions_of(
    State(identity): Service,
    Caller(actor): Caller,
    Params(person): Params<Id<authz::Person>>,
    Query(Everywhere { remove_device_keys }): Query<Everywhere>,
) -> Result<StatusCode, Problem> {
    identity.ledger().submit(actor.permit(SignOutEverywhere { person, remove_device_keys })?).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Assurance, Audience};
    use authz::{Claims, Role};

    #[test]
    fn a_session_told_in_one_go_is_told_as_its_description_says() {
        for roles in [&[][..], &[Role::Auditor], &[Role::Auditor, Role::Support]] {
            for kind in [PersonKind::Citizen, PersonKind::Government] {
                let token = Token {
                    claims: Claims {
                        person: Id::new(1, [1; 10]),
                        session: Id::new(1_772_357_400_000, [2; 10]),
                        number: 77,
                        kind,
                        roles: roles.iter().copied().collect(),
                    },
                    assurance: Assurance::DeviceKey,
                    audience: Audience::named("clinic"),
                    expires_at: Timestamp::from_millis(1_772_400_600_000),
                    epoch: 5,
                    device: None,
                };
                let expected = serde_json::to_string(&SessionBody::of(&token)).expect("it has a JSON form");
                assert_eq!(String::from_utf8_lossy(&told(&token)), expected);
            }
        }
    }
}
