//! Mixing, decrypting and counting, as they go on a board. What is large is named by its hash.

use board::{Counted, Decrypted, Decrypting, Lied, Mixed, Redeemed, RefusedTokens};
use clock::Timestamp;
use store::{Keys, Scan, Tx};

use super::{PostError, Rule, json};
use crate::{
    board_rows::{
        BoardState, CountedRow, DecryptedRow, ListsRow, MixRow, Phase, RedeemedRow, RefusedTokensRow,
    },
    decryption::without_part,
};

impl Rule for Mixed {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<MixRow>((self.list, self.mixer));
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Closed)?;
        if tx.get::<MixRow>((self.list, self.mixer))?.is_some() {
            return Err(PostError::AlreadyThere);
        }
        let Self { list, mixer, rows, output, proof } = self;
        tx.put(MixRow { list, mixer, rows_out: rows, output: output.0, proof: proof.0 });
        Ok(())
    }
}

impl Rule for Redeemed {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<RedeemedRow>(self.weight);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Closed)?;
        if tx.get::<RedeemedRow>(self.weight)?.is_some() {
            return Err(PostError::AlreadyThere);
        }
        tx.put(RedeemedRow { weight: self.weight, multiples: self.multiples.0 });
        Ok(())
    }
}

impl Rule for RefusedTokens {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<RefusedTokensRow>((self.weight, self.first));
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Closed)?;
        let Self { weight, first, multiples, .. } = self;
        if tx.get::<RefusedTokensRow>((weight, first))?.is_some() {
            return Err(PostError::AlreadyThere);
        }
        tx.put(RefusedTokensRow { weight, first, multiples: multiples.0 });
        Ok(())
    }
}

impl Rule for Decrypting {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Closed)?;
        state.phase = Phase::Decrypting as u8;
        tx.put(ListsRow { part: 0, lists: json(&self.lists) });
        Ok(())
    }
}

impl Rule for Decrypted {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<DecryptedRow>(self.trustee);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Decrypting)?;
        if tx.get::<DecryptedRow>(self.trustee)?.is_some_and(|known| known.holds) {
            return Err(PostError::AlreadyThere);
        }
        tx.put(DecryptedRow { trustee: self.trustee, holds: true, partials: json(&self.partials) });
        state.decrypted += 1;
        Ok(())
    }
}

impl Rule for Lied {
    fn reads(&self, keys: &mut Keys<'_>) {
        keys.want::<DecryptedRow>(self.trustee);
    }

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, _: Timestamp) -> Result<(), PostError> {
        state.must_be(Phase::Decrypting)?;
        // Once is enough to be known for it, and nobody fills a board with lies.
        if tx.get::<DecryptedRow>(self.trustee)?.is_some() {
            return Err(PostError::AlreadyThere);
        }
        tx.put(DecryptedRow { trustee: self.trustee, holds: false, partials: json(&[self.partial]) });
        Ok(())
    }
}

impl Rule for Counted {
    fn reads(&self, _: &mut Keys<'_>) {}

    fn apply(self, tx: &mut Tx<'_>, state: &mut BoardState, at: Timestamp) -> Result<(), PostError> {
        if !matches!(state.phase(), Phase::Closed | Phase::Decrypting) {
            return Err(PostError::NotNow(state.phase()));
        }
        // A part that came while it was counted: whoever verifies would miss its trustee.
        let all = Scan { prefix: Vec::new(), below: None, limit: mixnet::TRUSTEES_MAX.into() };
        let (lied, absent) = without_part(&tx.scan::<DecryptedRow>(&all)?, state.trustees);
        if self.lied != lied || self.absent != absent {
            return Err(PostError::Outdated);
        }
        state.phase = Phase::Counted as u8;
        tx.put(CountedRow { part: 0, counted: json(&self), at });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use board::Hex;
    use store::Databases;

    use super::*;
    use crate::boards::board_schema;

    #[test]
    fn a_part_of_the_refused_tokens_that_stands_is_not_said_again() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = Databases::in_files(folder.path()).open("board", &board_schema()).expect("it opens");
        let mut batch = store.writer.begin().expect("it begins");
        let mut tx = batch.tx();
        let mut state = BoardState { phase: Phase::Closed as u8, ..BoardState::new() };
        let mut post = |weight, first, nonce: u8| {
            let (multiples, proof) = (Hex([1; 32]), Hex([nonce; 64]));
            let part = RefusedTokens { weight, first, tokens: 9, multiples, proof };
            part.apply(&mut tx, &mut state, Timestamp::EPOCH)
        };
        post(1, 0, 1).expect("the first");
        post(1, 65_536, 2).expect("the second");
        post(2, 0, 3).expect("another weight's");
        // Whoever begins again proves with other chance.
        for (weight, first) in [(1, 0), (1, 65_536), (2, 0)] {
            assert!(matches!(post(weight, first, 4), Err(PostError::AlreadyThere)));
        }
        state.phase = Phase::Open as u8;
        let early =
            RefusedTokens { weight: 3, first: 0, tokens: 1, multiples: Hex([1; 32]), proof: Hex([1; 64]) };
        let early = early.apply(&mut tx, &mut state, Timestamp::EPOCH);
        assert!(matches!(early, Err(PostError::NotNow(Phase::Open))));
    }
}
