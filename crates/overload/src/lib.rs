//! What is served when more comes than can be: mechanisms as arithmetic, and a thin shell for servers.
//!
//! A [`Gate`] stands before each route. How many are worked on at once is learnt from how long they take; who does
//! not fit waits in a short queue, best [`Class`] first; while the queue refuses, a threshold refuses the worst
//! classes at the door. Callers say until when they wait ([`Deadline`]), and which requests are retries, for
//! which there is a [`RetryBudget`].
//!
//! An [`Overload`] keeps the gates of a port, and a [`Seat`] is one thread's way to them.

mod budget;
mod class;
mod config;
mod deadline;
mod gate;
mod instruments;
mod limit;
mod overload;
mod place;
mod queue;
mod reason;
mod shelf;
mod state;
mod threshold;

pub use budget::{RetryBudget, RetryConfig};
pub use class::Class;
pub use config::{ConcurrencyConfig, OverloadConfig, QueueConfig};
pub use deadline::{Deadline, field_number};
pub use gate::{Ask, Entry, Gate, Outcome, Tuning, Turn, Woken};
pub use overload::{Overload, Seat};
pub use place::{Door, Place, Request};
pub use queue::Ticket;
pub use reason::Reason;
pub use state::{ClassState, OverloadState, RouteState};
