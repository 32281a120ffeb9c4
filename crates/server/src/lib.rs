//! The binary `holdfast`: what it can be asked to do, one file a role.

mod api;
mod backup;
mod check_config;
mod checks;
mod data_folder;
mod database_argument;
mod descriptors;
mod drill_role;
mod first_start;
mod front;
mod gateway;
mod gateways;
mod hand_over;
mod incidents;
mod jobs;
mod kept;
mod key_file;
mod known;
mod ledgers;
mod load;
mod memory;
mod operations;
mod people;
mod queues;
mod reload;
mod remote;
mod repair;
mod restore;
mod serve;
mod services;
mod settings;
mod signals;
mod status;
mod trustee;
mod verify;
mod verify_election;
mod work;

use std::io::Write;

pub use api::{openapi, print_openapi};
pub use backup::{BackupConfig, BackupOptions, backup};
pub use check_config::{CheckConfigOptions, check_config};
pub use drill_role::run_drill;
pub use gateway::{GatewayOptions, GatewaySettings, gateway};
pub use gateways::ConsoleConfig;
pub use repair::{RepairOptions, repair};
pub use restore::{RestoreOptions, restore};
pub use serve::{ServeOptions, serve};
pub use settings::{Settings, SettingsOptions};
pub use trustee::{TrusteeOptions, trustee};
pub use verify::{VerifyOptions, verify};
pub use verify_election::{VerifyElectionOptions, verify_election};
pub use work::{WorkOptions, work};

/// Tells a person something, on standard error: what a log line would say in its own way, or must not say.
pub fn tell(text: &str) {
    // If nobody listens there is nobody to tell.
    drop(writeln!(std::io::stderr(), "{text}"));
}
