//! What lies where in a target. Names sort in the order of what they name.

/// The newest checkpoint of a ledger.
pub(crate) fn checkpoint(service: &str) -> String {
    format!("{service}/checkpoint")
}

/// Who was erased.
pub(crate) fn erased(service: &str) -> String {
    format!("{service}/erased")
}

/// The folder of a ledger's segments.
pub(crate) fn segments(service: &str) -> String {
    format!("{service}/entries")
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

/// The fewest spans that cover the entries from nought on without a gap, as far as they go: where segments
/// were merged and the parts not cleared away yet, the longest counts.
pub(crate) fn chain(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable_by_key(|span| (span.first, std::cmp::Reverse(span.end)));
    let mut chain: Vec<Span> = Vec::new();
    for span in spans {
        let end = chain.last().map_or(0, |last| last.end);
        if span.first == end {
            chain.push(span);
        }
    }
    chain
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
    fn merged_segments_stand_for_their_parts() {
        let spans = vec![span(0, 10), span(10, 20), span(0, 20), span(20, 30)];
        assert_eq!(chain(spans), [span(0, 20), span(20, 30)]);
    }

    #[test]
    fn what_comes_after_a_gap_does_not_count() {
        assert_eq!(chain(vec![span(0, 10), span(11, 20)]), [span(0, 10)]);
    }
}
