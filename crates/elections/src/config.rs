//! How this service works.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::{Deserialize, Serialize};

/// Entries of a board whose votes are checked together, at most: what may be said of each of them fits into one entry.
pub const CHECK_ENTRIES_MAX: u32 = 1024;

/// How this service works.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ElectionsConfig {
    /// Elections whose boards are open in one process at the same time; each takes a few threads.
    pub boards_open_max: NonZeroUsize,
    /// Entries of a board whose votes one worker checks together, up to [`CHECK_ENTRIES_MAX`].
    pub check_entries_max: NonZeroU32,
    /// How often it is looked whether votes wait for their checks and whether it is time to open or close, in
    /// milliseconds.
    pub look_ms: NonZeroU32,
    /// Threads that check, mix and decrypt; as many as there are cores if absent.
    pub threads: Option<NonZeroUsize>,
}

impl Default for ElectionsConfig {
    fn default() -> Self {
        Self {
            boards_open_max: NonZeroUsize::new(256).expect("a positive constant"),
            check_entries_max: NonZeroU32::new(512).expect("a positive constant"),
            look_ms: NonZeroU32::new(200).expect("a positive constant"),
            threads: None,
        }
    }
}
