//! Compliance: what people may ask for by law, and what an auditor asks for.

mod access;
mod audit;
mod canaries;
mod encryption;
mod erasure;

use crate::ground::Ground;

/// Asks for all of it.
pub(crate) fn run(ground: &mut Ground) -> anyhow::Result<()> {
    access::run(ground)?;
    erasure::run(ground)?;
    encryption::run(ground)?;
    audit::run(ground)
}
