//! Answers of others, kept for all who ask the same (RFC 9111), and compressed for those who take it: what may be kept, for how
//! long and for whom, who asks for all while they wait, and which part of it somebody is given.

mod cache_control;
mod coded_body;
mod coding;
mod filling;
#[cfg(test)]
mod fixture;
mod keeping;
mod kept;
mod range;
mod response_cache;

pub use cache_control::CacheControl;
pub use coded_body::coded;
pub use coding::{Coding, is_worth_coding};
pub use filling::{Plan, filling};
pub use keeping::{Keeping, has_it_already, is_kept_for_nobody, keeping, tags, vary};
pub use kept::{Condition, Kept, Varies};
pub use range::whole_bytes;
pub use response_cache::{CacheConfig, CacheState, Crowd, Joined, Lead, ResponseCache, Waiting};
