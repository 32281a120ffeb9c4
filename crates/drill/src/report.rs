//! What a drill found: as data, for machines; as one page, for people; and signed, so that it stays what it was.

mod chart;
mod check_report;
mod folder;
mod html;
mod junit;
mod model;
mod signature;
pub(crate) mod targets;

pub(crate) use check_report::check_report;
pub(crate) use folder::write;
pub(crate) use model::*;
pub(crate) use signature::Signer;
