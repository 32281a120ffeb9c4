//! Tags, and when each was last dropped.

use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

/// How many tags are told apart. Two that share a place are dropped together: an entry is then read again
/// without need, and never kept in error.
const PLACES: usize = 1 << 16;

/// What an entry depends on, such as `person:0197…`. The same text is the same tag on every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u32);

impl Tag {
    /// The tag of this text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let place = xxh3_64(text.as_bytes()) % PLACES as u64;
        Self(u32::try_from(place).expect("below the number of places"))
    }

    pub(crate) const fn place(self) -> u32 {
        self.0
    }

    /// The tag in a place that another node named.
    pub(crate) fn at(place: u32) -> Option<Self> {
        ((place as usize) < PLACES).then_some(Self(place))
    }

    fn index(self) -> usize {
        self.0 as usize
    }
}

/// When each tag was last dropped, in drops since the start. Its size is fixed, however many tags there are.
#[derive(Debug)]
pub(crate) struct Drops {
    drops: AtomicU64,
    last: Box<[AtomicU64]>,
}

impl Drops {
    pub(crate) fn new() -> Self {
        Self { drops: AtomicU64::new(0), last: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The moment now. Whoever means to read asks for it first: what is read then is good for as long as
    /// its tags [stand](Self::stand).
    pub(crate) fn now(&self) -> u64 {
        self.drops.load(Ordering::SeqCst)
    }

    /// Whatever was read before now, and has one of these tags, stands no longer.
    pub(crate) fn drop_tags(&self, tags: &[Tag]) -> u64 {
        let now = self.drops.fetch_add(1, Ordering::SeqCst) + 1;
        for tag in tags {
            self.last[tag.index()].fetch_max(now, Ordering::SeqCst);
        }
        now
    }

    /// Was none of these tags dropped after `since`?
    pub(crate) fn stand(&self, since: u64, tags: &[Tag]) -> bool {
        tags.iter().all(|tag| self.last[tag.index()].load(Ordering::SeqCst) <= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_drop_does_not_stand() {
        let (drops, ada, ben) = (Drops::new(), Tag::of("person:ada"), Tag::of("person:ben"));
        let before = drops.now();
        drops.drop_tags(&[ada]);
        assert!(!drops.stand(before, &[ben, ada]));
        assert!(drops.stand(before, &[ben]));
        assert!(drops.stand(drops.now(), &[ada]));
    }

    #[test]
    fn one_text_is_one_tag() {
        assert_eq!(Tag::of("person:ada"), Tag::of("person:ada"));
        assert_ne!(Tag::of("person:ada"), Tag::of("person:ben"));
    }
}
