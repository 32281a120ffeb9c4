//! Goes through a board's entries in their order, and believes none of them.

use std::collections::{BTreeMap, BTreeSet};

use board::{
    BallotEntry, CeremonyStep, Closed, ContestResult, Election, Event, Hex, ListRows, Manifest, PROTOCOL,
    RollCall, RollCount, Verdicts, WhyRefused,
};
use clock::Timestamp;
use ids::Id;
use mixnet::{Encoded, Polling, Ristretto, TrusteeKeys};

use crate::{
    Wrong,
    ballots::{Terms, Vote},
    ceremony::Attempt,
    leaf::Leaf,
    record::Record,
    tally::Tally,
};

/// Who puts entries on boards.
const ACTOR: &str = "service/elections";

/// What was found to be right.
#[derive(Debug, Clone)]
pub struct Checked {
    pub election: Id<Election>,
    /// Nothing before all is decided.
    pub manifest: Option<Manifest>,
    pub hash: Option<Hex<32>>,
    /// What made the key; nothing before all is decided, or where votes are not secret.
    pub ceremony: Words,
    pub entries: usize,
    pub votes: usize,
    /// Votes that count: one for each voter's key.
    pub standing: usize,
    pub refused: usize,
    /// Votes that the board says nothing of yet.
    pub unchecked: usize,
    pub mixes: usize,
    /// What is to be decrypted, if all is mixed.
    pub lists: Vec<ListRows>,
    /// The board as far as it says so.
    pub decrypting: Option<Prefix>,
    /// How many tokens were given out, by weight; nothing before the election is closed.
    pub issued: Vec<RollCount>,
    pub decrypted_by: Vec<u16>,
    /// Trustees in whose names parts were sent that are false.
    pub lied: Vec<u16>,
    /// Nothing before the votes are counted.
    pub results: Option<Vec<ContestResult>>,
    pub published: bool,
    pub abandoned: bool,
    /// What is no fault, and still to be known.
    pub remarks: Vec<String>,
}

/// What trustees said in a ceremony, by step and number. Nobody signs it: that it was they who said it, only they can tell.
pub type Words = BTreeMap<(CeremonyStep, u16), Vec<u8>>;

/// What stands on a board before the first vote, found to be right.
#[derive(Debug, Clone)]
pub struct Decided {
    pub election: Id<Election>,
    pub manifest: Manifest,
    pub hash: Hex<32>,
    /// What made the key; nothing where votes are not secret.
    pub ceremony: Words,
    /// Entries up to where all is decided.
    pub entries: usize,
    /// Trustees in whose names something is said to be decrypted, further on, where nothing was checked.
    pub decrypted_by: Vec<u16>,
}

/// How a board begins. Who compares these has seen the same entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    pub entries: usize,
    pub root: Hex<32>,
}

/// One entry, taken apart.
pub(crate) struct Said {
    pub(crate) index: u64,
    /// Milliseconds since 1970, cut to the minute.
    pub(crate) at_ms: u64,
    pub(crate) event: Event,
}

/// Checks a record as far as it decides what is voted on and with which key; nothing if it does not yet. Votes and whatever
/// comes of them are not looked at, which is what takes long.
///
/// # Errors
/// The first thing that is wrong.
pub fn decided(record: &Record) -> Result<Option<Decided>, Wrong> {
    let said = read(record)?;
    if said.is_empty() {
        return Ok(None);
    }
    let mut rest = said.as_slice();
    let Agreed { election, decided, ceremony, .. } = before_voting(&mut rest)?;
    check_origin(record, election)?;
    let Some((manifest, hash, _)) = decided else { return Ok(None) };
    let mut decrypted_by = Vec::new();
    for said in rest.iter() {
        if let Event::Decrypted(decrypted) = &said.event {
            decrypted_by.push(decrypted.trustee);
        }
    }
    let entries = said.len() - rest.len();
    Ok(Some(Decided { election, manifest, hash, ceremony, entries, decrypted_by }))
}

/// Is the checkpoint this election's?
fn check_origin(record: &Record, election: Id<Election>) -> Result<(), Wrong> {
    if record.origin().ends_with(&format!("/elections/{election}")) {
        return Ok(());
    }
    Err(Wrong::whole("the checkpoint is of another board than this election's"))
}

/// Checks all of a record.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(record: &Record) -> Result<Checked, Wrong> {
    let said = read(record)?;
    let mut rest = said.as_slice();
    let agreed = before_voting(&mut rest)?;
    check_origin(record, agreed.election)?;
    let mut checked = Checked::begun(record, agreed.election);
    let Some((manifest, hash, keys)) = agreed.decided else {
        checked.abandoned = agreed.abandoned;
        return Ok(checked);
    };
    let none = Vec::new();
    let pollings: Vec<Polling<Ristretto>> = match &keys {
        Some(keys) => manifest
            .pollings(&hash, *keys.key())
            .ok_or_else(|| Wrong::whole("the manifest's contests cannot be voted on"))?,
        None => none,
    };
    let terms = Terms { manifest: &manifest, hash: hash.0, pollings: &pollings };
    let voted = voting(&terms, &mut rest, &mut checked)?;
    if let Some(closed) = &voted.closed {
        let tally = Tally { record, manifest: &manifest, hash, keys: keys.as_ref(), voted: &voted, closed };
        tally.check(rest, &mut checked)?;
    } else if let Some(said) = rest.first() {
        return Err(Wrong::at(said.index, "this has no place before the election is closed"));
    }
    (checked.manifest, checked.hash) = (Some(manifest), Some(hash));
    checked.ceremony = agreed.ceremony;
    Ok(checked)
}

impl Checked {
    fn begun(record: &Record, election: Id<Election>) -> Self {
        Self {
            election,
            manifest: None,
            hash: None,
            ceremony: Words::new(),
            entries: record.size(),
            votes: 0,
            standing: 0,
            refused: 0,
            unchecked: 0,
            mixes: 0,
            lists: Vec::new(),
            decrypting: None,
            issued: Vec::new(),
            decrypted_by: Vec::new(),
            lied: Vec::new(),
            results: None,
            published: false,
            abandoned: false,
            remarks: Vec::new(),
        }
    }
}

/// Takes all entries apart: they are numbered, their times never go back, and nobody is named.
fn read(record: &Record) -> Result<Vec<Said>, Wrong> {
    let mut last_at = 0;
    let entry = |(place, bytes): (usize, &Vec<u8>)| {
        let index = place as u64;
        let leaf = Leaf::read(bytes).map_err(|error| Wrong::at(index, error.to_string()))?;
        if leaf.index != index {
            return Err(Wrong::at(index, format!("it says that it is entry {}", leaf.index)));
        }
        if leaf.at_ms < last_at || leaf.at_ms % 60_000 != 0 {
            return Err(Wrong::at(index, "its time goes back, or is not cut to the minute"));
        }
        last_at = leaf.at_ms;
        if leaf.actor != ACTOR || !leaf.subject.is_empty() {
            return Err(Wrong::at(index, "it names somebody"));
        }
        if !is_written_once(leaf.body) {
            return Err(Wrong::at(index, "its body is not written as it must be"));
        }
        let event = Event::read(leaf.command, leaf.body);
        Ok(Said {
            index,
            at_ms: leaf.at_ms,
            event: event.map_err(|error| Wrong::at(index, error.to_string()))?,
        })
    };
    record.leaves.iter().enumerate().map(entry).collect()
}

/// Is this JSON that is the same when it is written again? Then no member stands there twice, and everybody reads the
/// same out of it.
fn is_written_once(json: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(json).is_ok_and(|value| value.to_string().as_bytes() == json)
}

/// What was agreed upon before the first vote.
struct Agreed {
    election: Id<Election>,
    decided: Option<(Manifest, Hex<32>, Option<TrusteeKeys<Ristretto>>)>,
    ceremony: Words,
    abandoned: bool,
}

fn before_voting(rest: &mut &[Said]) -> Result<Agreed, Wrong> {
    let (mut attempt, mut attempts, mut election): (Option<Attempt>, u16, Option<Id<Election>>) =
        (None, 0, None);
    while let Some((said, others)) = rest.split_first() {
        *rest = others;
        let index = said.index;
        let wrong = |what: String| Wrong::at(index, what);
        match (&said.event, attempt.as_mut()) {
            (Event::BeginCeremony(begun), None) => {
                if begun.attempt != attempts + 1 || election.is_some_and(|known| known != begun.election) {
                    return Err(wrong("a ceremony begins out of order".to_owned()));
                }
                (attempts, election) = (begun.attempt, Some(begun.election));
                attempt = Some(Attempt::new(begun.clone()));
            }
            (Event::Said(part), Some(attempt)) => attempt.hear(part.clone()).map_err(wrong)?,
            (Event::Void(void), Some(_)) if void.attempt == attempts => attempt = None,
            (Event::Defined(defined), _) => {
                let decided = decide(&defined.manifest, attempt.as_ref()).map_err(wrong)?;
                if election.is_some_and(|known| known != decided.0.election_id) {
                    return Err(wrong("the manifest is another election's".to_owned()));
                }
                return Ok(Agreed {
                    election: decided.0.election_id,
                    decided: Some(decided),
                    ceremony: attempt.map(Attempt::into_words).unwrap_or_default(),
                    abandoned: false,
                });
            }
            (Event::Abandoned(_), _) if others.is_empty() => {
                let election = election.ok_or_else(|| wrong("nothing was ever begun".to_owned()))?;
                return Ok(Agreed { election, decided: None, ceremony: Words::new(), abandoned: true });
            }
            _ => return Err(wrong("this has no place before all is decided".to_owned())),
        }
    }
    let election = election.ok_or_else(|| Wrong::whole("there is nothing in this record"))?;
    Ok(Agreed { election, decided: None, ceremony: Words::new(), abandoned: false })
}

/// The manifest and the keys, which the ceremony made.
fn decide(
    text: &str,
    attempt: Option<&Attempt>,
) -> Result<(Manifest, Hex<32>, Option<TrusteeKeys<Ristretto>>), String> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| format!("the manifest cannot be read: {error}"))?;
    if manifest.protocol != PROTOCOL {
        return Err("the manifest is of another protocol".to_owned());
    }
    // Written again it is the same text: nothing is left out, and whoever reads it otherwise reads the same.
    if serde_json::to_string(&manifest).ok().as_deref() != Some(text) {
        return Err("the manifest is not written as it must be".to_owned());
    }
    manifest.definition().check().map_err(|error| format!("the manifest: {error}"))?;
    let hash = Manifest::hash(text);
    if !manifest.secret {
        let open = attempt.is_none()
            && manifest.keys.is_none()
            && manifest.trustees.is_none()
            && manifest.issuers.iter().all(|issuer| issuer.key.is_none());
        let what = "an election that is not secret has neither trustees nor issuers' keys";
        return if open { Ok((manifest, hash, None)) } else { Err(what.to_owned()) };
    }
    let attempt = attempt.ok_or("an election with secret votes has a ceremony")?;
    let keys = attempt.keys()?;
    let named = manifest.trustees.as_ref().is_some_and(|trustees| {
        trustees.names == attempt.begun.trustees && trustees.threshold == attempt.begun.threshold
    });
    if !named || manifest.attempt != Some(attempt.begun.attempt) {
        return Err("the manifest names other trustees than made the key".to_owned());
    }
    // The text itself, because these bytes can be written in other ways too.
    if manifest.keys != Some(hex::encode(keys.to_bytes())) {
        return Err("the manifest's keys are not those that the trustees made".to_owned());
    }
    if manifest.issuers.iter().any(|issuer| issuer.key.is_none()) {
        return Err("the manifest lacks an issuer's key".to_owned());
    }
    let different: BTreeSet<_> = manifest.issuers.iter().map(|issuer| issuer.key).collect();
    if different.len() != manifest.issuers.len() {
        return Err("two weights have one issuer's key: a token of one is one of the other".to_owned());
    }
    Ok((manifest, hash, Some(keys)))
}

/// The votes, and what came of them.
pub(crate) struct Voted<'v> {
    /// Those that were not refused.
    pub(crate) roll: RollCall<Vote<'v>>,
    /// Votes that were refused for their tokens, by their places.
    pub(crate) for_token: BTreeMap<u64, &'v BallotEntry>,
    trackers: BTreeSet<Hex<32>>,
    /// Places up to which votes were checked, by where a check began.
    checked_to: BTreeMap<u64, u64>,
    closed: Option<(u64, Closed)>,
}

impl<'v> Voted<'v> {
    const fn begun() -> Self {
        Self {
            roll: RollCall::new(),
            for_token: BTreeMap::new(),
            trackers: BTreeSet::new(),
            checked_to: BTreeMap::new(),
            closed: None,
        }
    }

    fn cast(&mut self, index: u64, vote: Vote<'v>) -> Result<(), Wrong> {
        if !self.trackers.insert(vote.tracker()) {
            return Err(Wrong::at(index, "a vote stands there twice"));
        }
        self.roll.vote(index, vote.turn(), vote);
        Ok(())
    }

    fn judge(&mut self, terms: &Terms<'_>, at: u64, verdicts: &Verdicts) -> Result<(), Wrong> {
        let before = self.checked_to.range(..verdicts.to).next_back();
        if before.is_some_and(|(_, to)| *to > verdicts.from) {
            return Err(Wrong::at(at, "verdicts about votes that were checked before"));
        }
        self.checked_to.insert(verdicts.from, verdicts.to);
        terms.check_verdicts(at, verdicts, &self.roll)?;
        for refused in self.roll.verdicts(verdicts) {
            if let (WhyRefused::Token, Vote::Secret(vote)) = (refused.reason, refused.vote) {
                self.for_token.insert(refused.index, vote);
            }
        }
        Ok(())
    }
}

/// Did this happen earlier, as far as a minute tells?
const fn before(said: &Said, at: Timestamp) -> bool {
    said.at_ms + 60_000 <= at.millis()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what has no place here is wrong, new kinds of entries too"
)]
fn voting<'v>(terms: &Terms<'_>, rest: &mut &'v [Said], checked: &mut Checked) -> Result<Voted<'v>, Wrong> {
    let (mut voted, mut open) = (Voted::begun(), false);
    let Manifest { opens_at, closes_at, secret, .. } = terms.manifest;
    while let Some((said, others)) = rest.split_first() {
        let index = said.index;
        let late = closes_at.is_some_and(|closes_at| said.at_ms >= closes_at.millis());
        if late && matches!(said.event, Event::BallotEntry(_) | Event::OpenBallotEntry(_)) {
            return Err(Wrong::at(index, "a vote stands there after the time at which voting was to end"));
        }
        match &said.event {
            Event::Opened(_) if !open && voted.closed.is_none() => {
                open = true;
                if opens_at.is_some_and(|opens_at| before(said, opens_at)) {
                    checked.remarks.push("voting began before the time that was announced".to_owned());
                }
            }
            // One of the other kind is no vote of this election, refused or not.
            Event::BallotEntry(vote) if open && *secret => voted.cast(index, Vote::Secret(vote))?,
            Event::OpenBallotEntry(vote) if open && !secret => voted.cast(index, Vote::Open(vote))?,
            Event::Verdicts(verdicts) => {
                voted.judge(terms, index, verdicts)?;
                checked.refused += verdicts.refused.len();
            }
            Event::Closed(closed) if open => {
                open = false;
                if closes_at.is_some_and(|closes_at| before(said, closes_at)) {
                    checked.remarks.push("voting ended before the time that was announced".to_owned());
                }
                voted.closed = Some((index, closed.clone()));
            }
            Event::Abandoned(_) if others.is_empty() => checked.abandoned = true,
            _ if voted.closed.is_some() => break,
            _ => return Err(Wrong::at(index, "this has no place while votes are taken")),
        }
        *rest = others;
    }
    checked.votes = voted.trackers.len();
    checked.standing = voted.roll.standing().len();
    checked.unchecked = voted.roll.unchecked();
    Ok(voted)
}
