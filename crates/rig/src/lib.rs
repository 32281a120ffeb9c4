//! Starts the whole server for a test, and speaks to it as anybody would: the real binary, a real folder,
//! real sockets.

mod binary;
mod client;
mod device;
mod drill;
mod events;
mod gateway;
mod process;
mod server;
mod worker;

pub use binary::command;
pub use client::{Answer, Client};
pub use device::Device;
pub use drill::{Drilled, drill, drill_with};
pub use events::Events;
pub use gateway::Gateway;
pub use server::{Outcome, Server, ServerOptions, run, run_alone};
pub use worker::Worker;

/// Is this the long run of the tests?
#[must_use]
#[expect(clippy::disallowed_methods, reason = "how the tests are run is said in the environment")]
pub fn long_run() -> bool {
    std::env::var("HOLDFAST_LONG").is_ok_and(|value| value == "1")
}
