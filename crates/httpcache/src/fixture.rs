//! What tests of this crate begin with.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A header section of these fields.
pub(crate) fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
    };
    fields.iter().map(field).collect()
}
