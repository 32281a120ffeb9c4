//! Why a request is refused.

use serde::Serialize;

/// Why a request was not worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its class is refused while the flood lasts.
    Threshold,
    /// As many wait as may.
    QueueFull,
    /// It waited as long as may be.
    WaitedTooLong,
    /// Its caller has given up by now.
    Deadline,
    /// It is a retry, and there are too many of these.
    Retries,
    /// Memory is short.
    Memory,
}

impl Reason {
    /// How many there are.
    pub const COUNT: usize = 6;

    /// All of them.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Threshold, Self::QueueFull, Self::WaitedTooLong, Self::Deadline, Self::Retries, Self::Memory];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threshold => "threshold",
            Self::QueueFull => "queue-full",
            Self::WaitedTooLong => "waited-too-long",
            Self::Deadline => "deadline",
            Self::Retries => "retries",
            Self::Memory => "memory",
        }
    }
}
