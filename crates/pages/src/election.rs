//! Elections as the public API tells of them: pages are its clients, as anybody's program may be.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A text in several languages, by language tag.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Texts(BTreeMap<String, String>);

impl Texts {
    /// The text in the first of these languages that there is, or in any, with its language.
    pub(crate) fn in_any<'t>(&'t self, languages: &[String]) -> (&'t str, &'t str) {
        let of = |wanted: &str| self.0.iter().find(|(tag, _)| is_of(tag, wanted));
        let found = languages.iter().find_map(|wanted| of(wanted)).or_else(|| self.0.iter().next());
        found.map_or(("", ""), |(tag, text)| (tag.as_str(), text.as_str()))
    }

    pub(crate) fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Does a text in the language `tag` serve whoever wants `wanted`? `de` serves `de-AT`, and the other way round.
fn is_of(tag: &str, wanted: &str) -> bool {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    tag.eq_ignore_ascii_case(wanted) || primary(tag) == primary(wanted)
}

/// The languages that a reader wants, the best first (RFC 9110, section 12.5.4).
pub(crate) fn wanted(accept_language: &str) -> Vec<String> {
    let mut ranges: Vec<(f32, String)> = Vec::new();
    for range in accept_language.split(',').take(20) {
        let mut parts = range.split(';').map(str::trim);
        let tag = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|quality| quality.parse().ok());
        let quality: f32 = quality.unwrap_or(1.0);
        if !tag.is_empty() && tag != "*" && quality > 0.0 {
            ranges.push((quality, tag.to_owned()));
        }
    }
    ranges.sort_by(|one, other| other.0.total_cmp(&one.0));
    ranges.into_iter().map(|(_, tag)| tag).collect()
}

/// Where an election stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    Draft,
    Ceremony,
    Ready,
    Open,
    Closed,
    Mixing,
    Decrypting,
    Counted,
    Published,
    Abandoned,
}

impl State {
    /// As the state is written in requests and streams.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ceremony => "ceremony",
            Self::Ready => "ready",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Mixing => "mixing",
            Self::Decrypting => "decrypting",
            Self::Counted => "counted",
            Self::Published => "published",
            Self::Abandoned => "abandoned",
        }
    }

    /// As people read it, and the colour it is shown in.
    pub(crate) const fn shown(self) -> (&'static str, &'static str) {
        match self {
            Self::Draft => ("Draft", "govuk-tag--grey"),
            Self::Ceremony => ("In preparation", "govuk-tag--yellow"),
            Self::Ready => ("Not open yet", "govuk-tag--yellow"),
            Self::Open => ("Open", "govuk-tag--green"),
            Self::Closed => ("Voting is over", "govuk-tag--orange"),
            Self::Mixing => ("Ballots are mixed", "govuk-tag--purple"),
            Self::Decrypting => ("Trustees decrypt", "govuk-tag--purple"),
            Self::Counted => ("Counted", "govuk-tag--blue"),
            Self::Published => ("Result", "govuk-tag--blue"),
            Self::Abandoned => ("Abandoned", "govuk-tag--red"),
        }
    }

    /// Is there a board that anybody may read?
    pub(crate) const fn has_board(self) -> bool {
        !matches!(self, Self::Draft | Self::Abandoned)
    }
}

/// An election.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Election {
    pub(crate) election_id: String,
    pub(crate) state: State,
    pub(crate) secret: bool,
    pub(crate) title: Texts,
    #[serde(default)]
    pub(crate) description: Option<Texts>,
    #[serde(default)]
    pub(crate) opens_at: Option<String>,
    #[serde(default)]
    pub(crate) closes_at: Option<String>,
    pub(crate) contests: Vec<Contest>,
    #[serde(default)]
    pub(crate) trustees: Option<Trustees>,
    #[serde(default)]
    pub(crate) election_hash: Option<String>,
    #[serde(default)]
    pub(crate) board: Option<Board>,
}

/// One question.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Contest {
    pub(crate) contest_id: String,
    pub(crate) title: Texts,
    pub(crate) count: String,
    pub(crate) seats: u32,
    pub(crate) options: Vec<Choice>,
}

/// What may be chosen.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Choice {
    pub(crate) option_id: String,
    pub(crate) title: Texts,
}

/// Who decrypts.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trustees {
    pub(crate) threshold: u32,
    pub(crate) names: Vec<String>,
}

/// The public ledger of an election.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Board {
    pub(crate) size: u64,
}

/// Some elections.
#[derive(Debug, Deserialize)]
pub(crate) struct Elections {
    pub(crate) elections: Vec<Election>,
    #[serde(default)]
    pub(crate) next: Option<String>,
}

/// How many take part.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Turnout {
    pub(crate) eligible: u64,
    pub(crate) issued: u64,
    pub(crate) received: u64,
    pub(crate) confirmed: u64,
    pub(crate) refused: u64,
}

/// What became of a ballot.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BallotStatus {
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    pub(crate) index: u64,
    pub(crate) received_at: String,
    #[serde(default)]
    pub(crate) superseded_by: Option<String>,
    #[serde(default)]
    pub(crate) buried: bool,
    #[serde(default)]
    pub(crate) verdict: Option<Verdict>,
}

/// The entry that says what became of a ballot.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) index: u64,
}

/// What came out.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Results {
    #[serde(default)]
    pub(crate) decrypted_by: Vec<u32>,
    #[serde(default)]
    pub(crate) lied: Vec<u32>,
    #[serde(default)]
    pub(crate) absent: Vec<u32>,
    pub(crate) contests: Vec<ContestResult>,
}

/// What came out of one question.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContestResult {
    pub(crate) contest_id: String,
    pub(crate) ballots: u64,
    pub(crate) blank: u64,
    pub(crate) invalid: u64,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) elected: Vec<usize>,
    pub(crate) log: CountLog,
}

/// Whom or what the count counts: an option, or a name that was written in.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    #[serde(default)]
    pub(crate) option_id: Option<String>,
    #[serde(default)]
    pub(crate) write_in: Option<String>,
}

/// How it was counted, step by step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CountLog {
    Most(tally::Most),
    InstantRunoff(tally::InstantRunoff),
    StvScottish(tally::Scottish),
    StvMeek(tally::Meek),
    Schulze(tally::Schulze),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_get_the_language_they_want_most() {
        assert_eq!(wanted("de-AT, en;q=0.5, *;q=0.1, fr;q=0.8"), ["de-AT", "fr", "en"]);
        let texts = Texts(BTreeMap::from([("de".into(), "Ja".into()), ("en".into(), "Yes".into())]));
        assert_eq!(texts.in_any(&wanted("de-AT")), ("de", "Ja"));
        assert_eq!(texts.in_any(&wanted("pl, en-GB")), ("en", "Yes"));
        assert_eq!(texts.in_any(&[]), ("de", "Ja"));
    }
}
