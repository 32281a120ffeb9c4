//! The edge on real sockets: every limit, every refusal, both versions of HTTP, and the way it stops.

mod bodies;
mod cuts;
mod floods;
mod forwarding;
mod front;
mod headers;
mod hosts;
mod http;
mod limits;
mod lives;
mod malformed;
mod overload;
mod refusals;
mod rig;
mod rooms;
mod signed;
mod uploads;
mod versions;
