//! What whoever reads through the cache can rely on.

mod boards;
mod fleets;
mod flights;
mod ledgers;
mod library;
mod lives;
mod redis;
mod writes;
