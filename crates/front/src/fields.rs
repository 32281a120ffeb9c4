//! The fields of a request, whichever version of HTTP it came in.

use arrayvec::ArrayVec;
use http::{HeaderMap, HeaderName};
use httparse::Header;

/// A request's fields where they stand. Copying it copies nothing of them.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(Standing<'a>);

#[derive(Debug, Clone, Copy)]
enum Standing<'a> {
    /// In the bytes that were read: few enough that a search costs less than a map.
    Read(&'a [Header<'a>]),
    Kept(&'a HeaderMap),
}

impl<'a> Fields<'a> {
    pub const fn read(fields: &'a [Header<'a>]) -> Self {
        Self(Standing::Read(fields))
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get(self, name: &HeaderName) -> Option<&'a [u8]> {
        match self.0 {
            Standing::Read(fields) => {
                let found = fields.iter().find(|field| field.name.eq_ignore_ascii_case(name.as_str()));
                found.map(|field| field.value)
            }
            Standing::Kept(fields) => fields.get(name).map(|value| value.as_bytes()),
        }
    }

    /// All of them, name and value, as they came.
    pub fn all(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let (read, kept) = match self.0 {
            Standing::Read(fields) => (Some(fields), None),
            Standing::Kept(fields) => (None, Some(fields)),
        };
        let read = read.into_iter().flatten().map(|field| (field.name, field.value));
        read.chain(kept.into_iter().flatten().map(|(name, value)| (name.as_str(), value.as_bytes())))
    }

    /// The values of the fields of this name, the last first, at most so many as fit.
    pub fn last<const MOST: usize>(self, name: &HeaderName) -> ArrayVec<&'a [u8], MOST> {
        match self.0 {
            Standing::Read(fields) => {
                let found =
                    fields.iter().rev().filter(|field| field.name.eq_ignore_ascii_case(name.as_str()));
                found.map(|field| field.value).take(MOST).collect()
            }
            Standing::Kept(fields) => {
                let values = fields.get_all(name).iter().rev();
                values.map(|value| value.as_bytes()).take(MOST).collect()
            }
        }
    }
}

impl<'a> From<&'a HeaderMap> for Fields<'a> {
    fn from(fields: &'a HeaderMap) -> Self {
        Self(Standing::Kept(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, header::HOST};

    #[test]
    fn the_first_of_several_is_found_wherever_they_stand() {
        let read = [Header { name: "Host", value: b"a" }, Header { name: "host", value: b"b" }];
        let kept = HeaderMap::from_iter([(HOST, HeaderValue::from_static("a"))]);
        for fields in [Fields::read(&read), Fields::from(&kept)] {
            assert_eq!(fields.get(&HOST), Some(b"a".as_slice()));
            assert_eq!(fields.get(&http::header::ACCEPT), None);
            assert!(fields.all().all(|(name, _)| name.eq_ignore_ascii_case("host")));
        }
    }
}
