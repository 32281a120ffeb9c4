//! Refusals from below the router, which end the connection: before there is a request there is nothing
//! else that could speak.

use std::time::Duration;

use front::Asker;
use http::{HeaderValue, header};
use problem::Problem;

use super::{
    Version,
    answer::{Manner, write_answer},
};
use crate::{Answer, server::Port};

/// A refusal as bytes.
pub(super) fn refusal(problem: &Problem, port: &Port) -> Vec<u8> {
    written(&Answer::refusing(problem), port)
}

/// For a caller who comes while as many as we can serve are already here.
pub(crate) fn too_many_connections(port: &Port) -> Vec<u8> {
    let problem = Problem::unavailable(
        "edge/too-many-connections",
        "as many connections are open as this server takes",
        Duration::from_secs(1),
    );
    let later = HeaderValue::from_static("1");
    written(&Answer::refusing(&problem).with_field(header::RETRY_AFTER, later), port)
}

fn written(answer: &Answer, port: &Port) -> Vec<u8> {
    let mut bytes = Vec::new();
    let asker = Asker::unheard(port.tls.is_some());
    let manner = Manner { version: Version::Http11, head_only: false, persistent: false, asker };
    write_answer(&mut bytes, answer, None, &manner, &port.edge);
    bytes
}
