//! What lies where in a target. Names sort in the order of what they name.

/// The newest checkpoint of a ledger.
pub(crate) fn checkpoint(service: &str) -> String {
    format!("{service}/checkpoint")
}

/// The folder of the lists of who was erased.
pub(crate) fn erased(service: &str) -> String {
    format!("{service}/erased")
}

/// The list of so many who were erased. A list only ever grows, so two of one length are the same, and nodes
/// that ship beside each other cannot put a shorter one in the place of a longer.
pub(crate) fn erased_list(service: &str, people: usize) -> String {
    format!("{}/{people:010}", erased(service))
}

/// The folder of a ledger's segments.
pub(crate) fn segments(service: &str) -> String {
    format!("{service}/entries")
}

/// The folder of something that entries name by its hash.
pub(crate) fn attachment(service: &str, hash: &[u8; 32]) -> String {
    format!("{service}/attachments/{}", hex(hash))
}

/// A piece of it. The last one says so, so that none can be missed.
pub(crate) fn piece(service: &str, hash: &[u8; 32], piece: u32, is_last: bool) -> String {
    format!("{}/{piece:06}{}", attachment(service, hash), if is_last { "-last" } else { "" })
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Persons' keys: one object, replaced as a whole, so that no older one stays.
pub(crate) const PERSON_KEYS: &str = "person-keys/newest";

/// Entries from `first` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) end: u64,
}

impl Span {
    pub(crate) fn name(self, service: &str) -> String {
        let Self { first, end } = self;
        format!("{}/{first:020}-{end:020}", segments(service))
    }

    /// The span that a name was made of.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let (first, end) = name.rsplit('/').next()?.split_once('-')?;
        let span = Self { first: first.parse().ok()?, end: end.parse().ok()? };
        (span.first < span.end).then_some(span)
    }

    pub(crate) const fn len(self) -> u64 {
        self.end - self.first
    }
}

/// The folder of a ledger's snapshots.
pub(crate) fn snapshots(service: &str) -> String {
    format!("{service}/snapshots")
}

/// One snapshot: how many entries it follows, when it was made, and a number that no other has, so that two
/// nodes never write into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) size: u64,
    pub(crate) made_at_ms: u64,
    pub(crate) id: u64,
}

/// What an object of a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// Says what the others are; written last.
    Manifest,
    /// Rows of one table, which is named by its place in the manifest.
    Rows { table: u32, part: u32 },
}

impl Place {
    pub(crate) fn name(self, service: &str, part: Part) -> String {
        let Self { size, made_at_ms, id } = self;
        let folder = format!("{}/{size:020}-{made_at_ms:015}-{id:016x}", snapshots(service));
        match part {
            Part::Manifest => format!("{folder}/manifest"),
            Part::Rows { table, part } => format!("{folder}/{table:03}-{part:08}"),
        }
    }

    /// The snapshot and part that a name was made of.
    pub(crate) fn of_name(name: &str) -> Option<(Self, Part)> {
        let (folder, part) = name.rsplit_once('/')?;
        let mut numbers = folder.rsplit('/').next()?.split('-');
        let (size, made_at_ms, id) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let id = u64::from_str_radix(id, 16).ok()?;
        let place = Self { size: size.parse().ok()?, made_at_ms: made_at_ms.parse().ok()?, id };
        if part == "manifest" {
            return Some((place, Part::Manifest));
        }
        let (table, part) = part.split_once('-')?;
        Some((place, Part::Rows { table: table.parse().ok()?, part: part.parse().ok()? }))
    }
}

/// The fewest spans that cover the entries from nought on without a gap, as far as they go. Spans overlap where
/// several nodes shipped at the same time, and where segments were merged and the parts not cleared away yet.
pub(crate) fn chain(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut chain: Vec<Span> = Vec::new();
    let mut rest = spans.into_iter().peekable();
    loop {
        let end = chain.last().map_or(0, |last| last.end);
        let mut longest: Option<Span> = None;
        while let Some(span) = rest.next_if(|span| span.first <= end) {
            longest = longest.filter(|longest| longest.end >= span.end).or(Some(span));
        }
        match longest {
            Some(span) if span.end > end => chain.push(span),
            _ => return chain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u64, end: u64) -> Span {
        Span { first, end }
    }

    #[test]
    fn a_span_reads_back_from_its_name() {
        assert_eq!(Span::of_name(&span(7, 300).name("identity")), Some(span(7, 300)));
        assert_eq!(Span::of_name("identity/entries/7-7"), None);
        assert_eq!(Span::of_name("identity/entries/x"), None);
    }

    #[test]
    fn a_part_of_a_snapshot_reads_back_from_its_name() {
        let place = Place { size: 7, made_at_ms: 1_800_000_000_000, id: u64::MAX };
        for part in [Part::Manifest, Part::Rows { table: 3, part: 12 }] {
            assert_eq!(Place::of_name(&place.name("identity", part)), Some((place, part)));
        }
        assert_eq!(Place::of_name("identity/snapshots/1-2/manifest"), None);
    }

    #[test]
    fn merged_segments_stand_for_their_parts() {
        let spans = vec![span(0, 10), span(10, 20), span(0, 20), span(20, 30)];
        assert_eq!(chain(spans), [span(0, 20), span(20, 30)]);
    }

    #[test]
    fn what_two_nodes_shipped_at_the_same_time_is_one_chain() {
        // One of them was killed after the second of its spans.
        let spans = vec![span(0, 10), span(10, 30), span(10, 25), span(25, 40), span(40, 41), span(12, 14)];
        assert_eq!(chain(spans), [span(0, 10), span(10, 30), span(25, 40), span(40, 41)]);
    }

    #[test]
    fn what_comes_after_a_gap_does_not_count() {
        assert_eq!(chain(vec![span(0, 10), span(11, 20)]), [span(0, 10)]);
    }
}
