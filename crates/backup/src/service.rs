//! What is kept of a deployment: one ledger.

use ledger::Commands;
use store::Schema;

use crate::attachments::Attachments;

/// A ledger, and what is needed to replay it.
#[derive(Debug, Clone)]
pub struct Service {
    /// Of its database, and of its folder in a target.
    pub name: String,
    /// What its checkpoints are signed as.
    pub origin: String,
    pub schema: Schema,
    pub commands: Commands,
    /// If its entries name what is too large for them.
    pub attachments: Option<Attachments>,
}
