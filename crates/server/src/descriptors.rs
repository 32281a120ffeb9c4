//! File descriptors: as many as the system gives, and no more connections than they reach for.

use std::num::NonZeroU32;

use edge::EdgeConfig;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections leave to files, databases and the operators' port.
const RESERVED: u32 = 128;

/// Asks for as many descriptors as the system allows, and bounds the connections of the public port by them:
/// a flood of connections must not take the last one.
pub(crate) fn fit(edge: &EdgeConfig) -> EdgeConfig {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(code = "server/descriptors", %error, "the limit of file descriptors stays as it is");
    }
    let there =
        getrlimit(Resource::Nofile).current.map_or(u32::MAX, |most| u32::try_from(most).unwrap_or(u32::MAX));
    let room = NonZeroU32::new(there.saturating_sub(RESERVED)).unwrap_or(NonZeroU32::MIN);
    if room < edge.connections_max {
        tracing::warn!(
            code = "server/descriptors",
            "there are {there} file descriptors, so that {room} connections are taken at once"
        );
    }
    EdgeConfig { connections_max: edge.connections_max.min(room), ..edge.clone() }
}
