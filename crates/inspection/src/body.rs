//! Names and values of a body, as its type has them.

use std::fmt;

use memchr::{memchr, memmem};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{Bound, Place, Tally};

/// Longest boundary between the parts of a form (RFC 2046, section 5.1.1), and its two hyphens.
const BOUNDARY_BYTES_MAX: usize = 72;

/// As what readers take a backslash in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// As any other sign.
    Plain,
    /// What stands behind it ends no quotes (RFC 9110, section 5.6.4).
    Escaped,
}

const QUOTES: [Quotes; 2] = [Quotes::Plain, Quotes::Escaped];

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

/// How a body is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/…`, with what stands between its parts.
    Parts {
        boundary: Vec<u8>,
        /// Is each of them a field of a form, or those only that have a name?
        form: bool,
    },
    Markup,
    Text,
}

impl Written {
    /// As a content type says; nothing if what comes is for no one to read as text. What comes without a type may be
    /// read as anything.
    #[must_use]
    pub fn by(content_type: Option<&[u8]>) -> Option<Self> {
        let Some(content_type) = content_type else { return Some(Self::Text) };
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        match &*essence {
            b"application/x-www-form-urlencoded" => Some(Self::Form),
            // What has no boundary, or two, each reader takes apart where it likes.
            kind if kind.starts_with(b"multipart/") => {
                Some(boundary(content_type).map_or(Self::Text, |boundary| Self::Parts {
                    boundary,
                    form: kind == b"multipart/form-data",
                }))
            }
            kind if kind.ends_with(b"json") => Some(Self::Json),
            kind if kind.ends_with(b"xml") || kind == b"text/html" => Some(Self::Markup),
            kind if kind.starts_with(b"text/") || kind == b"application/graphql" || kind.is_empty() => {
                Some(Self::Text)
            }
            // Two types in one: each reader takes the one it likes.
            kind if kind.contains(&b',') => Some(Self::Text),
            _ => None,
        }
    }
}

/// What stands between parts, with its hyphens.
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let [value, other] = QUOTES.map(|quotes| only(parameters(content_type, b"boundary", quotes)));
    let value = value.filter(|_| value == other)?;
    let boundary = [b"--", value].concat();
    (3..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The parts of a field between semicolons that stand in no quotes.
fn parts_of(field: &[u8], quotes: Quotes) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut literal) = (false, false);
    field.split(move |byte| {
        let is_literal = std::mem::take(&mut literal);
        match byte {
            b'\\' => literal = quotes == Quotes::Escaped && quoted && !is_literal,
            b'"' => quoted ^= !is_literal,
            _ => {}
        }
        *byte == b';' && !quoted
    })
}

/// The values of the parameters of this name in a field, without the quotes they may stand in.
fn parameters<'a>(field: &'a [u8], name: &'static [u8], quotes: Quotes) -> impl Iterator<Item = &'a [u8]> {
    parts_of(field, quotes).skip(1).filter_map(move |part| {
        let part = part.trim_ascii();
        let (own, value) = part.split_at(memchr(b'=', part)?);
        let value = value[1..].trim_ascii();
        let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        own.trim_ascii().eq_ignore_ascii_case(name).then_some(bare)
    })
}

/// What the lines of a head say of how their part is to be taken.
fn dispositions(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| {
        let name = memchr(b':', line).map_or(*line, |colon| &line[..colon]);
        name.trim_ascii_end().eq_ignore_ascii_case(b"content-disposition")
    })
}

/// What stands there once; of two each reader takes the one it likes.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

impl Tally<'_> {
    /// Looks at a body, or at its beginning if that is all there is room for.
    pub fn body(&mut self, written: &Written, bytes: &[u8]) {
        let (bytes, rest) = bytes.split_at(bytes.len().min(self.inspector.bounds.bytes_max.get()));
        if !rest.is_empty() {
            self.beyond = Some(Bound::Bytes);
        }
        match written {
            Written::Json => self.json(bytes),
            Written::Form => self.pairs(Place::Body, bytes),
            Written::Parts { boundary, form } => self.parts(boundary, *form, bytes),
            Written::Markup => self.markup(bytes),
            Written::Text => self.value(Place::Body, bytes, false),
        }
    }

    fn json(&mut self, bytes: &[u8]) {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        let read = Walk { tally: self, private: false }.deserialize(&mut reader);
        if let Err(error) = read.and_then(|()| reader.end()) {
            let cut = error.is_eof() && self.beyond == Some(Bound::Bytes);
            if !cut {
                // What a more lenient reader makes of it is not known.
                self.value(Place::Body, bytes, false);
            }
        }
    }

    /// Readers are not of one mind where a part ends: what any of them takes for one is looked at.
    fn parts(&mut self, boundary: &[u8], form: bool, bytes: &[u8]) {
        let all: Vec<usize> = memmem::find_iter(bytes, boundary).collect();
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
        let Some((at, content)) = found.into_iter().flatten().min() else {
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
        let [name, other] = QUOTES.map(|quotes| only(parameters(disposition, b"name", quotes)));
        let name = name.filter(|_| name == other).unwrap_or_default();
        let (mut named, mut is_file) = (false, true);
        for quotes in QUOTES {
            named |= dispositions(head).any(|line| parameters(line, b"name", quotes).next().is_some());
            for file in dispositions(head).flat_map(|line| parameters(line, b"filename", quotes)) {
                self.pair(Place::Body, name, file, false);
            }
            // A file without a name is a field to many readers.
            is_file &=
                only(parameters(disposition, b"filename", quotes)).is_some_and(|file| !file.is_empty());
        }
        if !is_file && (form || named) {
            self.pair(Place::Body, name, content.trim_ascii_end(), false);
        }
    }

    /// What stands between tags, and in quotes inside of them.
    fn markup(&mut self, bytes: &[u8]) {
        let declares = memmem::find(bytes, b"<!ENTITY").is_some();
        // One may stand in a comment, and the real one behind it.
        let elsewhere = memmem::find_iter(bytes, b"<!DOCTYPE").any(|at| {
            let head = &bytes[at + 1..];
            let head = head.split(|byte| matches!(byte, b'>' | b'[' | b'<')).next().unwrap_or_default();
            memmem::find(head, b"SYSTEM").is_some() || memmem::find(head, b"PUBLIC").is_some()
        });
        if declares || elsewhere {
            // Outside entities read files of the server: no honest sender declares them.
            self.value(Place::Body, b"<!entity ", false);
        }
        let mut rest = bytes;
        while let Some(at) = memmem::find(rest, b"<![CDATA[") {
            // One that begins inside of another is text of that one.
            let section = &rest[at + 9..];
            let (text, behind) = section.split_at(memmem::find(section, b"]]>").unwrap_or(section.len()));
            self.value(Place::Body, text, false);
            rest = behind;
        }
        for piece in bytes.split(|byte| *byte == b'<') {
            let end = memchr(b'>', piece).unwrap_or(piece.len());
            let (tag, text) = piece.split_at(end);
            let mut rest = tag;
            while let Some(begin) = rest.iter().position(|byte| matches!(byte, b'"' | b'\'')) {
                let inside = &rest[begin + 1..];
                let end = memchr(rest[begin], inside).unwrap_or(inside.len());
                self.value(Place::Body, &inside[..end], false);
                rest = inside.get(end + 1..).unwrap_or_default();
            }
            let text = text.get(1..).unwrap_or_default().trim_ascii();
            if !text.is_empty() {
                self.value(Place::Body, text, false);
            }
        }
    }
}

/// Looks at every name and every text of a JSON value.
struct Walk<'t, 'a> {
    tally: &'t mut Tally<'a>,
    /// Is its value nobody's to look at?
    private: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if !self.private {
            self.tally.value(Place::Body, text.as_bytes(), false);
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let private = self.private;
        while items.next_element_seed(Walk { tally: &mut *self.tally, private })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            self.tally.value(Place::Body, name.as_bytes(), false);
            let private = self.tally.is_private(name.as_bytes());
            members.next_value_seed(Walk { tally: &mut *self.tally, private })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Exempt, Inspector};

    fn found(content_type: &str, body: &str) -> bool {
        let names = ["password".to_owned()];
        let inspector = Inspector::standard();
        let mut tally = inspector.tally(Exempt { names: &names, ..Exempt::default() });
        let Some(written) = Written::by(Some(content_type.as_bytes())) else { return false };
        tally.body(&written, body.as_bytes());
        tally.suspicion().is_some_and(|found| found.score >= 5)
    }

    #[test]
    fn texts_are_found_wherever_they_stand_in_json() {
        for body in [
            r#""1 or 1=1""#,
            r#"{"a": [1, {"b": "1 or 1=1"}]}"#,
            r#"{"1 or 1=1": null}"#,
            r#"{"a": "1 \u006fr 1=1"}"#,
            r#"{"a": "1 or 1=1"#,
            r#"{a: '1 or 1=1'}"#,
        ] {
            assert!(found("application/json; charset=utf-8", body), "{body}");
            assert!(found("application/fhir+json", body), "{body}");
        }
        assert!(!found("application/json", r#"{"a": [1, 2.5, true, null, "b"], "or": "1", "c": "=1"}"#));
        assert!(!found("application/json", r#"{"password": "' or 1=1 --"}"#), "it is private");
    }

    /// What is found, and beyond which bound there was more.
    fn beyond(kind: &str, body: &str) -> (bool, Option<Bound>) {
        let inspector = Inspector::standard();
        let mut tally = inspector.tally(Exempt::default());
        tally.body(&Written::by(Some(kind.as_bytes())).expect("it is looked at"), body.as_bytes());
        (tally.suspicion().is_some_and(|found| found.score >= 5), tally.beyond())
    }

    #[test]
    fn values_that_are_empty_or_plain_leave_room_for_others() {
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for dull in ["\"\",", "\"plain\",", "\"1,5\","] {
            let body = format!("{{\"p\": [{}\"\"], \"q\": \"1 or 1=1\"}}", dull.repeat(5000));
            assert_eq!(beyond(json, &body), (true, None), "{dull}");
        }
        assert_eq!(beyond(form, &format!("{}q=1+or+1%3D1", "&".repeat(5000))), (true, None));
        assert_eq!(beyond(form, &format!("{}q=1+or+1%3D1", "a=&".repeat(5000))), (true, None));
    }

    #[test]
    fn what_is_beyond_a_bound_is_told_of() {
        let json = "application/json";
        let lines = |count: usize| format!("[{}\"1 or 1=1\"]", "\"so many\",".repeat(count));
        assert_eq!(beyond(json, &lines(511)), (true, None));
        assert_eq!(beyond(json, &lines(512)), (false, Some(Bound::Values)));
        let long = |spaces: usize| format!("{}[\"1 or 1=1\"]", " ".repeat(spaces));
        let room = Inspector::standard().bounds.bytes_max.get() - long(0).len();
        assert_eq!(beyond(json, &long(room)), (true, None));
        assert_eq!(beyond(json, &long(room + 5)), (false, Some(Bound::Bytes)));
        let sections = "<![CDATA[".repeat(7000);
        assert_eq!(beyond("application/xml", &sections), (false, None));
    }

    #[test]
    fn forms_are_looked_at_field_by_field() {
        let form = "application/x-www-form-urlencoded";
        assert!(found(form, "a=1&b=1+or+1%3D1") && !found(form, "a=1+or+1&b==1"));
        let parts = "multipart/form-data; boundary=\"x y\"";
        let part = |head: &str, value: &str| {
            format!("--x y\r\ncontent-disposition: form-data; {head}\r\n\r\n{value}\r\n--x y--")
        };
        assert!(found(parts, &part("name=\"a\"", "1 or 1=1")));
        assert!(found(parts, &part("name=a; filename=\"../../etc/passwd\"", "x")));
        assert!(
            !found(parts, &part("name=a; filename=\"notes.txt\"", "1 or 1=1")),
            "what files hold is theirs"
        );
        assert!(!found(parts, &part("name=password", "1 or 1=1")));
        assert!(
            found(parts, &part("name=\"q\"; x=\"; filename=y\"", "1 or 1=1")),
            "a file only in quotes is none"
        );
        assert!(found(parts, &part("name=q", "1 or 1=1").replace("\r\n", "\n")));
        assert!(found("application/json, image/png", "{\"a\": \"1 or 1=1\"}"));
    }

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

    #[test]
    fn markup_is_no_attack_and_what_stands_in_it_may_be_one() {
        let xml = "application/xml";
        assert!(!found(xml, "<a><object id=\"7\">it's <b>here</b></object></a>"));
        assert!(found(xml, "<a><b>1 or 1=1</b></a>") && found(xml, "<a b='1 or 1=1'/>"));
        assert!(found(xml, "<a b=\"it's\" c=\"1 or 1=1\"/>"));
        assert!(
            found(xml, "<a><![CDATA[1 or 1=1]]></a>") && found(xml, "<a><![CDATA[<script>x</script>]]></a>")
        );
        assert!(found(xml, "<!DOCTYPE x SYSTEM \"http://x.example/x.dtd\"><x/>"));
        assert!(!found(xml, "<!DOCTYPE html><p>fine</p>"));
        assert!(found(xml, "<!-- <!DOCTYPE html> --><!DOCTYPE x PUBLIC \"y\" \"http://x.example/x\"><x/>"));
        assert!(found("text/xml", "<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///z\">]><x>&y;</x>"));
    }

    #[test]
    fn what_nobody_reads_as_text_is_not_looked_at() {
        for kind in ["image/png", "application/octet-stream", "application/pdf"] {
            assert!(Written::by(Some(kind.as_bytes())).is_none(), "{kind}");
        }
        assert!(found("text/plain", "1 or 1=1") && found("", "1 or 1=1"));
        assert_eq!(Written::by(None), Some(Written::Text));
    }
}
