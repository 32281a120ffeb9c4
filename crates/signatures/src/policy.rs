//! What a signature must cover and say to count.

use crate::{Params, Signature};

/// The rule of whoever asks for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How old a signature may be, in seconds.
    pub age_s_max: u64,
    /// How far the clocks of signers may be before ours, in seconds.
    pub ahead_s_max: u64,
}

/// Why a signature does not count, whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("it does not cover `{0}`")]
    NotCovered(&'static str),
    #[error("it does not say `{0}`")]
    NotSaid(&'static str),
    #[error("it was made too long ago, or is over")]
    TooOld,
    #[error("it was made in the future: look at your clock")]
    FromTheFuture,
}

impl Refused {
    /// In a word, for programs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotCovered(_) => "not-covered",
            Self::NotSaid(_) => "not-said",
            Self::TooOld => "too-old",
            Self::FromTheFuture => "from-the-future",
        }
    }
}

/// What is left to do for a signature that may count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts<'a> {
    pub key_id: &'a str,
    pub nonce: &'a str,
    /// Until then, in Unix seconds.
    pub until: u64,
}

impl Policy {
    /// May it count at `now`? It must cover what changes what is asked, which is these components and, unless it covers
    /// the whole URI, the host, the path and the query, and must say when, by whom and under which nonce it was made.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn judge<'a>(
        &self,
        signature: &'a Signature,
        required: &[&'static str],
        has_query: bool,
        now: u64,
    ) -> Result<Counts<'a>, Refused> {
        let covers =
            |name: &'static str| signature.covers(name).then_some(()).ok_or(Refused::NotCovered(name));
        required.iter().try_for_each(|name| covers(name))?;
        if !signature.covers("@target-uri") {
            covers("@authority")?;
            if !signature.covers("@request-target") {
                covers("@path")?;
                if has_query {
                    covers("@query")?;
                }
            }
        }
        let Params { created, expires, nonce, key_id, .. } = &signature.params;
        let created = created.ok_or(Refused::NotSaid("created"))?;
        let nonce = nonce.as_deref().filter(|nonce| !nonce.is_empty()).ok_or(Refused::NotSaid("nonce"))?;
        let key_id = key_id.as_deref().ok_or(Refused::NotSaid("keyid"))?;
        if created > now.saturating_add(self.ahead_s_max) {
            return Err(Refused::FromTheFuture);
        }
        let until = created.saturating_add(self.age_s_max).min(expires.unwrap_or(u64::MAX));
        if until < now {
            return Err(Refused::TooOld);
        }
        Ok(Counts { key_id, nonce, until })
    }
}
