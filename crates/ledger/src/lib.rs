//! Commands, batches, the Merkle log and its checkpoints.

pub mod checkpoint;
pub mod merkle;
pub mod note;
