//! What callers are told of limits: `RateLimit-Policy` and `RateLimit`, as the working group HTTPAPI has them
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::fmt::Write;

use http::{HeaderName, HeaderValue};
use limiter::{Decision, Quota};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The limits that a request was counted in, what is left of each, and what its sender is to keep.
#[derive(Debug, Clone, Default)]
pub struct Told {
    policies: String,
    left: String,
    kept: Vec<(HeaderName, HeaderValue)>,
}

impl Told {
    /// Something that its sender is to keep.
    pub(crate) fn keep(&mut self, field: (HeaderName, HeaderValue)) {
        self.kept.push(field);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// One more limit.
    pub(crate) fn add(&mut self, name: &str, quota: Quota, decision: &Decision) {
        for text in [&mut self.policies, &mut self.left] {
            if !text.is_empty() {
                text.push_str(", ");
            }
        }
        // Writing to a string does not fail.
        let seconds = |time: std::time::Duration| time.as_millis().div_ceil(1000);
        let window = seconds(quota.window());
        let _written = write!(self.policies, "\"{name}\";q={};w={window}", quota.limit());
        let reset = seconds(decision.reset_after);
        let _written = write!(self.left, "\"{name}\";r={};t={reset}", decision.remaining);
    }

    /// The fields that say so; none if nothing was added.
    pub fn fields(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let fields = [(RATELIMIT_POLICY, &self.policies), (RATELIMIT, &self.left)];
        let fields = fields.into_iter().filter(|(_, text)| !text.is_empty()).filter_map(|(name, text)| {
            // Names of rules are checked when they are read, so that this is always a value.
            Some((name, HeaderValue::from_str(text).ok()?))
        });
        fields.chain(self.kept.iter().cloned())
    }
}
