//! What the target acknowledged: kept as it comes, in files that only grow, and checked afterwards in memory that does not.
//!
//! An acknowledgement is a promise that a person could hold up later. What had no answer in time is kept too: it may have
//! happened or not, and both are right.

mod acknowledgement;
mod check;
mod historian;
mod sorted;

pub use acknowledgement::{Acknowledgement, BYTES, Commands};
pub use check::{Breach, Checked, Stands, check};
pub use historian::{EXTENSION, Historian, VOTES_EXTENSION, may_have_happened};
pub use sorted::{Sorted, sort};
