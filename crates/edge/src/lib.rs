//! Everything between a socket and a handler.
//!
//! A port is served by a thread per core, each with its own listener, its own runtime and its own
//! counters, so that nothing a request touches is shared ([`serve`]). A request passes one list of layers
//! ([`protect`]); its body and its caller come to the handler through the extractors ([`Body`],
//! [`Caller`] and their kin). Whatever the edge refuses, it refuses with a problem document (RFC 9457)
//! whose code begins with `edge/`.
//!
//! **No limit is implicit**: each stands in [`EdgeConfig`], and none is off. **No timer runs for each
//! request** that is answered on the spot ([`Direct`]).

mod budget;
mod config;
mod connection;
mod direct;
mod forward;
mod gate;
mod h1;
mod http;
mod lines;
mod listener;
mod policy;
mod server;
mod tls;
mod traffic;
mod turn;

pub use config::{EdgeConfig, ListenConfig};
pub use connection::{Proxied, ProxiedError, Stream, read_proxied};
pub use direct::{Ask, Direct};
pub use forward::{Forward, Passed, Passing, refused};
// What a front is set by belongs to a port's settings.
pub use front::{
    Answer, AttackConfig, AttackMode, Block, BlockChange, ClientsConfig, Cors, Fields, FromUpstream, Front,
    FrontConfig, FrontError, FrontKnown, FrontState, Headers, Identify, Incident, IncidentKind, Incidents,
    InspectionConfig, InspectionMode, LimitsConfig, LimitsError, NetworksConfig, Part, PrivateConfig,
    REQUEST_ID, RequestId, RoomStateNamed, Rooms, RoomsConfig, RoomsError, Route, Share, SignaturesConfig,
};
pub use h1::Tunnel;
pub use http::{
    Body, Caller, Content, Exact, NoPlace, Params, Peer, ProblemDocument, Query, REQUEST_TIMEOUT_MS,
    RETRY_ATTEMPT, RawBody, Refusals, SchemaError, admit_passing, check_bodies, protect, read_json,
};
pub use lines::Lines;
pub use policy::Edge;
pub use server::{Handle, serve, serve_forwarding, serve_on};
pub use tls::{TlsConfig, TlsError};
pub use traffic::Traffic;
pub use turn::others_first;
