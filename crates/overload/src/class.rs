//! How much it matters that a request is served, as against others.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who is served first when not everybody can be, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Health checks and operators: never refused, and they never wait.
    Operators,
    /// Routes that settings call so.
    Emergency,
    /// Callers whose token held.
    SignedIn,
    Anonymous,
    /// Programs that read for somebody else, and can come again tomorrow.
    Crawlers,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 5;

    /// All, best first.
    pub const ALL: [Self; Self::COUNT] =
        [Self::Operators, Self::Emergency, Self::SignedIn, Self::Anonymous, Self::Crawlers];

    /// Its name in settings, metrics and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operators => "operators",
            Self::Emergency => "emergency",
            Self::SignedIn => "signed-in",
            Self::Anonymous => "anonymous",
            Self::Crawlers => "crawlers",
        }
    }

    /// May it be held back so that something is learnt?
    pub(crate) const fn stands_back(self) -> bool {
        matches!(self, Self::Anonymous | Self::Crawlers)
    }

    /// Its place among all, from nought, best first.
    pub(crate) const fn place(self) -> usize {
        self as usize
    }
}
