//! Which compression a caller takes (RFC 9110, section 12.5.3), and which answers are worth it.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::CacheControl;

/// A compression, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

/// Bytes below which an answer of known length goes as it is: one packet is one packet.
const BYTES_MIN: u64 = 1024;

impl Coding {
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// As it stands in a field (RFC 9110, section 8.4.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// The same as a value.
    #[must_use]
    pub const fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    /// The one that a caller likes best of those they take; of equals, the best.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Option<Self> {
        let mut weights = [None; 3];
        let mut others = None;
        let values = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        for option in values.flat_map(|value| value.split(',')) {
            let (name, parameters) = option.split_once(';').unwrap_or((option, ""));
            let name = name.trim();
            let weight = weight(parameters);
            match Self::ALL.iter().position(|coding| coding.name().eq_ignore_ascii_case(name)) {
                Some(place) => weights[place] = Some(weight),
                None if name == "*" => others = Some(weight),
                None => {}
            }
        }
        let liked =
            Self::ALL.iter().zip(weights).map(|(coding, weight)| (coding, weight.or(others).unwrap_or(0)));
        // The last of equals wins, so that the best comes last.
        liked
            .rev()
            .filter(|(_, weight)| *weight > 0)
            .max_by_key(|(_, weight)| *weight)
            .map(|(coding, _)| *coding)
    }
}

/// A weight in thousandths; what cannot be read is nought.
fn weight(parameters: &str) -> u32 {
    let told = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(told) = told else { return 1000 };
    let Ok(weight) = told.parse::<f32>() else { return 0 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped")]
    let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
    weight
}

/// Is an answer worth compressing, and may it be? `bytes` is the length of its body, if that is known.
#[must_use]
pub fn is_worth_coding(status: StatusCode, answer: &HeaderMap, bytes: Option<u64>) -> bool {
    let has = |name| answer.contains_key(name);
    let bare = status.is_informational()
        || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::PARTIAL_CONTENT].contains(&status);
    if bare || has(header::CONTENT_ENCODING) || has(header::CONTENT_RANGE) {
        return false;
    }
    if CacheControl::of(answer).no_transform {
        return false;
    }
    bytes.is_none_or(|bytes| bytes >= BYTES_MIN) && answer.get(header::CONTENT_TYPE).is_some_and(is_text)
}

/// Is it of a type that becomes smaller? Events are never gathered, so they are left alone.
fn is_text(kind: &HeaderValue) -> bool {
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let (group, name) = essence.split_once('/').unwrap_or_default();
    match group {
        "text" => name != "event-stream",
        "application" => {
            ["json", "javascript", "xml", "wasm", "x-ndjson", "x-javascript"].contains(&name)
                || name.ends_with("+json")
                || name.ends_with("+xml")
        }
        "image" => name == "svg+xml",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn takes(accepted: &str, expected: Option<Coding>) {
        let value = HeaderValue::from_str(accepted).expect("a value");
        assert_eq!(
            Coding::of(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)])),
            expected,
            "{accepted}"
        );
    }

    #[test]
    fn the_best_of_what_the_caller_likes_best_is_taken() {
        takes("gzip, deflate, br, zstd", Some(Coding::Brotli));
        takes("gzip, zstd", Some(Coding::Zstd));
        takes("gzip;q=1.0, br;q=0.5", Some(Coding::Gzip));
        takes("*", Some(Coding::Brotli));
        takes("br;q=0, *;q=0.1", Some(Coding::Zstd));
        takes("identity, deflate", None);
        takes("gzip;q=0", None);
        takes("gzip;q=much", None);
        takes("", None);
    }

    fn answer(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn what_is_small_coded_or_no_text_goes_as_it_is() {
        let worth = |fields, bytes| is_worth_coding(StatusCode::OK, &answer(fields), bytes);
        assert!(worth(&[("content-type", "text/html; charset=utf-8")], Some(5000)));
        assert!(worth(&[("content-type", "application/problem+json")], None));
        assert!(!worth(&[("content-type", "text/html")], Some(100)));
        assert!(!worth(&[("content-type", "image/png")], Some(5000)));
        assert!(!worth(&[("content-type", "text/event-stream")], None));
        assert!(!worth(&[("content-type", "text/css"), ("content-encoding", "gzip")], Some(5000)));
        assert!(!worth(
            &[("content-type", "text/css"), ("cache-control", "public, no-transform")],
            Some(5000)
        ));
        assert!(!is_worth_coding(StatusCode::NOT_MODIFIED, &answer(&[("content-type", "text/css")]), None));
    }

    proptest! {
        #[test]
        fn any_words_name_some_coding_or_none(accepted in "[ -~]{0,60}") {
            let value = HeaderValue::from_str(&accepted).expect("visible letters");
            let _chosen = Coding::of(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]));
        }
    }
}
