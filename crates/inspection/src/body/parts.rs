//! The parts of a form, however a reader may take them apart.

use memchr::{memchr, memchr_iter, memchr3, memmem};

use crate::{Bound, Place, Tally};

/// Longest boundary between the parts of a form (RFC 2046, section 5.1.1), and its two hyphens.
const BOUNDARY_BYTES_MAX: usize = 72;

/// What readers take for quotes, and for a backslash in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// A backslash is a sign as any other.
    Plain,
    /// What stands behind a backslash ends no quotes (RFC 9110, section 5.6.4).
    Escaped,
    /// Single ones are quotes too, and a backslash is one only before the sign that would end them; a name ends with `=` and
    /// with nothing else: so PHP reads.
    Single,
}

const QUOTES: [Quotes; 3] = [Quotes::Plain, Quotes::Escaped, Quotes::Single];

/// Which boundaries a reader takes for the end of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    before: Before,
    /// Must its line end with it, but for its last hyphens and spaces?
    alone: bool,
}

/// What must stand before a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Anything,
    Lf,
    CrLf,
}

/// From the most lenient reader to the strictest (RFC 2046, section 5.1.1).
const CUTS: [Cut; 6] = [
    Cut { before: Before::Anything, alone: false },
    Cut { before: Before::Anything, alone: true },
    Cut { before: Before::Lf, alone: false },
    Cut { before: Before::Lf, alone: true },
    Cut { before: Before::CrLf, alone: false },
    Cut { before: Before::CrLf, alone: true },
];

impl Cut {
    /// Does a reader of this kind take the boundary for one that stands there?
    fn takes(self, before: &[u8], behind: &[u8]) -> bool {
        let begins = match self.before {
            Before::Anything => true,
            Before::Lf => before.is_empty() || before.ends_with(b"\n"),
            Before::CrLf => before.is_empty() || before.ends_with(b"\r\n"),
        };
        begins && (!self.alone || ends_line(behind))
    }
}

/// Is there nothing in a line behind its boundary but the hyphens of the last one, and spaces?
fn ends_line(behind: &[u8]) -> bool {
    let behind = behind.strip_prefix(b"--").unwrap_or(behind);
    let text = behind.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r'));
    text.is_none_or(|byte| *byte == b'\n')
}

/// What stands between parts, with its hyphens; nothing where readers are not of one mind.
pub(super) fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let value = agreed(QUOTES.map(|quotes| only(parameters(content_type, b"boundary", quotes))))?;
    // Browsers have the word in the value itself.
    let words = |text: &[u8]| memmem::find_iter(&text.to_ascii_lowercase(), b"boundary").count();
    let is_plain = memchr3(b',', b'\'', b'\\', value).is_none() && words(content_type) == 1 + words(value);
    let value = (is_plain && boundary_anywhere(content_type) == Some(value)).then_some(value)?;
    let boundary = [b"--", value].concat();
    (3..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// As PHP reads it: behind the first such word, whatever it is a part of, up to a comma or a semicolon.
fn boundary_anywhere(content_type: &[u8]) -> Option<&[u8]> {
    let lower = || memmem::find(&content_type.to_ascii_lowercase(), b"boundary");
    let rest = &content_type[memmem::find(content_type, b"boundary").or_else(lower)?..];
    let value = &rest[memchr(b'=', rest)? + 1..];
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next(),
        None => value.split(|byte| matches!(byte, b',' | b';')).next(),
    }
}

/// What there is for every reader, if it is the same for all.
fn agreed(readings: [Option<&[u8]>; QUOTES.len()]) -> Option<&[u8]> {
    let [first, others @ ..] = readings;
    first.filter(|_| others.iter().all(|other| *other == first))
}

/// The parts of a field between semicolons that stand in no quotes.
fn parts_of(field: &[u8], quotes: Quotes) -> impl Iterator<Item = &[u8]> {
    let (mut within, mut literal) = (None, false);
    field.split(move |byte| {
        let is_literal = std::mem::take(&mut literal);
        match (byte, within) {
            (b'\\', Some(_)) => {
                literal = quotes == Quotes::Single || quotes == Quotes::Escaped && !is_literal;
            }
            (b'"', None) => within = Some(b'"'),
            (b'\'', None) if quotes == Quotes::Single => within = Some(b'\''),
            (byte, Some(end)) if *byte == end && !is_literal => within = None,
            _ => {}
        }
        *byte == b';' && within.is_none()
    })
}

/// The values of the parameters of this name in a field, without the quotes they may stand in.
fn parameters<'a>(field: &'a [u8], name: &'static [u8], quotes: Quotes) -> impl Iterator<Item = &'a [u8]> {
    parts_of(field, quotes).skip(1).filter_map(move |part| {
        let part = part.trim_ascii();
        let (own, value) = part.split_at(memchr(b'=', part)?);
        let own = if quotes == Quotes::Single { own } else { own.trim_ascii_end() };
        let value = value[1..].trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        own.eq_ignore_ascii_case(name).then_some(bare)
    })
}

/// What the lines of a head say of how their part is to be taken.
fn dispositions(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| {
        let name = memchr(b':', line).map_or(*line, |colon| &line[..colon]);
        name.trim_ascii_end().eq_ignore_ascii_case(b"content-disposition")
    })
}

/// Does a line end in CR alone, as some readers take it?
fn has_lone_cr(text: &[u8]) -> bool {
    memchr_iter(b'\r', text).any(|at| text.get(at + 1).is_some_and(|next| *next != b'\n'))
}

/// Does a line end in CR alone before or behind one of these boundaries?
fn has_lone_cr_around(boundary: &[u8], starts: &[usize], bytes: &[u8]) -> bool {
    // Boundaries of hyphens stand in each other's: what is behind one was looked through for the one before already.
    let mut blank_until = 0;
    starts.iter().any(|start| {
        let behind = start + boundary.len();
        if behind >= blank_until {
            let is_blank = |byte: &&u8| matches!(byte, b'-' | b' ' | b'\t');
            blank_until = behind + bytes[behind..].iter().take_while(is_blank).count();
        }
        let ends_line = matches!(bytes[blank_until..], [b'\r', next, ..] if next != b'\n');
        ends_line || bytes[..*start].ends_with(b"\r")
    })
}

/// What stands there once; of two each reader takes the one it likes.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

impl Tally<'_> {
    /// Readers are not of one mind where a part ends: what any of them takes for one is looked at.
    pub(super) fn parts(&mut self, boundary: &[u8], form: bool, bytes: &[u8]) {
        let all: Vec<usize> = memmem::find_iter(bytes, boundary).collect();
        if has_lone_cr_around(boundary, &all, bytes) {
            self.value(Place::Body, bytes, false);
        }
        let mut seen: Vec<Vec<usize>> = Vec::new();
        for cut in CUTS {
            let takes = |at: &usize| cut.takes(&bytes[..*at], &bytes[*at + boundary.len()..]);
            let starts: Vec<usize> = all.iter().copied().filter(takes).collect();
            // Of what honest senders write there is one reading.
            if seen.contains(&starts) {
                continue;
            }
            if starts.is_empty() {
                self.value(Place::Body, bytes, false);
            }
            for (number, start) in starts.iter().enumerate() {
                let end = starts.get(number + 1).copied();
                let part = &bytes[start + boundary.len()..end.unwrap_or(bytes.len())];
                let is_cut_off = end.is_none() && self.beyond == Some(Bound::Bytes);
                self.part(form, part, is_cut_off);
            }
            seen.push(starts);
        }
    }

    fn part(&mut self, form: bool, part: &[u8], is_cut_off: bool) {
        // Some readers take lines that end in LF alone.
        let ends = [(b"\r\n\r\n".as_slice(), 4), (b"\n\r\n", 3), (b"\n\n", 2)];
        let found = ends.map(|(end, length)| memmem::find(part, end).map(|at| (at, at + length)));
        let first = found.into_iter().flatten().min();
        if has_lone_cr(&part[..first.map_or(part.len(), |(_, content)| content)]) {
            self.value(Place::Body, part.trim_ascii(), false);
            // Some take two of them for the end of a head.
            if let Some(at) = memmem::find(part, b"\r\r") {
                self.value(Place::Body, part[at..].trim_ascii(), false);
            }
        }
        let Some((at, content)) = first else {
            // Somebody may read a value where there is no head; one that is not all there may go on.
            if !is_cut_off || dispositions(part).next().is_none() {
                self.value(Place::Body, part.trim_ascii(), false);
            }
            return;
        };
        self.part_with(form, &part[..at], &part[content..]);
        if let Some((at, behind)) = found[0]
            && behind != content
        {
            self.part_with(form, &part[..at], &part[behind..]);
        }
    }

    /// What files hold is not looked at: it is not for anybody's database or page.
    fn part_with(&mut self, form: bool, head: &[u8], content: &[u8]) {
        let disposition = only(dispositions(head)).unwrap_or_default();
        let names = QUOTES.map(|quotes| only(parameters(disposition, b"name", quotes)));
        let name = agreed(names).unwrap_or_default();
        let (mut named, mut is_file) = (false, true);
        let mut files = Vec::new();
        for quotes in QUOTES {
            named |= dispositions(head).any(|line| parameters(line, b"name", quotes).next().is_some());
            files.extend(dispositions(head).flat_map(|line| parameters(line, b"filename", quotes)));
            // A file without a name is a field to many readers.
            is_file &=
                only(parameters(disposition, b"filename", quotes)).is_some_and(|file| !file.is_empty());
        }
        files.sort_unstable();
        files.dedup();
        for file in files {
            self.pair(Place::Body, name, file, false);
        }
        if !is_file && (form || named) {
            self.pair(Place::Body, name, content.trim_ascii_end(), false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Written, tests::found};

    #[test]
    fn whatever_a_reader_may_take_for_a_field_of_a_form_is_looked_at() {
        let part = |head: &str| format!("--x\r\n{head}\r\n\r\n1 or 1=1\r\n--x--");
        let q = part("content-disposition: form-data; name=q");
        for kind in [
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=y; boundary=x",
            "multipart/form-data; boundary=x; Boundary=y",
            "multipart/form-data; boundary=y",
            "multipart/form-data",
            "multipart/mixed; boundary=x",
            "Multipart/Related; boundary=y; boundary=x",
        ] {
            assert!(found(kind, &q), "{kind}");
        }
        let form = "multipart/form-data; boundary=x";
        let disposed = |rest: &str| part(&format!("content-disposition: form-data; {rest}"));
        for rest in [
            "name=q; filename=\"\"",
            "name=q; filename=a.txt; filename=\"\"",
            "name=password; name=q",
            "filename=",
        ] {
            assert!(found(form, &disposed(rest)), "{rest}");
        }
        assert!(!found(form, &disposed("name=q; filename=a.txt")));
        // A quoted filename to who knows of no backslash, and part of another parameter to who does; and the other way round.
        for rest in ["name=q; x=\"\\\"; filename=\\\"y\"", "name=q; x=\"\\\"; y=\"; filename=a.txt"] {
            assert!(found(form, &disposed(rest)), "{rest}");
        }
        assert!(!found(form, &disposed("name=q; filename=\"C:\\a.txt\"")));
        assert!(!found(form, &disposed("name=q; filename=\"a \\\"b\\\".txt\"")));
        let attached = part("content-type: image/png\r\ncontent-disposition: attachment");
        assert!(!found("multipart/mixed; boundary=x", &attached), "it is no field of anybody's form");
    }

    #[test]
    fn what_is_a_file_only_to_who_knows_no_single_quotes_is_looked_at() {
        let form = "multipart/form-data; boundary=b";
        let part =
            |rest: &str| format!("--b\r\nContent-Disposition: form-data; {rest}\r\n\r\n1 or 1=1\r\n--b--");
        for rest in [
            "name=\"q\"; x='; filename=a.txt; y='",
            "name=q; x=\"\\\\\"; filename=a.txt; y=\"\"",
            "name=q; filename =a.txt",
        ] {
            assert!(found(form, &part(rest)), "{rest}");
        }
        for rest in ["name='q'; filename='a.txt'", "name=\"q\"; filename=\"it's.txt\""] {
            assert!(!found(form, &part(rest)), "{rest}");
        }
    }

    #[test]
    fn a_boundary_of_which_readers_are_not_of_one_mind_is_none() {
        for rest in [
            "xboundary=a; boundary=b",
            "boundary=b; xboundary=a",
            "Boundary=aboundary; x=b",
            "boundary=b,c",
            "boundary=\"b,c\"",
            "boundary='b'",
            "boundary=b ; x=y",
            "boundary=\"b\"c",
        ] {
            let written = Written::by(Some(format!("multipart/form-data; {rest}").as_bytes()));
            assert_eq!(written, Some(Written::Text), "{rest}");
        }
        for (rest, boundary) in [
            ("boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW", "------WebKitFormBoundary7MA4YWxkTrZu0gW"),
            ("boundary=----geckoformboundary1f", "------geckoformboundary1f"),
            ("Boundary=\"b c\" ; charset=utf-8", "--b c"),
        ] {
            let written = Written::by(Some(format!("multipart/form-data; {rest}").as_bytes()));
            assert_eq!(written, Some(Written::Parts { boundary: boundary.into(), form: true }), "{rest}");
        }
    }

    #[test]
    fn a_line_of_a_form_may_end_in_cr_alone() {
        let form = "multipart/form-data; boundary=b";
        let q = "Content-Disposition: form-data; name=q";
        let file = "Content-Disposition: form-data; name=f; filename=a.txt";
        for body in [
            format!("--b\r\n{q}\r\nX: y\r\r1 or 1=1 -- \r\n\r\nplain\r\n--b--"),
            format!("--b\r\n{q}\r\r1 or 1=1\r\n--b--"),
            format!("--b\r\nX: y\r{q}\r\n{file}\r\n\r\n1 or 1=1\r\n--b--"),
            format!("--b\r\n{file}\r\n\r\nx\r--b\r\n{q}\r\n\r\n1 or /*--b\r\n*/ 1=1\r\n--b--"),
            format!("--b\r\n{file}\r\n\r\nx\n--b\rX: y\r\n{q}\r\n\r\n1 or /*\n--bc*/ 1=1\r\n--b--"),
        ] {
            assert!(found(form, &body), "{body:?}");
        }
        assert!(found("multipart/form-data; boundary=-", "----------\r1 or 1=1\r\n---"));
        let honest = format!("--b\r\n{file}\r\n\r\nx\r\r1 or 1=1\r\n--b--\r\n");
        assert!(!found(form, &honest), "what files hold is theirs");
    }

    #[test]
    fn wherever_a_reader_may_end_a_part_its_value_is_looked_at() {
        let form = "multipart/form-data; boundary=b";
        let q = "Content-Disposition: form-data; name=\"q\"";
        let file = "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"";
        for body in [
            format!("--b\r\n{q}\r\n\r\nx--b<script>alert(1)</script>\r\n--b--"),
            format!("--b\r\n{q}\r\n\r\n<scr--bipt>alert(1)</script>\r\n--b--")
                .replace("scr--bipt", "script--b"),
            format!("--b\r\n{q}\r\n\r\n1 or --b1=1\r\n--b--").replace("--b1", "/*\n--b\r*/ 1"),
            format!("--b\r\n{file}\r\n\r\nx\n--b\n{q}\n\n1 or 1=1\r\n--b--"),
            format!("--b\r\n{q}\r\n\r\nx\r\n--bc\r\n<script>alert(1)</script>\r\n--b--"),
            "--b\r\n1 or 1=1\r\n--b--".to_owned(),
            format!("x--b\r\n{file}\r\n\r\n1 or 1=1"),
        ] {
            assert!(found(form, &body), "{body}");
        }
        let parts = format!("--b\r\n{file}\r\n\r\n1 or 1=1\r\n--b\r\n{q}\r\n\r\nfine\r\n--b--\r\n");
        assert!(!found(form, &parts), "what files hold is theirs");
        assert!(!found(form, &parts.replace("\r\n", "\n")));
    }

    #[test]
    fn the_head_of_a_part_ends_where_any_reader_ends_it() {
        let form = "multipart/form-data; boundary=b";
        let q = "Content-Disposition: form-data; name=\"q\"";
        let file = "Content-Disposition: form-data; name=\"f\"; filename=\"a.txt\"";
        assert!(found(form, &format!("--b\r\n{q}\n\r\n1 or 1=1\r\n--b--")));
        assert!(found(form, &format!("--b\r\n{file}\n\n{q}\r\n\r\n1 or 1=1\r\n--b--")));
        assert!(found(form, &format!("--b\r\nX: y\n\n{file}\r\n\r\n1 or 1=1\r\n--b--")));
    }
}
