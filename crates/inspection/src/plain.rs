//! What no attack is made of: most requests are told from the rest by one look at each byte.

/// Bytes that are nothing to a database, a browser, a shell or a file system, as long as no two points are in a row.
const fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b',' | b':' | b'@' | b'~')
}

/// The same, and what separates the parts of a field's value.
const fn plain_in_fields(byte: u8) -> bool {
    plain(byte) || matches!(byte, b' ' | b'/' | b'+' | b'*' | b'=' | b';' | b'?')
}

const fn table(extra: &[u8], of_fields: bool) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 256")]
        let own = byte as u8;
        table[byte] = if of_fields { plain_in_fields(own) } else { plain(own) };
        byte += 1;
    }
    let mut at = 0;
    while at < extra.len() {
        table[extra[at] as usize] = true;
        at += 1;
    }
    table
}

static VALUE: [bool; 256] = table(b"", false);
static PATH: [bool; 256] = table(b"/", false);
static QUERY: [bool; 256] = table(b"=&", false);
static FIELD: [bool; 256] = table(b"", true);

fn all(bytes: &[u8], table: &[bool; 256]) -> bool {
    let mut before = 0;
    bytes.iter().all(|byte| {
        // Two points lead upwards; words with spaces between them may be those of a language.
        let fits = match *byte {
            b'.' => before != b'.',
            b' ' => matches!(before, b',' | b';'),
            _ => true,
        };
        before = *byte;
        table[usize::from(*byte)] && fits
    })
}

pub(crate) fn is_plain_value(bytes: &[u8]) -> bool {
    all(bytes, &VALUE)
}

pub(crate) fn is_plain_path(bytes: &[u8]) -> bool {
    all(bytes, &PATH)
}

pub(crate) fn is_plain_query(bytes: &[u8]) -> bool {
    all(bytes, &QUERY)
}

/// Is a field's value made of nothing that an attack is?
#[must_use]
pub fn is_plain_field(bytes: &[u8]) -> bool {
    all(bytes, &FIELD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_addresses_are_plain_and_what_code_is_made_of_is_not() {
        for text in ["", "42", "a-b_c.d", "2026-11-21T12:00:00", "ada@example.org"] {
            assert!(is_plain_value(text.as_bytes()), "{text}");
        }
        for text in ["a b", "..", "a'b", "%27", "<b>", "/etc", "a=b", "{}", "\0", "é"] {
            assert!(!is_plain_value(text.as_bytes()), "{text}");
        }
        assert!(is_plain_path(b"/api/v1/session") && !is_plain_path(b"/a/../b") && !is_plain_path(b"/a;b"));
        assert!(is_plain_query(b"page=2&size=10") && !is_plain_query(b"q=a+b"));
        assert!(
            is_plain_field(b"text/html, */*;q=0.8")
                && !is_plain_field(b"1 or 1=1")
                && !is_plain_field(b"${jndi:x}")
        );
    }
}
