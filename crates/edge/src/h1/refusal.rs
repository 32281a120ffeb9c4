//! Refusals from below the router, which end the connection: before there is a request there is nothing
//! else that could speak.

use std::time::Duration;

use clock::Clock;
use http::{HeaderValue, header};
use problem::Problem;

use super::{
    Version,
    answer::{Manner, write_answer},
};
use crate::Answer;

/// A refusal as bytes.
pub(super) fn refusal(problem: &Problem, clock: &Clock) -> Vec<u8> {
    written(&Answer::refusing(problem), clock)
}

/// For a caller who comes while as many as we can serve are already here.
pub(crate) fn too_many_connections(clock: &Clock) -> Vec<u8> {
    let problem = Problem::unavailable(
        "edge/too-many-connections",
        "as many connections are open as this server takes",
        Duration::from_secs(1),
    );
    let later = HeaderValue::from_static("1");
    written(&Answer::refusing(&problem).with_field(header::RETRY_AFTER, later), clock)
}

fn written(answer: &Answer, clock: &Clock) -> Vec<u8> {
    let mut bytes = Vec::new();
    let manner = Manner { version: Version::Http11, head_only: false, persistent: false };
    write_answer(&mut bytes, answer, None, &manner, clock);
    bytes
}
