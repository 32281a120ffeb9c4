//! Compliance: what people may ask for by law, and what an auditor asks for.

mod access;
mod audit;
mod canaries;
mod encryption;
mod erasure;

use report::Area;

use crate::ground::{Ground, attempt};

/// Asks for all of it.
pub(crate) fn run(ground: &mut Ground) {
    attempt(ground, Area::Compliance, "access", access::run);
    attempt(ground, Area::Compliance, "erasure", erasure::run);
    attempt(ground, Area::Compliance, "encryption", encryption::run);
    attempt(ground, Area::Compliance, "audit", audit::run);
}
