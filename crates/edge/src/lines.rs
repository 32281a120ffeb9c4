//! The fields of an answer that is passed on, as the lines they came in: what nobody has to look at is copied, and no map
//! is made of it.

use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::REQUEST_ID;

/// Header fields as lines, ready to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
    /// Where the `Content-Length` stands, whose place depends on how the body is told.
    length: Range<usize>,
    is_dated: bool,
}

impl Lines {
    /// None yet, and room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Adds a field, which must be one that HTTP/1 allows. What the edge says of every answer itself, and what is for one
    /// connection alone, is left out.
    pub fn push(&mut self, name: &str, value: &[u8]) {
        let is = |other: &HeaderName| name.eq_ignore_ascii_case(other.as_str());
        // By length first, because almost every field is one that does not matter here.
        match name.len() {
            4 if is(&header::DATE) => self.is_dated = true,
            7 if is(&header::UPGRADE) => return,
            10 if is(&header::CONNECTION) => return,
            12 if is(&REQUEST_ID) => return,
            14 if is(&header::CONTENT_LENGTH) => {
                let begin = self.bytes.len();
                self.write(name, value);
                self.length = begin..self.bytes.len();
                return;
            }
            17 if is(&header::TRANSFER_ENCODING) => return,
            _ => {}
        }
        self.write(name, value);
    }

    fn write(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Is there a `Date` among them?
    pub(crate) const fn is_dated(&self) -> bool {
        self.is_dated
    }

    /// All of them, or all but the `Content-Length`.
    pub(crate) fn parts(&self, with_length: bool) -> [&[u8]; 2] {
        if with_length {
            return [&self.bytes, &[]];
        }
        [&self.bytes[..self.length.start], &self.bytes[self.length.end..]]
    }

    /// Puts them into a map, beside what is there.
    pub fn gather(self, fields: &mut HeaderMap) {
        let lines = self.bytes.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        for line in lines {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (HeaderName::from_bytes(&line[..colon]), line.get(colon + 2..));
            let value = HeaderValue::from_bytes(value.unwrap_or_default());
            if let (Ok(name), Ok(value)) = (name, value) {
                fields.append(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(fields: &[(&str, &str)]) -> Lines {
        let mut lines = Lines::default();
        fields.iter().for_each(|(name, value)| lines.push(name, value.as_bytes()));
        lines
    }

    #[test]
    fn what_is_for_the_connection_or_said_by_the_edge_is_left_out() {
        let fields = [
            ("Connection", "x-a"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("X-Request-Id", "theirs"),
            ("X-A", "b"),
        ];
        assert_eq!(lines(&fields).parts(true), [b"X-A: b\r\n".as_slice(), b""]);
    }

    #[test]
    fn the_length_is_told_or_not_wherever_it_stands() {
        let lines = lines(&[("a", "1"), ("Content-Length", "5"), ("Date", "today")]);
        assert_eq!(lines.parts(false).concat(), b"a: 1\r\nDate: today\r\n");
        assert_eq!(lines.parts(true).concat(), b"a: 1\r\nContent-Length: 5\r\nDate: today\r\n");
        assert!(lines.is_dated());
    }

    proptest! {
        #[test]
        fn a_map_of_them_has_every_field_in_its_order(
            fields in proptest::collection::vec(("x-[a-c]{1,3}", "[!-~]([ -~]{0,20}[!-~])?"), 0..12),
        ) {
            let mut lines = Lines::default();
            let mut expected = HeaderMap::new();
            for (name, value) in &fields {
                lines.push(name, value.as_bytes());
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                expected.append(name, HeaderValue::from_str(value).expect("a value"));
            }
            let mut gathered = HeaderMap::new();
            lines.gather(&mut gathered);
            prop_assert_eq!(gathered, expected);
        }
    }
}
