//! `holdfast drill`: the stress test of a deployment. It brings load, faults and attacks, asks for what the law asks for,
//! checks that nothing that was acknowledged is lost, doubled or altered, and writes a report that others can read.
//!
//! It knows its target through its public interfaces alone, and does harm only to a deployment that it started itself.

mod attack;
mod checklist;
mod client;
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
mod pause;
mod preflight;
mod probe;
mod profile;
mod put_off;
mod run;
mod screen;
mod secret;
mod volume;

pub use options::DrillOptions;
pub use run::drill;
