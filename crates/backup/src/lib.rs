//! Keeping what was acknowledged where a lost disk does not take it along, and building everything anew
//! from there.
//!
//! A backup is the ledger: its entries in *segments*, sealed and compressed, shipped every second, with the
//! newest checkpoint and the list of who was erased. A restore replays them, compares what each does with
//! what it did, and the tree with the checkpoint. A *snapshot* now and then holds the rows that the entries
//! up to it have made, so that only those after it need be replayed. Persons' keys are kept apart, and only the newest of them,
//! because a key that was destroyed must not come back.

mod attachments;
mod clear;
mod filling;
mod names;
mod repair;
mod restore;
mod segment;
mod service;
mod ship;
mod snapshot;
mod snapshots;
mod target;
#[cfg(test)]
mod tests;

pub use attachments::Attachments;
pub use repair::{Repaired, repair};
pub use restore::{RestoreError, Restored, Until, Way, restore, restore_person_keys};
pub use segment::{SEGMENT_ENTRIES_MAX, SegmentError};
pub use service::Service;
pub use ship::{Mark, ShipError, Shipped, Shipper, ship_person_keys};
pub use snapshot::SnapshotError;
pub use snapshots::{SnapshotConfig, SnapshotMade, Snapshots};
pub use target::{Target, TargetError};
