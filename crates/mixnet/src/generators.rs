//! Generators of which nobody knows a logarithm to the base of another.
//!
//! Commitments bind only as long as that is so. Therefore they can be had in one way alone: by hashing a label that
//! says what they are for. There is no way to hand in a generator that is small, repeated or chosen.

use rayon::prelude::*;

use crate::group::Group;

/// RFC 9380's domain separation tag begins with it; the group's name follows.
const TAG: &str = "holdfast mixnet 1 generators ";

/// A row of independent generators, and one more beside it.
#[derive(Debug, Clone)]
pub struct Generators<G: Group> {
    label: Vec<u8>,
    first: G::Element,
    rest: Vec<G::Element>,
}

impl<G: Group> Generators<G> {
    /// Those of `label`, `count` beside the first. Generator `index` is the hash to the group of the label's length
    /// in eight bytes, the label, and the index in eight bytes, big-endian; the first has index zero.
    #[must_use]
    pub fn derive(label: &[u8], count: usize) -> Self {
        let tag = format!("{TAG}{}", G::NAME);
        let length = (label.len() as u64).to_be_bytes();
        let derive = |index: usize| {
            let index = (index as u64).to_be_bytes();
            G::hash_to_element(tag.as_bytes(), &[&length, label, &index])
        };
        let rest = (1..=count).into_par_iter().map(derive).collect();
        Self { label: label.to_vec(), first: derive(0), rest }
    }

    #[must_use]
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    #[must_use]
    pub const fn first(&self) -> &G::Element {
        &self.first
    }

    #[must_use]
    pub fn rest(&self) -> &[G::Element] {
        &self.rest
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::group::{P256, Ristretto};

    fn independent<G: Group>() {
        let generators = Generators::<G>::derive(b"election", 50);
        let all = generators.rest.iter().chain([&generators.first]);
        let mut all: Vec<_> = all.map(G::element_bytes).collect();
        all.extend([G::element_bytes(&G::generator()), G::element_bytes(&G::identity())]);
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 53, "none is another, the base or the identity");
    }

    #[test]
    fn a_small_or_repeated_generator_never_comes_out() {
        independent::<Ristretto>();
        independent::<P256>();
    }

    #[test]
    fn generators_follow_from_their_label_and_their_place() {
        let of = |label: &[u8], count| Generators::<Ristretto>::derive(label, count);
        assert_eq!(of(b"a", 3).rest, of(b"a", 5).rest[..3]);
        assert_ne!(of(b"a", 3).rest, of(b"b", 3).rest);
        assert_ne!(of(b"a", 3).first, of(b"b", 3).first);
    }
}
