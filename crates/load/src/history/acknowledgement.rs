//! One acknowledgement, in 64 bytes.

use ledger::merkle::Hash;
use uuid::Uuid;

/// Bytes of one.
pub const BYTES: usize = 64;

/// That a command was applied, as the target said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// Which command, by its place in [`Commands`].
    pub command: u8,
    /// When the answer came, in milliseconds from the beginning of the run.
    pub at_ms: u32,
    /// Its place in the ledger; nothing if no answer came, so that it may have happened or not.
    pub index: Option<u64>,
    pub leaf: Hash,
    /// Whom it is about; nought if nobody said.
    pub subject: Uuid,
}

impl Acknowledgement {
    /// As bytes, all of one length.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = u8::from(self.index.is_some());
        bytes[1] = self.command;
        bytes[4..8].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.index.unwrap_or(u64::MAX).to_le_bytes());
        bytes[16..48].copy_from_slice(&self.leaf.0);
        bytes[48..].copy_from_slice(self.subject.as_bytes());
        bytes
    }

    /// The opposite of [`Self::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let part = |from: usize| {
            let mut part = [0; 8];
            part.copy_from_slice(&bytes[from..from + 8]);
            u64::from_le_bytes(part)
        };
        let mut leaf = [0; 32];
        leaf.copy_from_slice(&bytes[16..48]);
        let mut subject = [0; 16];
        subject.copy_from_slice(&bytes[48..]);
        Self {
            command: bytes[1],
            at_ms: u32::try_from(part(0) >> 32).unwrap_or_default(),
            index: (bytes[0] == 1).then(|| part(8)),
            leaf: Hash(leaf),
            subject: Uuid::from_bytes(subject),
        }
    }
}

/// The names of commands that journeys have acknowledged, each with its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands(Vec<String>);

impl Commands {
    /// Those of some journeys.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
        names.sort();
        names.dedup();
        Self(names)
    }

    /// The number of a name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u8> {
        self.0.iter().position(|known| known == name).and_then(|at| u8::try_from(at).ok())
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, number: u8) -> &str {
        self.0.get(usize::from(number)).map_or("", String::as_str)
    }

    /// All of them, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_acknowledgement_reads_back_as_it_was_written(
            command in any::<u8>(), at_ms in any::<u32>(), index in any::<Option<u64>>(),
            leaf in any::<[u8; 32]>(), subject in any::<[u8; 16]>(),
        ) {
            let one = Acknowledgement { command, at_ms, index, leaf: Hash(leaf), subject: Uuid::from_bytes(subject) };
            prop_assert_eq!(Acknowledgement::from_bytes(&one.to_bytes()), one);
        }
    }
}
