//! PostgreSQL: one server for a whole fleet, a schema for each database.
//!
//! A [`Session`] is one connection that one thread talks through, and waits on. What a batch asks goes out
//! together and comes back together: a batch of a thousand commands takes two or three round trips.

mod config;
mod parts;
mod request;
mod schema;
mod server;
mod session;
mod statements;
mod values;
mod wait;

pub use config::{DatabaseUrl, PostgresConfig, PreparedStatements};
pub(crate) use parts::{make_room, reserve};
pub(crate) use request::Request;
pub(crate) use schema::{apply, check};
pub(crate) use server::Server;
pub(crate) use session::{Kind, Session};
pub(crate) use statements::Statements;
pub(crate) use values::{cell_ref, read_row};
