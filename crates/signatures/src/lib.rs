//! HTTP messages that are signed (RFC 9421), and bodies whose digests stand in their heads (RFC 9530): what is signed as
//! text, who signed it, for how long that counts, and that it counts once.
//!
//! It reads no clock and no socket: a [`Message`] is what its holder says it is.

mod base;
mod component;
mod digest;
mod key;
mod message;
mod policy;
mod replays;
mod signature;

pub use base::signature_base;
pub use component::{Component, ComponentError};
pub use digest::{DigestError, Digesting, content_digest};
pub use key::{Algorithm, KeyError, SigningKey, VerifyingKey};
pub use message::Message;
pub use policy::{Counts, Policy, Refused};
pub use replays::{NotFresh, Replays};
pub use signature::{Malformed, Params, SignError, Signature, SignedFields, read, sign};
