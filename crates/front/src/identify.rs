//! Who sent a request, as far as its head tells.

use std::{fmt, sync::Arc};

use authz::Actor;
use problem::Problem;

use crate::Fields;

/// Finds out who sent a request from its header fields, or says why it will not believe them. It runs
/// only where somebody asks (an extractor, a limit), on the thread that serves them: it must not block.
#[derive(Clone)]
pub struct Identify(Arc<Rule>);

type Rule = dyn Fn(Fields<'_>) -> Result<Actor, Problem> + Send + Sync;

impl Identify {
    /// By this rule.
    pub fn by(rule: impl Fn(Fields<'_>) -> Result<Actor, Problem> + Send + Sync + 'static) -> Self {
        Self(Arc::new(rule))
    }

    /// Nobody says who they are.
    #[must_use]
    pub fn nobody() -> Self {
        Self::by(|_| Ok(Actor::ANONYMOUS))
    }

    /// Who sent a request with these header fields.
    ///
    /// # Errors
    /// When they say something that does not hold; the problem is what the caller is told.
    pub fn actor(&self, fields: Fields<'_>) -> Result<Actor, Problem> {
        (self.0)(fields)
    }
}

impl fmt::Debug for Identify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identify")
    }
}
