//! A message as its parts are signed.

use std::borrow::Cow;

/// What of a request, or of an answer, can be signed.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// As it was sent; empty in an answer.
    pub method: &'a str,
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host that was asked for, with its port if it was named.
    pub authority: &'a str,
    /// As it was sent, without the query.
    pub path: &'a str,
    /// What follows the question mark, as it was sent.
    pub query: Option<&'a str>,
    /// Of an answer.
    pub status: Option<u16>,
    /// The values of the fields of a name in small letters, in the order in which they came.
    pub fields: &'a dyn Fn(&str) -> Vec<Vec<u8>>,
}

impl<'a> Message<'a> {
    /// The host in small letters, without the port that its scheme has anyway (RFC 9421, section 2.2.3).
    pub(crate) fn authority(&self) -> String {
        let lower = self.authority.to_ascii_lowercase();
        let own_port = match self.scheme {
            "https" => ":443",
            "http" => ":80",
            _ => "",
        };
        lower.strip_suffix(own_port).map(str::to_owned).unwrap_or(lower)
    }

    pub(crate) const fn path(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }

    /// Path and query, as they stand in a request's first line.
    pub(crate) fn target(&self) -> String {
        self.query.map_or_else(|| self.path().to_owned(), |query| format!("{}?{query}", self.path()))
    }

    /// The values of a parameter of the query, decoded (RFC 9421, section 2.2.8).
    pub(crate) fn query_params(&self, name: &[u8]) -> Vec<Vec<u8>> {
        let pairs = self.query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.filter(|(key, _)| *unescaped(key) == *name).map(|(_, value)| unescaped(value).into()).collect()
    }
}

/// A text of a form as the bytes that it stands for.
pub(crate) fn unescaped(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let (bytes, mut plain, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (b'+', ..) => plain.push(b' '),
            _ => plain.push(*byte),
        }
        at += 1;
    }
    Cow::Owned(plain)
}

/// The bytes as a text of a form, in which a space is no plus.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                text.push(char::from(*byte))
            }
            _ => {
                text.push('%');
                text.extend(
                    [byte >> 4, byte & 15].map(|half| char::from(b"0123456789ABCDEF"[usize::from(half)])),
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_escaped_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = escaped(&bytes);
            prop_assert_eq!(&*unescaped(&text), &bytes[..]);
            prop_assert!(!text.contains(['&', '=', '+', ' ', '"', '\n']));
        }

        #[test]
        fn any_text_can_be_unescaped(text in "\\PC{0,40}") {
            let _bytes = unescaped(&text);
        }
    }
}
