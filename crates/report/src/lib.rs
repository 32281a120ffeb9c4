//! What a drill found: as data, for machines; as one page, for people; and signed, so that it stays what it was.

mod chart;
mod check_report;
pub mod cost;
mod folder;
mod html;
mod junit;
mod model;
mod signature;
pub mod targets;
mod verdict;

pub use check_report::check_report;
pub use folder::{can_write, write};
pub use model::*;
pub use signature::Signer;
pub use verdict::{Verdict, Word};
