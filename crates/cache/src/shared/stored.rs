//! How an entry is written in Redis, and what says that it still stands.

use xxhash_rust::xxh3::xxh3_128;

/// Above this, text is worth compressing.
const COMPRESSED_FROM: usize = 1024;
/// What stands first in each entry; another one is not ours to read.
const FORMAT: u8 = 1;
const HEADER: usize = 1 + 1 + 8 + 16;
const LEVEL: i32 = 1;
/// No entry is larger than this, whatever its compressed form says.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// The state of the tags of an entry, as it was before its reading began. An entry stands while its tags have
/// the same: each drop gives a tag a new random number, and no number comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u128);

impl Stamp {
    /// Of the era and each tag's number, in the order of the tags.
    pub(crate) fn of<'a>(numbers: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut all = Vec::new();
        for number in numbers {
            all.extend_from_slice(&u64::try_from(number.len()).unwrap_or(u64::MAX).to_le_bytes());
            all.extend_from_slice(number);
        }
        Self(xxh3_128(&all))
    }
}

/// An entry as it is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) stamp: Stamp,
    /// By the clock of the node that read it, in milliseconds since 1970.
    pub(crate) made_at_ms: u64,
    /// Its JSON; nothing if it is known not to be there.
    pub(crate) text: Option<Vec<u8>>,
}

impl Stored {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = self.text.as_deref().unwrap_or_default();
        let squeezed =
            (text.len() >= COMPRESSED_FROM).then(|| zstd::bulk::compress(text, LEVEL).ok()).flatten();
        let kind = match (&self.text, &squeezed) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(_), Some(_)) => 2,
        };
        let body = squeezed.as_deref().unwrap_or(text);
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend_from_slice(&[FORMAT, kind]);
        bytes.extend_from_slice(&self.made_at_ms.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.0.to_le_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    /// Nothing if it is not one of ours.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[format, kind], rest) = bytes.split_first_chunk()?;
        let (made_at, rest) = rest.split_first_chunk()?;
        let (stamp, body) = rest.split_first_chunk()?;
        let text = match (format, kind) {
            (FORMAT, 0) => None,
            (FORMAT, 1) => Some(body.to_vec()),
            (FORMAT, 2) => {
                let size = zstd::zstd_safe::get_frame_content_size(body).ok()??;
                let size = usize::try_from(size).ok().filter(|size| *size <= TEXT_BYTES_MAX)?;
                Some(zstd::bulk::decompress(body, size).ok()?)
            }
            _ => return None,
        };
        let stamp = Stamp(u128::from_le_bytes(*stamp));
        Some(Self { stamp, made_at_ms: u64::from_le_bytes(*made_at), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: Option<Vec<u8>>) -> usize {
        let stored = Stored { stamp: Stamp::of([&b"era"[..], b"1"]), made_at_ms: 7, text };
        let bytes = stored.encode();
        assert_eq!(Stored::decode(&bytes), Some(stored));
        bytes.len()
    }

    #[test]
    fn what_is_not_there_comes_back_as_not_there() {
        check(None);
    }

    #[test]
    fn a_short_text_comes_back() {
        check(Some(b"\"kelp\"".to_vec()));
    }

    #[test]
    fn a_long_text_is_squeezed_and_comes_back() {
        assert!(check(Some(vec![b'k'; 100_000])) < 1000);
    }

    #[test]
    fn what_is_damaged_or_of_another_kind_is_nothing() {
        let stored = Stored { stamp: Stamp::of([]), made_at_ms: 7, text: Some(vec![b'k'; 5000]) };
        let bytes = stored.encode();
        for cut in [0, 1, 9, 25, 30] {
            assert_eq!(Stored::decode(&bytes[..cut]), None, "cut after {cut}");
        }
        assert_eq!(Stored::decode(&[&[9], &bytes[1..]].concat()), None);
    }

    #[test]
    fn numbers_do_not_run_into_each_other() {
        assert_ne!(Stamp::of([&b"ab"[..], b"c"]), Stamp::of([&b"a"[..], b"bc"]));
    }
}
