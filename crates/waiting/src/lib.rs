//! A fair queue before something that bears only so much: numbers are drawn, and let in as fast as it bears.
//!
//! Nothing is kept for anybody who waits: a place is a number that was signed ([`Keys`]), and whose turn it is follows from one
//! other number, up to which all are let in ([`Serving`]). Who came before the opening is put in an order by lot
//! ([`Lots`]). Nodes of a fleet share a handful of numbers for each [`Room`], whatever the number of those who wait.

mod desk;
mod lots;
mod persons;
mod room;
mod serving;
mod token;
mod view;
mod word;

pub use lots::Lots;
pub use room::{Room, RoomState, Step, Terms};
pub use serving::{Outlook, Serving};
pub use token::{Bearer, Keys, Token};
pub use view::Standing;
pub use word::{Reason, Word};
