//! How often something may happen: quotas as arithmetic, and a bounded table of who has used up how much.
//!
//! A [`Quota`] is pure: from what a key has used and the time it says whether one more may pass, and what the
//! key has used then, in eight bytes. A [`Limiter`] keeps that for millions of keys in sixteen bytes each;
//! [`Leases`] share a quota among nodes.

mod adaptive;
mod leases;
mod limiter;
mod near;
mod quota;
mod table;

pub use adaptive::AdaptiveConfig;
pub use leases::{Ask, Leases, Shared, Taken, Told};
pub use limiter::{Booking, Limiter, TOGETHER_MAX, Ticket, WHOLE_PERMILLE, decide_together};
pub use quota::{Algorithm, Decision, Leased, Quota, QuotaConfig, QuotaError, Used, Verdict};
