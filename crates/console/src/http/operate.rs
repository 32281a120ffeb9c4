//! What operators do: only for those who may, and recorded before it is done.

use std::{net::IpAddr, time::Duration};

use authz::Actor;
use axum::{
    Router,
    body::Body,
    extract::{FromRequest, FromRequestParts, MatchedPath, Request, State},
    http::{header, request::Parts, uri::Authority},
    middleware::{self, Next},
    response::Response,
};
use edge::{Caller, Peer, RawBody};
use identity::RecordOperation;
use problem::Problem;
use serde_json::json;

use super::Look;
use super::names::is_nobodys;
use crate::Console;

/// Where people find what programs find at the root.
pub(super) const FOR_PEOPLE: &str = "/console/operate";

/// As whom the ledger knows whoever is on the machine and says nothing of themselves.
const MACHINE: &str = "machine";

/// How long the machine's operator waits for a ledger that may be what has to be mended.
const RECORD_WAIT: Duration = Duration::from_secs(2);

/// The operators' routes, for people who have signed in and may use them.
pub(super) fn for_people(console: &Console, operators: Router) -> Router {
    // Only for routes that exist: what is not done is not recorded.
    operators.route_layer(middleware::from_fn_with_state(console.clone(), people))
}

/// The operators' routes for programs: everybody may look, and whoever is on the machine, or holds the role, changes.
pub(super) fn for_programs(console: &Console, operators: Router) -> Router {
    operators.route_layer(middleware::from_fn_with_state(console.clone(), programs))
}

async fn people(State(console): State<Console>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Caller(actor) = Caller::from_request_parts(&mut parts, &()).await?;
    if parts.method.is_safe() {
        let _ = actor.permit(Look)?;
        return Ok(next.run(Request::from_parts(parts, body)).await);
    }
    change(&console, &actor, parts, body, next).await
}

async fn programs(State(console): State<Console>, request: Request, next: Next) -> Result<Response, Problem> {
    if request.method().is_safe() {
        return Ok(next.run(request).await);
    }
    let (mut parts, body) = request.into_parts();
    let Caller(actor) = Caller::from_request_parts(&mut parts, &()).await?;
    let Ok(Peer(peer)) = Peer::from_request_parts(&mut parts, &()).await;
    let actor = whoever(actor, peer, host(&parts).as_deref());
    change(&console, &actor, parts, body, next).await
}

/// Records a change and has it done.
async fn change(
    console: &Console,
    actor: &Actor,
    parts: Parts,
    body: Body,
    next: Next,
) -> Result<Response, Problem> {
    let route = route(&parts);
    let operation = RecordOperation::of(parts.method.as_str(), &route);
    // Nothing more is read of somebody who may not.
    let _ = actor.permit(operation.clone())?;
    let whole = Request::from_parts(parts.clone(), body);
    let RawBody(body) = RawBody::from_request(whole, &()).await?;
    let operation = operation.set_to((console.0.said)(&route, &parts, &body));
    let refused = RecordOperation::of(parts.method.as_str(), &route);
    record(console, actor, operation).await?;
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    if answer.status().is_client_error() || answer.status().is_server_error() {
        // What was recorded was not done. That this is known changes nothing of it, so nobody is told if it cannot be.
        let refused = refused.set_to(Some(json!({ "refused": answer.status().as_u16() })));
        drop(record(console, actor, refused).await);
    }
    Ok(answer)
}

/// Which route is asked, with its parameters' names: what somebody wrote in their place may be anything.
fn route(parts: &Parts) -> String {
    let matched = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    matched.strip_prefix(FOR_PEOPLE).unwrap_or(matched).to_owned()
}

/// What a person does is not done unless it is recorded. Whoever is on the machine is there to mend what takes no entries.
async fn record(console: &Console, actor: &Actor, operation: RecordOperation) -> Result<(), Problem> {
    let told = format!("{operation:?}");
    let recorded = console.0.identity.ledger().submit(actor.permit(operation)?);
    if !actor.is_service() {
        recorded.await?;
    } else if !matches!(tokio::time::timeout(RECORD_WAIT, recorded).await, Ok(Ok(_))) {
        tracing::error!(
            code = "console/not-recorded",
            operation = told,
            "the ledger takes no entry: the machine's operator changes something without one"
        );
    }
    Ok(())
}

/// Who asks, when nobody has to say so.
fn whoever(actor: Actor, peer: Option<IpAddr>, host: Option<&str>) -> Actor {
    let here = peer.is_some_and(|address| address.to_canonical().is_loopback());
    // A page that has its own name lead here could speak from an operator's browser.
    let named = host.is_some_and(is_nobodys);
    if actor == Actor::ANONYMOUS && here && named { Actor::service(MACHINE) } else { actor }
}

/// The name or address by which the port was asked.
pub(super) fn host(parts: &Parts) -> Option<String> {
    let said = || parts.headers.get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = parts.uri.authority().cloned().or_else(said)?;
    Some(authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, host: &str, machine: bool) {
        let found = whoever(Actor::ANONYMOUS, peer.parse().ok(), Some(host));
        let expected = if machine { Actor::service(MACHINE) } else { Actor::ANONYMOUS };
        assert_eq!(found, expected, "{peer} asks {host}");
    }

    #[test]
    fn whoever_is_on_the_machine_is_its_operator_and_nobody_else_is() {
        for here in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
            check(here, "127.0.0.1", true);
        }
        for elsewhere in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "::ffff:192.0.2.1", "none"] {
            check(elsewhere, "127.0.0.1", false);
        }
    }

    #[test]
    fn a_page_whose_name_leads_to_this_machine_is_not_its_operator() {
        for (host, machine) in [("localhost", true), ("[::1]", true), ("page.example", false), ("", false)] {
            check("127.0.0.1", host, machine);
        }
    }

    #[test]
    fn whoever_says_who_they_are_is_taken_by_it() {
        let somebody = Actor::service("else");
        assert_eq!(whoever(somebody.clone(), "127.0.0.1".parse().ok(), Some("localhost")), somebody);
    }
}
