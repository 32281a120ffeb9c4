//! The keys that a ledger's checkpoints must be signed with: those of a deployment that the drill started, or those that were given.

use anyhow::{Context, ensure};
use clock::Clock;
use ledger::{
    checkpoint::{Checkpoint, LogKeys},
    note::{KeyName, Note, VerifierKey},
};
use seal::Keys;

use crate::local::{self, Local};

/// One key at least, all of one ledger.
#[derive(Debug, Clone)]
pub(crate) struct LedgerKeys(Vec<VerifierKey>);

impl LedgerKeys {
    /// Those that were given; nothing if none was.
    ///
    /// # Errors
    /// When they are of several ledgers.
    pub(crate) fn given(keys: &[VerifierKey]) -> anyhow::Result<Option<Self>> {
        let Some(first) = keys.first() else { return Ok(None) };
        let one = keys.iter().all(|key| key.name() == first.name());
        ensure!(one, "the keys given with --ledger-key are of several ledgers");
        Ok(Some(Self(keys.to_vec())))
    }

    /// Those of a node that the drill started.
    ///
    /// # Errors
    /// When its key file cannot be read.
    pub(crate) fn of(node: &Local) -> anyhow::Result<Self> {
        let keys = Keys::open_existing(&node.data().join("keys"), &Clock::System);
        let keys = keys.context("cannot read the deployment's keys")?;
        let name = KeyName::new(&format!("{}/identity", local::NAME))?;
        let log = LogKeys::of(&name, keys.signing());
        Ok(Self(vec![log.ed25519().clone(), log.ml_dsa_44().clone()]))
    }

    /// The checkpoint that a note holds, which every one of the keys must have signed.
    ///
    /// # Errors
    /// When one has not, or it is another ledger's.
    pub(crate) fn open(&self, note: &[u8]) -> anyhow::Result<Checkpoint> {
        let note = Note::parse(note)?;
        let signed = note.verify(&self.0)?;
        for key in &self.0 {
            ensure!(signed.iter().any(|signed| signed.by == key), "it is not signed with {key}");
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        let name = self.0.first().map(|key| key.name().as_str());
        ensure!(name == Some(checkpoint.origin()), "it is of another ledger: {}", checkpoint.origin());
        Ok(checkpoint)
    }

    /// How many keys.
    pub(crate) const fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use clock::Timestamp;
    use ledger::merkle::Hash;
    use seal::SigningKeys;

    use super::*;

    const LEDGER: &str = "id.example.gov/identity";

    /// A signed checkpoint, and the two keys that it is signed with.
    fn signed(seed: u8, origin: &str) -> (String, [VerifierKey; 2]) {
        let keys = SigningKeys::from_seeds(&[seed; 32], &[seed + 1; 32]);
        let checkpoint = Checkpoint::new(origin, 7, Hash([1; 32]), Vec::new()).expect("it is one");
        let note = checkpoint.sign(&keys, Timestamp::from_millis(1_000)).expect("it can be signed");
        let log = LogKeys::of(&KeyName::new(origin).expect("a name"), &keys);
        (note.to_string(), [log.ed25519().clone(), log.ml_dsa_44().clone()])
    }

    #[test]
    fn a_checkpoint_holds_if_all_the_keys_that_were_given_have_signed_it() {
        let (note, keys) = signed(1, LEDGER);
        for given in [&keys[..1], &keys[1..], &keys[..]] {
            // As they come from the command line.
            let given: Vec<VerifierKey> =
                given.iter().map(|key| key.to_string().parse().expect("it is a key")).collect();
            let known = LedgerKeys::given(&given).expect("they are of one ledger").expect("there are some");
            assert_eq!(known.open(note.as_bytes()).expect("it is signed").size(), 7);
        }
        assert!(LedgerKeys::given(&[]).expect("none is none").is_none());
    }

    #[test]
    fn a_checkpoint_that_somebody_else_signed_does_not_hold() {
        let (note, keys) = signed(1, LEDGER);
        let (_, others) = signed(7, LEDGER);
        let mixed = [keys[0].clone(), others[1].clone()];
        for given in [&others[..], &mixed] {
            let known = LedgerKeys::given(given).expect("they are of one ledger").expect("there are some");
            assert!(known.open(note.as_bytes()).is_err());
        }
        let (_, elsewhere) = signed(1, "id.example.org/identity");
        assert!(LedgerKeys::given(&[keys[0].clone(), elsewhere[0].clone()]).is_err());
        let known = LedgerKeys::given(&elsewhere).expect("they are of one ledger").expect("there are some");
        assert!(known.open(note.as_bytes()).is_err());
    }
}
