//! `holdfast drill`: the stress test of a deployment. It brings load, faults and attacks, asks for what the law asks for,
//! checks that nothing that was acknowledged is lost, doubled or altered, and writes a report that others can read.
//!
//! It knows its target through its public interfaces alone, and does harm only to a deployment that it started itself.

mod attack;
mod checklist;
mod compliance;
mod election;
mod faults;
mod followers;
mod ground;
mod held;
mod invariants;
mod ledger_keys;
mod local;
mod observer;
mod options;
mod preflight;
mod probe;
mod profile;
pub mod routes;
mod run;
mod screen;
mod secret;
mod volume;

// Callers who take their time, and how they wait and end: the whole drill is made of them.
use load::{again, client, ending, pause, put_off};
pub use options::DrillOptions;
pub use run::drill;
