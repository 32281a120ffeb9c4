//! Rules as they stand in a file: a pattern, where it is looked for, what it is a sign of, and how strong a one.

use serde::{Deserialize, Serialize};

/// What an attack is after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Sql,
    Script,
    Traversal,
    Command,
    Template,
    Scanner,
    Header,
    Entity,
}

impl Class {
    pub const ALL: [Self; 8] = [
        Self::Sql,
        Self::Script,
        Self::Traversal,
        Self::Command,
        Self::Template,
        Self::Scanner,
        Self::Header,
        Self::Entity,
    ];

    /// As it is written in settings, metrics and the log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Script => "script",
            Self::Traversal => "traversal",
            Self::Command => "command",
            Self::Template => "template",
            Self::Scanner => "scanner",
            Self::Header => "header",
            Self::Entity => "entity",
        }
    }
}

/// Some of the classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    #[must_use]
    pub const fn has(self, class: Class) -> bool {
        self.0 & (1 << class as u16) != 0
    }

    #[must_use]
    pub const fn with(self, class: Class) -> Self {
        Self(self.0 | 1 << class as u16)
    }

    /// Those of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FromIterator<Class> for Classes {
    fn from_iter<I: IntoIterator<Item = Class>>(classes: I) -> Self {
        classes.into_iter().fold(Self::default(), Self::with)
    }
}

/// Where a pattern is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The path, percent-decoded and in small letters.
    Path,
    /// What the query says, with its names.
    Query,
    /// Any other field that is not for the protocol alone, and cookies.
    Field,
    /// The field `User-Agent`, in small letters.
    Agent,
    /// Names and values of a body.
    Body,
}

/// One rule of a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) class: Class,
    /// What it adds to the score of a request.
    pub(crate) score: u32,
    /// Everywhere but in the agent, if absent.
    #[serde(rename = "in", default = "values")]
    pub(crate) places: Vec<Place>,
    /// It sees letters small, spaces as one, and lines as `\n`.
    pub(crate) pattern: String,
}

fn values() -> Vec<Place> {
    vec![Place::Path, Place::Query, Place::Field, Place::Body]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    rules: Vec<Rule>,
}

/// Rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("the rules cannot be read: {0}")]
    Unreadable(String),
    #[error("a pattern for a {0} cannot be used: {1}")]
    Pattern(String, String),
    #[error("two rules are called `{0}`")]
    Twice(String),
    #[error("there are more than {RULES_MAX} rules")]
    TooMany,
}

/// Rules in all files together.
pub(crate) const RULES_MAX: usize = 1000;

/// The rules of a file.
pub(crate) fn read(text: &str) -> Result<Vec<Rule>, RulesError> {
    let written: Written = toml::from_str(text).map_err(|error| RulesError::Unreadable(error.to_string()))?;
    Ok(written.rules)
}
