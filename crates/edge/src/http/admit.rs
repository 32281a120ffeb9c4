//! The layer that serves the best first when more comes than can be served.
//!
//! It decides by the head of a request, before a byte of its body is read.

use std::{error::Error, sync::Arc, time::Duration};

use authz::{Actor, By, Role};
use axum::{
    body::{Body, HttpBody},
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use clock::Clock;
use http::{HeaderMap, HeaderName, StatusCode, header, request::Parts};
use overload::{Class, Deadline, Door, Outcome, Reason, Seat, field_number};
use problem::Problem;

use super::{
    arriving::BodyError,
    extract::{Known, Unproven},
    parking::{Parking, ParkingBody},
};
use crate::{Edge, config::millis};

/// How long the caller waits for the answer, in milliseconds from when it sent the request. Whoever calls others for it
/// passes on what remains ([`Deadline::remaining`]).
pub const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("request-timeout-ms");

/// Which attempt this is: nought, or no such field, for the first.
pub const RETRY_ATTEMPT: HeaderName = HeaderName::from_static("retry-attempt");

/// Why a request is not worked on now, and when another attempt may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace {
    reason: Reason,
    wait: Duration,
}

/// One thread's layer; without a seat everything passes.
pub(super) struct Admission {
    pub(super) edge: Edge,
    pub(super) seat: Option<Seat>,
}

/// Lets a request through in its turn, or refuses it.
pub(super) async fn admit(
    Admission { edge, seat }: &Admission,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let Some(seat) = seat else { return next(request).await };
    // Paths without a route cost nothing but the answer that they are none.
    let door = request.extensions().get::<MatchedPath>().and_then(|route| seat.door(route.as_str()));
    let time_max = millis(edge.config().answer_ms_max);
    through(door, time_max, edge.clock(), request, |door, parts| class(edge, seat, door, parts), next).await
}

/// Lets a request that is passed on through in its turn, or refuses it: of the route of this name, by the seat of the
/// thread that it came in on. Its class is that of its route; else only crawlers are told from anybody else, because who
/// a token belongs to is known behind the gateway.
pub async fn admit_passing(
    seat: &Seat,
    route: &str,
    clock: &Clock,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let class =
        |door: &Door, parts: &mut Parts| door.class().unwrap_or_else(|| stranger(seat, &parts.headers));
    through(seat.door(route), Duration::MAX, clock, request, class, next).await
}

/// Through this door, if there is one; `class` says in which class.
async fn through(
    door: Option<Arc<Door>>,
    time_max: Duration,
    clock: &Clock,
    request: Request,
    class: impl FnOnce(&Door, &mut Parts) -> Class,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let (time, retry) = match said(&parts) {
        Ok(said) => said,
        Err(problem) => return problem.into_response(),
    };
    let time = time.unwrap_or(Duration::MAX).min(time_max);
    parts.extensions.insert(Deadline::new(clock.stopwatch(), time));
    let Some(door) = door else { return next(Request::from_parts(parts, body)).await };
    let class = class(&door, &mut parts);
    let asked = match door.knock(class, retry, time) {
        Ok(asked) => asked,
        Err(reason) => return refused(reason, &door),
    };
    let place = match door.enter(asked).await {
        Ok(place) => place,
        Err(reason) => return refused(reason, &door),
    };
    if body.is_end_stream() {
        let response = next(Request::from_parts(parts, body)).await;
        place.end(outcome(response.status()));
        return response;
    }
    let parking = Parking::new(place);
    let body = Body::new(ParkingBody::new(body, parking.clone(), door, asked));
    let response = next(Request::from_parts(parts, body)).await;
    parking.end(outcome(response.status()));
    response
}

/// What the head says of time and of attempts.
fn said(parts: &Parts) -> Result<(Option<Duration>, bool), Problem> {
    let number = |name: &HeaderName| {
        let value = parts.headers.get(name);
        value.map(|value| field_number(value.as_bytes()).ok_or_else(|| malformed(name))).transpose()
    };
    let time = number(&REQUEST_TIMEOUT_MS)?.map(|ms| Duration::from_millis(ms.into()));
    Ok((time, number(&RETRY_ATTEMPT)?.is_some_and(|attempt| attempt > 0)))
}

fn malformed(name: &HeaderName) -> Problem {
    let detail = format!("the field {name} holds one to nine digits and nothing else");
    Problem::bad_request("edge/malformed-field", detail)
}

/// What the class of a request is: what settings say of its route; else what its token says, if that holds; else what
/// its `User-Agent` does. Operators are so on every route.
fn class(edge: &Edge, seat: &Seat, door: &Door, parts: &mut Parts) -> Class {
    let of_caller = class_of_caller(edge, parts);
    if of_caller == Some(Class::Operators) {
        return Class::Operators;
    }
    door.class().or(of_caller).unwrap_or_else(|| stranger(seat, &parts.headers))
}

/// The class of somebody of whom nothing is known.
fn stranger(seat: &Seat, fields: &HeaderMap) -> Class {
    let agent = fields.get(header::USER_AGENT);
    let crawls = agent.is_some_and(|agent| seat.is_crawler(agent.as_bytes()));
    if crawls { Class::Crawlers } else { Class::Anonymous }
}

/// The class that the token of a request gives it, if it brings one that holds.
fn class_of_caller(edge: &Edge, parts: &mut Parts) -> Option<Class> {
    if let Some(Known(actor)) = parts.extensions.get() {
        return class_of(actor);
    }
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        return None;
    }
    // Nobody is asked for their token twice, whether it holds or not.
    match edge.identify().actor((&parts.headers).into()) {
        Ok(actor) => {
            let class = class_of(&actor);
            parts.extensions.insert(Known(actor));
            class
        }
        Err(problem) => {
            parts.extensions.insert(Unproven(problem));
            None
        }
    }
}

fn class_of(actor: &Actor) -> Option<Class> {
    let roles = actor.by().roles();
    let operates = roles.contains(Role::Administrator) || roles.contains(Role::Operator);
    match actor.by() {
        By::Anonymous => None,
        By::Person(_) | By::Signer(_) if operates => Some(Class::Operators),
        By::Person(_) | By::Signer(_) | By::Service(_) => Some(Class::SignedIn),
    }
}

impl NoPlace {
    /// Behind this door, for this reason.
    pub(super) fn behind(door: &Door, reason: Reason) -> Self {
        Self { reason, wait: door.retry_after() }
    }

    /// Is it why a body did not arrive? A request gives its place back while its body is on its way.
    #[must_use]
    pub fn why(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(BodyError::Refused(no_place)) = error.downcast_ref() {
                return Some(*no_place);
            }
            cause = error.source();
        }
        None
    }
}

impl From<NoPlace> for Problem {
    fn from(NoPlace { reason, wait }: NoPlace) -> Self {
        match reason {
            Reason::Threshold | Reason::QueueFull | Reason::WaitedTooLong | Reason::Memory => {
                let detail = "more is asked of this server than it can do; nothing was done";
                Self::unavailable("edge/overloaded", detail, wait)
            }
            Reason::Deadline => {
                let detail =
                    "the time that the request was given was over before its work began; nothing was done";
                Self::unavailable("edge/deadline-passed", detail, wait)
            }
            Reason::Retries => {
                let detail = "too many requests are retries; nothing was done";
                Self::unavailable("edge/too-many-retries", detail, wait)
            }
        }
    }
}

/// What a refused caller is told.
fn refused(reason: Reason, door: &Door) -> Response {
    Problem::from(NoPlace::behind(door, reason)).into_response()
}

/// Does an answer of this status tell how long the work of the route takes? What was refused by its form, or because
/// something is away, took less, and must not make the rest look slow.
const fn outcome(status: StatusCode) -> Outcome {
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::SERVICE_UNAVAILABLE => Outcome::Uncounted,
        _ => Outcome::Answered,
    }
}
