//! What was read lately, kept near: in this process first, then in Redis, and only then from a database.
//!
//! An entry carries [`Tag`]s. A commit drops the tags of what it changed on its own node before its answer is
//! sent, and no later read sees what was read before that. Other nodes hear of it within moments. Whatever
//! a [`Room`] answers says how old it is.

mod cache;
mod config;
mod entry;
mod fallback;
mod flights;
mod instruments;
mod public;
mod room;
mod shared;
mod tag;

pub use cache::{Cache, Watch};
pub use config::RoomConfig;
pub use entry::{Found, How};
pub use fallback::{Fallback, FallbackConfig};
pub use public::{Keep, SURROGATE_KEY, public, tell_age, told_if_old};
pub use room::{Room, Unloaded, Warmed};
pub use shared::{Board, BoardRoom, Exchanged, Line, LineChange, RedisConfig, RedisUrl, RedisUrlError};
pub use tag::Tag;
