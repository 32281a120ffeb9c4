//! What a handler takes from a request besides JSON; each says no with a problem.

use std::{convert::Infallible, error::Error, fmt::Display, net::IpAddr, time::Duration};

use authz::Actor;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, rejection::PathRejection};
use bytes::Bytes;
use front::Admitted;
use http::{Extensions, request::Parts};
use http_body_util::BodyExt;
use problem::Problem;
use serde::de::DeserializeOwned;

use super::arriving::BodyError;
use crate::Identify;

/// Who sent the request, by the rule the port was given: [`Actor::ANONYMOUS`] if it names nobody, and a
/// refusal if it names somebody it cannot prove to be.
#[derive(Debug, Clone)]
pub struct Caller(pub Actor);

/// Why nobody believes who the sender says they are, once somebody has asked; among the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Unproven(pub(super) Problem);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Whoever had to know it first has asked already.
        if let Some(Known(actor)) = parts.extensions.get() {
            return Ok(Self(actor.clone()));
        }
        if let Some(Unproven(problem)) = parts.extensions.get() {
            return Err(problem.clone());
        }
        // Without the rule nobody can be known, which is the safe side to err on.
        let rule = parts.extensions.get::<Identify>();
        rule.map_or(Ok(Actor::ANONYMOUS), |rule| rule.actor((&parts.headers).into())).map(Self)
    }
}

/// Leaves with a request what its layers and handler ask for.
pub(crate) fn enter(mut admitted: Admitted, extensions: &mut Extensions) {
    extensions.insert(Peer(admitted.client));
    if let Some(turn) = admitted.turn() {
        extensions.insert(turn);
    }
    if let Some(actor) = admitted.actor {
        extensions.insert(Known(actor));
    }
    if let Some(told) = admitted.told {
        extensions.insert(told);
    }
}

/// Who sent the request, where that has been found out already.
#[derive(Debug, Clone)]
pub(crate) struct Known(pub(crate) Actor);

/// The address that the request came from, behind proxies that are trusted the one they name; none where the system did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().copied().unwrap_or(Self(None)))
    }
}

/// A body as it came, of any type, at most as large as the port allows.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl<S: Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let collected = request.into_body().collect().await;
        collected.map(|body| Self(body.to_bytes())).map_err(|error| unread(&error))
    }
}

/// What the path's template captured, as a `T`: one value, a tuple, or a struct named as the captures.
#[derive(Debug, Clone, Copy)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(PathRejection::FailedToDeserializePathParams(refused))
                if refused.status().is_client_error() =>
            {
                Err(Problem::bad_request("edge/malformed-path", blame("the path", &refused.body_text())))
            }
            // The route and its handler disagree on what is captured: no caller can mend that.
            Err(rejection) => Err(Problem::internal(&rejection)),
        }
    }
}

/// The query string, as a `T`.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(malformed_query(blame("the query", &rejection.body_text()))),
        }
    }
}

/// What is wrong with a part of the address, without the words in which the library says that something is.
fn blame(part: &str, said: &str) -> String {
    let why = said.split_once(": ").map_or(said, |(_, why)| why);
    format!("{part}: {why}")
}

fn malformed_query(detail: impl Display) -> Problem {
    Problem::bad_request("edge/malformed-query", detail)
}

/// What the sender of a body that is too large is told.
pub(super) fn too_large() -> Problem {
    Problem::content_too_large("edge/body-too-large", "the body is larger than this server takes")
}

/// Why a body could not be read, as its sender is told.
pub(super) fn unread(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(BodyError::TooLarge) => return too_large(),
            Some(BodyError::Crowded) => {
                let detail = "too many bodies are arriving; send it again soon";
                return Problem::unavailable("edge/too-many-bodies", detail, Duration::from_secs(1));
            }
            Some(BodyError::TooSlow) => {
                let detail = "the body did not arrive in time";
                return Problem::request_timeout("edge/request-too-slow", detail);
            }
            Some(BodyError::Refused(no_place)) => return (*no_place).into(),
            Some(BodyError::Altered) => {
                let detail = "the body is not what Content-Digest says; nothing was done";
                return Problem::bad_request("edge/body-altered", detail);
            }
            Some(BodyError::Lost(_)) | None => cause = error.source(),
        }
    }
    Problem::bad_request("edge/broken-body", "the body did not arrive whole")
}
