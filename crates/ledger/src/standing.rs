//! Whether whoever gave a command may still do so when its turn comes: what was true when a request began may
//! have ended before its body came.

use authz::By;
use store::{Keys, StoreError, Tx};

/// How a ledger learns that someone who gave a command has lost the standing to do so. It is asked for each
/// command, just before the command is applied; a replay does not ask again.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// The rows that `holds` is going to read.
    pub reads: fn(&By, &mut Keys<'_>),
    /// May they give commands now?
    pub holds: fn(&By, &mut Tx<'_>) -> Result<bool, StoreError>,
}

impl Standing {
    /// Nobody ever loses it.
    pub const LASTING: Self = Self { reads: |_, _| {}, holds: |_, _| Ok(true) };
}
