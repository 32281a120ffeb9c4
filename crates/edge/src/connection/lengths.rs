//! Counts `Content-Length` fields as they come in, which hyper forgets when it finds `Transfer-Encoding`.
//!
//! A request with both may be cut differently by us and by a proxy before us (RFC 9112, section 6.3): the
//! proxy's leftover would be read as somebody else's request. Such a request is refused, and for that
//! somebody must have seen both fields.

const NAME: &[u8] = b"content-length";

/// Where in a line the bytes seen so far end.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    /// Letters of [`NAME`] that this line began with; nothing once it is another line.
    matched: Option<usize>,
}

impl Lengths {
    /// How many lines beginning with the name these bytes complete. A body may hold such lines too;
    /// counting one too many only makes us refuse a chunked request later on this connection.
    pub(super) fn count(&mut self, bytes: &[u8]) -> u32 {
        let mut count = 0;
        let mut rest = bytes;
        loop {
            if let Some(matched) = self.matched {
                let expected = &NAME[matched..];
                let end = expected.len().min(rest.len());
                self.matched = rest[..end].eq_ignore_ascii_case(&expected[..end]).then_some(matched + end);
                if self.matched == Some(NAME.len()) {
                    self.matched = None;
                    count += 1;
                }
            }
            let Some(line_end) = memchr::memchr(b'\n', rest) else { return count };
            rest = &rest[line_end + 1..];
            self.matched = Some(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 3\r\nX: content-length\r\n\r\nabc";

    #[test]
    fn a_field_is_seen_wherever_the_bytes_are_cut() {
        for cut in 0..HEAD.len() {
            let mut lengths = Lengths::default();
            let (first, second) = HEAD.split_at(cut);
            assert_eq!(lengths.count(first) + lengths.count(second), 1, "cut at {cut}");
        }
    }

    #[test]
    fn a_field_is_seen_byte_by_byte() {
        let mut lengths = Lengths::default();
        let seen: u32 = HEAD.chunks(1).map(|byte| lengths.count(byte)).sum();
        assert_eq!(seen, 1);
    }

    #[test]
    fn each_of_several_fields_counts() {
        let head = b"GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(Lengths::default().count(head), 2);
    }
}
