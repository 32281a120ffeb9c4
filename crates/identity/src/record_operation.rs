//! What somebody did to the machines: recorded before it is done, so that nothing is done that nobody knows of.

use authz::{Actor, By, Guarded, Role};
use clock::Timestamp;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Keys, StoreError, Tx};

/// Bytes of a path in an entry at most.
const PATH_BYTES_MAX: usize = 200;

/// Bytes of what something was set to, at most.
const TO_BYTES_MAX: usize = 1024;

/// Records that an operator asks for a change of a process. Of what was said beside the path only that stands here which names nobody: an
/// entry is for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordOperation {
    /// The request's method.
    method: String,
    /// The route that was asked, with the names of its parameters and without a query.
    path: String,
    /// To what it was set, in numbers and words that are ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Value>,
}

/// Why an operation was not recorded, and therefore not begun.
#[derive(Debug, thiserror::Error)]
pub enum RecordOperationError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordOperation {
    /// Of a request to this route, as in `/blocks` or `/waiting-rooms/{name}/open`.
    #[must_use]
    pub fn of(method: &str, route: &str) -> Self {
        let path = route.char_indices().take_while(|(at, letter)| at + letter.len_utf8() <= PATH_BYTES_MAX);
        Self {
            method: method.chars().take(16).collect(),
            path: path.map(|(_, letter)| letter).collect(),
            to: None,
        }
    }

    /// The same with what it was set to, if that can stand in an entry.
    #[must_use]
    pub fn set_to(self, to: Option<Value>) -> Self {
        Self { to: to.filter(|to| to.to_string().len() <= TO_BYTES_MAX), ..self }
    }
}

impl Guarded for RecordOperation {
    fn allows(&self, actor: &Actor) -> bool {
        actor.has(Role::Operator) || actor.has(Role::Administrator) || actor.is_service()
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
    fn what_was_recorded_before_there_were_values_is_read_and_written_as_it_was() {
        let before = r#"{"method":"PUT","path":"/attack"}"#;
        let read: RecordOperation = serde_json::from_str(before).expect("it is one");
        assert_eq!(read, RecordOperation::of("PUT", "/attack"));
        assert_eq!(serde_json::to_string(&read).expect("it is written"), before);
    }

    #[test]
    fn what_it_was_set_to_is_bounded() {
        let of = |to: &str| RecordOperation::of("PUT", "/attack").set_to(Some(to.into())).to;
        assert_eq!(of("on"), Some("on".into()));
        assert_eq!(of(&"on".repeat(1000)), None);
    }

    #[test]
    fn only_who_looks_after_machines_gives_it() {
        let operation = RecordOperation::of("POST", "/reload");
        assert!(!operation.allows(&Actor::ANONYMOUS));
        assert!(operation.allows(&Actor::service("machine")));
    }
}
