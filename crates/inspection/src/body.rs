//! Names and values of a body, as its type has them.

mod parts;

use std::fmt;

use memchr::{memchr, memmem};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::{Bound, Place, Tally};

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
                Some(parts::boundary(content_type).map_or(Self::Text, |boundary| Self::Parts {
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

    pub(super) fn found(content_type: &str, body: &str) -> bool {
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
