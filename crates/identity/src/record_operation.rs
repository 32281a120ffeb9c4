//! What somebody did to the machines: recorded before it is done, so that nothing is done that nobody knows of.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

/// Bytes of a path in an entry at most.
const PATH_BYTES_MAX: usize = 200;

/// Records that an operator asks for a change of a process. What was said beside the path stays out: it may name
/// somebody's network, and an entry is for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordOperation {
    /// The request's method.
    method: String,
    /// The operators' route that was asked, without a query.
    path: String,
}

/// Why an operation was not recorded, and therefore not begun.
#[derive(Debug, thiserror::Error)]
pub enum RecordOperationError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordOperation {
    /// Of a request to an operators' route.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Self {
        let path = path.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= PATH_BYTES_MAX);
        Self { method: method.chars().take(16).collect(), path: path.map(|(_, letter)| letter).collect() }
    }
}

impl Guarded for RecordOperation {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Operator) || actor.has(Role::Administrator)
    }
}

impl Command for RecordOperation {
    const NAME: &'static str = "identity/record-operation";
    type Done = ();
    type Refused = RecordOperationError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, _tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, RecordOperationError> {
        Ok(Applied::new(()))
    }
}

impl From<RecordOperationError> for Problem {
    fn from(error: RecordOperationError) -> Self {
        match error {
            RecordOperationError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_any_length_and_letters_fits_an_entry() {
        let recorded = RecordOperation::of("PUT", &"/ä".repeat(5000));
        assert!(recorded.path.len() <= PATH_BYTES_MAX && recorded.path.starts_with("/ä/ä"));
    }

    #[test]
    fn only_who_looks_after_machines_gives_it() {
        let operation = RecordOperation::of("POST", "/reload");
        assert!(!operation.allows(&Actor::ANONYMOUS));
    }
}
