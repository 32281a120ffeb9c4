//! HTTP/1.1 as bytes (RFC 9112): [`read_head`] finds a request in the bytes that came, [`Framing`] decides where it
//! ends, [`Chunks`] tells a chunked body apart. All of it is arithmetic and never waits. The memory that the bytes lie
//! in is lent by each thread ([`Inbox`]).
//!
//! **Nothing ambiguous is accepted**, and whatever is refused ends its connection: where the next request begins can
//! then no longer be known.

mod authority;
mod buffers;
mod chunked;
mod fault;
mod framing;
mod head;
mod target;

pub use authority::check_authority;
pub use buffers::{Inbox, keep_outbox, outbox};
pub use chunked::Chunks;
pub use fault::Fault;
pub use framing::{Framing, Length, Version};
pub use head::{Head, HeadLimits, read_head};
pub use target::Target;
