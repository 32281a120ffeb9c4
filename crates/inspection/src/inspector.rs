//! All rules, made ready to be looked for at once.

use std::{
    num::NonZeroUsize,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, LazyLock},
};

use libinjectionrs::{detect_sqli, detect_xss};
use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::Deserialize;

use crate::{
    Class, Exempt, Place, RulesError, plain,
    rules::{RULES_MAX, Rule, read},
    tally::Tally,
};

const STANDARD: &str = include_str!("../rules/default.toml");

/// Bytes of compiled patterns, and of what each thread remembers of them.
const PATTERNS_BYTES_MAX: usize = 32 << 20;

/// Bytes of a value that are read as SQL or HTML: an injection stands where a value begins.
const TOKENS_BYTES_MAX: usize = 4096;

/// How much of a body is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bounds {
    pub bytes_max: NonZeroUsize,
    /// Names and values together, without those that are plain.
    pub values_max: NonZeroUsize,
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Bytes,
    Values,
}

impl Default for Bounds {
    fn default() -> Self {
        let positive = |number| NonZeroUsize::new(number).expect("a positive constant");
        Self { bytes_max: positive(64 << 10), values_max: positive(512) }
    }
}

impl Bound {
    /// As it stands in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bytes => "bytes-max",
            Self::Values => "values-max",
        }
    }
}

/// Looks for attacks by one set of rules.
#[derive(Debug)]
pub struct Inspector {
    pub(crate) rules: Vec<Rule>,
    pub(crate) bounds: Bounds,
    sets: [Patterns; 5],
    sql: usize,
    script: usize,
}

/// The patterns of one place, and whose they are.
#[derive(Debug)]
struct Patterns {
    set: RegexSet,
    rules: Vec<usize>,
}

impl Inspector {
    /// By the rules that come with it.
    #[must_use]
    pub fn standard() -> Arc<Self> {
        static STANDARD_RULES: LazyLock<Arc<Inspector>> = LazyLock::new(|| {
            let standard = Inspector::new(None, true, Bounds::default());
            Arc::new(standard.expect("a test reads the rules that come with it"))
        });
        STANDARD_RULES.clone()
    }

    /// By the rules of `text`, after those that come with it or instead of them.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(text: Option<&str>, extends: bool, bounds: Bounds) -> Result<Self, RulesError> {
        let mut rules = if extends { read(STANDARD)? } else { Vec::new() };
        rules.extend(text.map(read).transpose()?.unwrap_or_default());
        if rules.len() > RULES_MAX {
            return Err(RulesError::TooMany);
        }
        let sets = [Place::Path, Place::Query, Place::Field, Place::Agent, Place::Body];
        let sets = sets.map(|place| Patterns::of(&rules, place));
        let [path, query, field, agent, body] = sets;
        let sets = [path?, query?, field?, agent?, body?];
        // What the tokenisers say counts less than a threshold: it takes another sign to refuse a request.
        let token_rule = |name: &str, class| Rule {
            name: name.to_owned(),
            class,
            score: 4,
            places: Vec::new(),
            pattern: String::new(),
        };
        rules.push(token_rule("sql-tokens", Class::Sql));
        rules.push(token_rule("script-tokens", Class::Script));
        let twice = rules
            .iter()
            .enumerate()
            .find(|(at, rule)| rules[..*at].iter().any(|before| before.name == rule.name));
        if let Some((_, rule)) = twice {
            return Err(RulesError::Twice(rule.name.clone()));
        }
        let (sql, script) = (rules.len() - 2, rules.len() - 1);
        Ok(Self { rules, bounds, sets, sql, script })
    }

    /// Begins with a request of which this is the path and the query; nothing if neither can carry an attack.
    #[must_use]
    pub fn begin<'a>(&'a self, path: &str, query: Option<&str>, exempt: Exempt<'a>) -> Option<Tally<'a>> {
        let query = query.unwrap_or_default().as_bytes();
        let probes = &self.sets[Place::Path as usize].set;
        let plain = plain::is_plain_path(path.as_bytes()) && plain::is_plain_query(query);
        if plain && !probes.is_match(path.to_ascii_lowercase().as_bytes()) {
            return None;
        }
        let mut tally = self.tally(exempt);
        tally.value(Place::Path, path.as_bytes(), false);
        tally.pairs(Place::Query, query);
        Some(tally)
    }

    /// Nothing found yet.
    #[must_use]
    pub fn tally<'a>(&'a self, exempt: Exempt<'a>) -> Tally<'a> {
        Tally::new(self, exempt)
    }

    pub(crate) fn matches(&self, place: Place, text: &[u8], mut found: impl FnMut(usize)) {
        let patterns = &self.sets[place as usize];
        patterns.set.matches(text).iter().for_each(|at| found(patterns.rules[at]));
    }

    /// Reads a text as SQL and as HTML. What is not to be `read` as SQL is taken for some, so that nothing hides behind
    /// what was.
    pub(crate) fn read_tokens(&self, text: &[u8], read: bool, mut found: impl FnMut(usize)) {
        let text = &text[..text.len().min(TOKENS_BYTES_MAX)];
        // Bytes of strangers go through code of others: what makes it stumble is not refused for that alone, and
        // costs nobody an answer.
        let says = |is_injection: &dyn Fn() -> bool| {
            panic::catch_unwind(AssertUnwindSafe(is_injection)).unwrap_or_default()
        };
        if !read || says(&|| detect_sqli(text).is_injection()) {
            found(self.sql);
        }
        let marked = text.iter().any(|byte| matches!(byte, b'<' | b'>' | b'=' | b':'));
        if marked && says(&|| detect_xss(text).is_injection()) {
            found(self.script);
        }
    }
}

impl Patterns {
    fn of(rules: &[Rule], place: Place) -> Result<Self, RulesError> {
        let own = rules.iter().enumerate().filter(|(_, rule)| rule.places.contains(&place));
        let (rules, patterns): (Vec<usize>, Vec<&Rule>) = own.unzip();
        let texts = patterns.iter().map(|rule| &rule.pattern);
        let mut builder = RegexSetBuilder::new(texts);
        builder.unicode(false).size_limit(PATTERNS_BYTES_MAX).dfa_size_limit(PATTERNS_BYTES_MAX);
        let set = builder.build().map_err(|error| {
            RulesError::Pattern(format!("{place:?}").to_ascii_lowercase(), error.to_string())
        })?;
        Ok(Self { set, rules })
    }
}
