//! How requests are inspected, as settings say it.

use std::{
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
};

use inspection::{Bounds, Class};
use serde::{Deserialize, Serialize};

use crate::Route;

/// What becomes of a request that carries an attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum InspectionMode {
    /// Nothing is looked for.
    Off,
    /// It is told of, and passes.
    #[default]
    Detect,
    /// It is refused.
    Block,
}

/// What becomes of a body of which there is more than is looked at, where attacks are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beyond {
    /// It is refused: whoever may put an attack behind so much else is let through with any.
    #[default]
    Refuse,
    /// It passes, and is counted.
    Pass,
}

/// How requests are inspected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InspectionConfig {
    pub mode: InspectionMode,
    /// From this score on a request carries an attack. A rule that is sure gives five.
    pub threshold: NonZeroU32,
    /// How much of a body is looked at, and what becomes of one that has more.
    pub bounds: Bounds,
    pub beyond: Beyond,
    /// A file of rules (TOML), beside those that are built in.
    pub rules_file: Option<PathBuf>,
    /// Are the built-in rules looked for too?
    pub built_in: bool,
    /// Names of parameters, fields and members whose values are never looked at, in any letters.
    pub private: Vec<String>,
    /// More such names, of a service whose own passwords have others on some of its routes. Settings do not say them.
    #[serde(skip)]
    pub private_on: Vec<PrivateConfig>,
    /// What is let through on some routes. The first that fits a request counts.
    pub exceptions: Vec<ExceptionConfig>,
    /// How many attacks a sender may send in how long until its network is kept out. Counts where attacks are refused.
    pub senders: SendersConfig,
}

/// What is let through on some routes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExceptionConfig {
    pub routes: Vec<Route>,
    /// What is not looked for; all of it if neither classes nor names are given.
    #[serde(default)]
    pub classes: Vec<Class>,
    /// Names whose values are not looked at, beside the private ones.
    #[serde(default)]
    pub names: Vec<String>,
}

/// Names that are private on some routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateConfig {
    pub routes: Vec<Route>,
    pub names: Vec<String>,
}

/// From when on the network of a sender is kept out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SendersConfig {
    /// Attacks within the window that only cost their request.
    pub attacks_max: NonZeroU32,
    pub window_ms: NonZeroU64,
    pub block_ms: NonZeroU64,
}

impl Default for InspectionConfig {
    fn default() -> Self {
        // Whatever a password is called in the standards and elsewhere, and nothing that much else is called too.
        let private = [
            "password",
            "newPassword",
            "oldPassword",
            "currentPassword",
            "passphrase",
            "credentials",
            "client_secret",
        ];
        Self {
            mode: InspectionMode::default(),
            threshold: NonZeroU32::new(5).expect("a positive constant"),
            bounds: Bounds::default(),
            beyond: Beyond::default(),
            rules_file: None,
            built_in: true,
            private: private.map(str::to_owned).into(),
            private_on: Vec::new(),
            exceptions: Vec::new(),
            senders: SendersConfig::default(),
        }
    }
}

impl Default for SendersConfig {
    fn default() -> Self {
        Self {
            attacks_max: NonZeroU32::new(20).expect("a positive constant"),
            window_ms: NonZeroU64::new(60_000).expect("a positive constant"),
            block_ms: NonZeroU64::new(600_000).expect("a positive constant"),
        }
    }
}
