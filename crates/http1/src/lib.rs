//! HTTP/1.1 as bytes (RFC 9112): [`read_head`] finds a request in the bytes that came, [`Framing`] decides where it
//! ends, [`Chunks`] tells a chunked body apart. All of it is arithmetic and never waits.
//!
//! **Nothing ambiguous is accepted**, and whatever is refused ends its connection: where the next request begins can
//! then no longer be known.

mod chunked;
mod fault;
mod framing;
mod head;
mod target;

pub use chunked::Chunks;
pub use fault::Fault;
pub use framing::{Framing, Length, Version};
pub use head::{Head, HeadLimits, read_head};
pub use target::Target;
