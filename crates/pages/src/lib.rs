//! The pages that people see: what they load, how they are laid out, and those that need nothing but a script.
//!
//! Scripts and styles are built from `web/` and committed under `assets/`. Pages about what everybody may read are
//! written here and work without scripts; what has to happen on a person's own device (marking a ballot, making a
//! key) is a shell that a script fills.

mod election;
mod http;

pub use http::{assets, console, routes};
