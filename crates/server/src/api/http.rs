//! Every service's routes in one router, with one description.

use axum::Router;
use edge::Rooms;
use overload::Overload;
use utoipa::{
    Modify, OpenApi as _,
    openapi::{
        OpenApi,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    front,
    ledgers::{self, Ledgers},
    load, queues,
    services::Services,
    status,
};

/// What the description says of the API as a whole.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "Public services that hold when a whole country arrives at once. Every refusal is a \
            problem document (RFC 9457). Every change is in a ledger, and its receipt can be proven.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    tags(
        (name = "identity", description = "Who people are, how they prove it, and what their tokens say"),
        (name = "elections", description = "Elections that anybody can check: officers, trustees, voters, observers"),
        (name = "ledger", description = "What happened, in order, provably"),
        (name = "queues", description = "Work that outlives its request, for those who look after it"),
        (name = "waiting-rooms", description = "Where people wait, for services that know when there is nothing left"),
        (name = "status", description = "How the server is"),
    ),
    modifiers(&Bearer),
)]
struct Description;

/// Tokens go in the `Authorization` header field (RFC 6750).
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, description: &mut OpenApi) {
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The routes of all services, and their description.
pub(crate) fn public(
    services: &Services,
    ledgers: &Ledgers,
    overload: &Overload,
    rooms: &Rooms,
) -> (Router, OpenApi) {
    let mut described = OpenApiRouter::with_openapi(Description::openapi());
    described = described.merge(identity::routes(services.identity.clone()));
    described = described.merge(elections::routes(services.elections.clone()));
    described = described.merge(ledgers::routes(ledgers.clone()));
    described = described.merge(queues::routes(services.queues.clone()));
    described = described.merge(load::routes(overload.clone()));
    described = described.merge(front::room_service_routes(rooms.clone(), services.identity.clone()));
    let (routes, mut description) = described.split_for_parts();
    description.merge(status::description());
    (routes, description)
}

/// The description of the API, without an API to describe: what `openapi.json` serves.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut description = Description::openapi();
    description.merge(identity::description());
    description.merge(elections::description());
    description.merge(ledgers::description());
    description.merge(queues::description());
    description.merge(load::description());
    description.merge(front::rooms_description());
    description.merge(status::description());
    description
}
