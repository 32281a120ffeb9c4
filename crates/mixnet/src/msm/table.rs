//! Multiples of one element, so many that a multiplication is an addition for every eight bits.
//!
//! Which ones are looked up follows from the scalar, and a neighbour on the same machine could tell from the caches.
//! A mixer takes that upon itself, as it does for its permutation; a voter or a trustee does not.

use super::{halves, shift, window_of, windows};
use crate::group::Group;

/// Two tables and the generator's stay in a core's own cache.
const BITS: usize = 8;
const HALF: usize = 1 << (BITS - 1);

/// `1` to `128` times the element, and the same of its multiple by 256, by 65,536 and so on.
pub(crate) struct WideTable<G: Group>(Vec<G::Element>);

impl<G: Group> WideTable<G> {
    pub(crate) fn new(element: G::Element) -> Self {
        let mut multiples = Vec::with_capacity(windows(BITS) * HALF);
        let mut base = element;
        for _ in 0..windows(BITS) {
            let mut multiple = G::identity();
            for _ in 0..HALF {
                multiple += base;
                multiples.push(multiple);
            }
            base = multiple + multiple;
        }
        Self(multiples)
    }

    pub(crate) fn mul(&self, scalar: &G::Scalar) -> G::Element {
        let shifted = shift::<G>(scalar, &halves(BITS));
        let mut sum = G::identity();
        for (window, multiples) in self.0.chunks_exact(HALF).enumerate() {
            let digit = window_of(&shifted, window * BITS, BITS);
            if digit > HALF {
                sum += multiples[digit - HALF - 1];
            } else if digit < HALF {
                sum = sum - multiples[HALF - digit - 1];
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::group::{P256, Ristretto};

    fn check<G: Group>(scalar: &G::Scalar) {
        let element = G::embed(&[1; 30]);
        assert_eq!(WideTable::<G>::new(element).mul(scalar), G::mul(&element, scalar));
    }

    #[test]
    fn a_table_multiplies_by_scalars_at_the_edges() {
        fn edges<G: Group>() {
            let one = G::Scalar::from(1_u64);
            let far = G::Scalar::from(1_u128 << 127);
            for scalar in [G::Scalar::default(), one, -one, far, -far, far * far, one + one] {
                check::<G>(&scalar);
            }
        }
        edges::<Ristretto>();
        edges::<P256>();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn a_table_multiplies_as_the_group_does(bytes in proptest::collection::vec(any::<u8>(), 64)) {
            let bytes: [u8; 64] = bytes.try_into().unwrap();
            check::<Ristretto>(&Ristretto::scalar_from_uniform(&bytes));
        }
    }
}
