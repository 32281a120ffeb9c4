//! Lots, drawn before the count for every case in which a rule asks for them.

use serde::{Deserialize, Serialize};

/// An order of the candidates in which an earlier one wins a tie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lots(Vec<usize>);

/// An order that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("lots name each of {0} candidates once")]
pub struct LotsError(usize);

impl Lots {
    /// `order` names each candidate once, the luckiest first.
    pub fn new(candidates: usize, order: Vec<usize>) -> Result<Self, LotsError> {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if sorted.into_iter().eq(0..candidates) { Ok(Self(order)) } else { Err(LotsError(candidates)) }
    }

    pub(crate) const fn candidates(&self) -> usize {
        self.0.len()
    }

    /// A candidate's place: lower is luckier.
    pub(crate) fn place(&self, candidate: usize) -> usize {
        self.0.iter().position(|drawn| *drawn == candidate).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lots_name_everybody_once() {
        assert!(Lots::new(3, vec![2, 0, 1]).is_ok());
        for order in [vec![0, 1], vec![0, 1, 1], vec![0, 1, 3], vec![0, 1, 2, 3]] {
            assert_eq!(Lots::new(3, order), Err(LotsError(3)));
        }
        assert_eq!(Lots::new(3, vec![2, 0, 1]).unwrap().place(0), 1);
    }
}
