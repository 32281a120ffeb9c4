//! What follows when no votes are taken any more: mixes and proofs of tokens, then decryptions, then the count. Whatever
//! is left out, comes again or comes in another order is wrong.

use std::collections::BTreeSet;

use board::{BallotEntry, Closed, Counted, Event, Hex, Manifest, OpenBallotEntry, Redeemed, lots_seed};
use mixnet::{Ristretto, TrusteeKeys};

use crate::{
    Wrong,
    ballots::Vote,
    count::{Lists, check_count, decrypted_answers, open_answers},
    mixes::Chain,
    record::Record,
    refused::RefusedVotes,
    tokens::{check_counts, check_redeemed},
    walk::{Checked, Said, Voted},
};

/// An election whose voting is over.
pub(crate) struct Tally<'t> {
    pub(crate) record: &'t Record,
    pub(crate) manifest: &'t Manifest,
    pub(crate) hash: Hex<32>,
    /// Nothing, if votes are not secret.
    pub(crate) keys: Option<&'t TrusteeKeys<Ristretto>>,
    pub(crate) voted: &'t Voted<'t>,
    /// What was said at the closing, and where.
    pub(crate) closed: &'t (u64, Closed),
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Mixing,
    Decrypting,
    Counted,
    /// Published or abandoned.
    Over,
}

impl Tally<'_> {
    pub(crate) fn check(&self, rest: &[Said], checked: &mut Checked) -> Result<(), Wrong> {
        let standing = self.voted.roll.standing();
        let (mut secret, mut open) = (Vec::new(), Vec::new());
        for vote in &standing {
            match *vote.vote {
                Vote::Secret(entry) => secret.push(entry),
                Vote::Open(entry) => open.push(entry),
            }
        }
        let weights: Vec<u32> =
            secret.iter().map(|vote| vote.weight).chain(open.iter().map(|vote| vote.weight)).collect();
        let (closed_at, closed) = self.closed;
        check_counts(closed, self.manifest, &weights).map_err(|what| Wrong::at(*closed_at, what))?;
        checked.issued.clone_from(&closed.issued);
        let Some(first) = rest.first() else { return Ok(()) };
        if checked.unchecked > 0 {
            let what = format!("the tally begins, and of {} votes nothing was said", checked.unchecked);
            return Err(Wrong::at(first.index, what));
        }
        match self.keys {
            Some(keys) => Secret::begin(self, keys, secret)?.go_through(rest, checked),
            None => self.go_through_open(rest, &open, checked),
        }
    }

    /// Votes that are not secret are counted as they stand.
    fn go_through_open(
        &self,
        rest: &[Said],
        votes: &[&OpenBallotEntry],
        checked: &mut Checked,
    ) -> Result<(), Wrong> {
        let mut stage = Stage::Mixing;
        for Said { index, event, .. } in rest {
            let taken = match (event, stage) {
                (Event::Counted(counted), Stage::Mixing) => {
                    stage = Stage::Counted;
                    nobody_decrypted(counted)
                        .and_then(|()| self.counted(counted, &open_answers(self.manifest, votes), checked))
                }
                _ => end(event, &mut stage, checked),
            };
            taken.map_err(|what| Wrong::at(*index, what))?;
        }
        Ok(())
    }

    fn blob(&self, hash: &Hex<32>) -> Result<Vec<u8>, String> {
        self.record.blob(hash).map_err(|error| error.to_string())
    }

    fn counted(&self, counted: &Counted, lists: &Lists, checked: &mut Checked) -> Result<(), String> {
        let seed = lots_seed(&self.hash.0, lists);
        checked.results = Some(check_count(self.record, self.manifest, lists, counted, &seed)?);
        Ok(())
    }
}

/// Where votes are not secret, there are no trustees to name.
fn nobody_decrypted(counted: &Counted) -> Result<(), String> {
    if counted.decrypted_by.is_empty() && counted.lied.is_empty() && counted.absent.is_empty() {
        Ok(())
    } else {
        Err("the count names trustees, and there are none".to_owned())
    }
}

/// What may come at the very end.
fn end(event: &Event, stage: &mut Stage, checked: &mut Checked) -> Result<(), String> {
    match (event, *stage) {
        (Event::Published(_), Stage::Counted) => checked.published = true,
        (Event::Abandoned(_), Stage::Mixing | Stage::Decrypting) => checked.abandoned = true,
        _ => return Err("this has no place here".to_owned()),
    }
    *stage = Stage::Over;
    Ok(())
}

/// A tally of secret votes, as it goes on.
struct Secret<'t> {
    tally: &'t Tally<'t>,
    /// Those that count.
    votes: Vec<&'t BallotEntry>,
    chain: Chain<'t>,
    stage: Stage,
    /// Weights whose tokens are proven.
    redeemed: BTreeSet<u32>,
    refused: RefusedVotes,
}

impl<'t> Secret<'t> {
    fn begin(
        tally: &'t Tally<'t>,
        keys: &'t TrusteeKeys<Ristretto>,
        votes: Vec<&'t BallotEntry>,
    ) -> Result<Self, Wrong> {
        let chain = Chain::begin(tally.record, tally.manifest, tally.hash.0, keys, &votes);
        let refused = RefusedVotes::of(tally.voted.for_token.values().copied());
        Ok(Self {
            tally,
            votes,
            chain: chain.map_err(Wrong::whole)?,
            stage: Stage::Mixing,
            redeemed: BTreeSet::new(),
            refused,
        })
    }

    fn go_through(mut self, rest: &[Said], checked: &mut Checked) -> Result<(), Wrong> {
        for Said { index, event, .. } in rest {
            self.take(event, checked).map_err(|what| Wrong::at(*index, what))?;
            if matches!(event, Event::Decrypting(_)) {
                checked.decrypting =
                    self.tally.record.prefix(usize::try_from(*index).unwrap_or(usize::MAX) + 1);
            }
        }
        checked.decrypted_by = self.chain.partials.keys().copied().collect();
        checked.lied = self.chain.lied.iter().copied().collect();
        Ok(())
    }

    fn take(&mut self, event: &Event, checked: &mut Checked) -> Result<(), String> {
        match (event, self.stage) {
            (Event::Mixed(mixed), Stage::Mixing) => {
                self.chain.mixed(mixed)?;
                checked.mixes += 1;
            }
            (Event::Redeemed(proven), Stage::Mixing) => self.redeemed(proven)?,
            (Event::RefusedTokens(proven), Stage::Mixing) => {
                let multiples = self.tally.blob(&proven.multiples)?;
                self.refused.prove(self.tally.manifest, proven, &multiples)?;
            }
            (Event::Decrypting(decrypting), Stage::Mixing) => {
                let issuers = &self.tally.manifest.issuers;
                let all = issuers.iter().all(|issuer| self.redeemed.contains(&issuer.weight));
                if !all || !self.refused.are_proven() {
                    return Err("the issuer has not proven all tokens".to_owned());
                }
                self.chain.decrypting(&decrypting.lists)?;
                checked.lists.clone_from(&decrypting.lists);
                self.stage = Stage::Decrypting;
            }
            (Event::Decrypted(part), Stage::Decrypting) => self.chain.decrypted(part)?,
            (Event::Lied(lied), Stage::Decrypting) => self.chain.lied(lied)?,
            (Event::Counted(counted), Stage::Decrypting) => {
                let lists = decrypted_answers(&self.chain, counted)?;
                self.tally.counted(counted, &lists, checked)?;
                self.stage = Stage::Counted;
            }
            _ => end(event, &mut self.stage, checked)?,
        }
        Ok(())
    }

    fn redeemed(&mut self, proven: &Redeemed) -> Result<(), String> {
        let multiples = self.tally.blob(&proven.multiples)?;
        check_redeemed(self.tally.manifest, proven, &multiples, &self.votes)?;
        if self.redeemed.insert(proven.weight) {
            Ok(())
        } else {
            Err("the tokens of a weight are proven twice".to_owned())
        }
    }
}
