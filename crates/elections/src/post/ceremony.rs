//! Entries of a key ceremony. Whether what was said is true, everybody works out from it.

use board::{BeginCeremony, CeremonyStep, Defined, Manifest, Said, Void};
use clock::Timestamp;
use store::{Column, Keys, Scan, Tx};

use super::{PostError, Rule, json};
use crate::board_rows::{BoardState, ManifestRow, Phase, SaidRow, VoidRow};

impl Rule for BeginCeremony {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, _: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        let fits = match state.phase() {
            Phase::New | Phase::Void => self.attempt == state.attempt + 1,
            Phase::Ceremony
            | Phase::Ready
            | Phase::Open
            | Phase::Closed
            | Phase::Decrypting
            | Phase::Counted
            | Phase::Published
            | Phase::Abandoned => false,
        };
        if !fits {
            return Err(PostError::NotNow(state.phase()));
        }
        state.phase = Phase::Ceremony as u8;
        state.attempt = self.attempt;
        state.trustees = u16::try_from(self.trustees.len()).unwrap_or(u16::MAX);
        state.threshold = self.threshold;
        Ok(())
    }
}

/// What can be said in one attempt: each step by each trustee.
const SAID_MAX: usize = CeremonyStep::ALL.len() * mixnet::TRUSTEES_MAX as usize;

impl Rule for Said {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<SaidRow>((self.attempt, self.step as u8, self.trustee));
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Ceremony)?;
        if self.attempt != state.attempt {
            return Err(PostError::NotTheStep);
        }
        if self.trustee == 0 || self.trustee > state.trustees {
            return Err(PostError::Stranger);
        }
        let key = (self.attempt, self.step as u8, self.trustee);
        if let Some(known) = tx.get::<SaidRow>(key)? {
            let same = known.said == self.bytes.0;
            return Err(if same { PostError::AlreadyThere } else { PostError::SaidOtherwise });
        }
        if let Some(before) = self.step.before() {
            let prefix = vec![self.attempt.cell()];
            let said = tx.scan::<SaidRow>(&Scan { prefix, below: None, limit: SAID_MAX })?;
            let spoke = said.iter().filter(|row| row.step == before as u8).count();
            if spoke < usize::from(state.trustees) {
                return Err(PostError::NotTheStep);
            }
        }
        let Self { attempt, trustee, step, bytes } = self;
        tx.put(SaidRow { attempt, step: step as u8, trustee, said: bytes.0 });
        Ok(())
    }
}

impl Rule for Void {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Ceremony)?;
        if self.attempt != state.attempt {
            return Err(PostError::NotTheStep);
        }
        state.phase = Phase::Void as u8;
        tx.put(VoidRow { attempt: self.attempt, faults: json(&self.faults) });
        Ok(())
    }
}

impl Rule for Defined {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        let manifest: Manifest = serde_json::from_str(&self.manifest).map_err(|_| PostError::Unreadable)?;
        let fits = match manifest.attempt {
            // The keys may be those of an attempt that was given up while it was judged.
            Some(attempt) => state.phase() == Phase::Ceremony && attempt == state.attempt,
            None => state.phase() == Phase::New,
        };
        if !fits {
            return Err(PostError::NotNow(state.phase()));
        }
        state.phase = Phase::Ready as u8;
        state.closes_at = manifest.closes_at;
        let hash = Manifest::hash(&self.manifest).0;
        tx.put(ManifestRow { part: 0, manifest: self.manifest, hash });
        Ok(())
    }
}
