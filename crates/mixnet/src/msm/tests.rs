//! Buckets give what adding up gives.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::group::{P256, Ristretto};

fn terms<G: Group>(seed: u64, count: usize) -> (Vec<G::Scalar>, Vec<G::Element>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let step = G::mul_generator(&G::random_scalar(&mut rng));
    let elements = std::iter::successors(Some(step), |last| Some(*last + *last + step));
    ((0..count).map(|_| G::random_scalar(&mut rng)).collect(), elements.take(count).collect())
}

fn added_up<G: Group>(scalars: &[G::Scalar], elements: &[G::Element]) -> G::Element {
    let terms = scalars.iter().zip(elements);
    terms.fold(G::identity(), |sum, (scalar, element)| sum + G::mul(element, scalar))
}

#[track_caller]
fn check<G: Group>(scalars: &[G::Scalar], elements: &[G::Element]) {
    let expected = added_up::<G>(scalars, elements);
    assert_eq!(bucketed::<G>(&[(scalars, elements)]), expected);
    assert_eq!(sum_with_buckets::<G>(scalars, elements), expected);
    assert_eq!(sum::<G>(scalars, elements), expected);
}

#[test]
fn a_sum_is_the_sum_of_its_terms_in_both_groups() {
    for count in [1, 2, 7, 199, 200, 211] {
        let (scalars, elements) = terms::<Ristretto>(count as u64, count);
        check::<Ristretto>(&scalars, &elements);
    }
    let (scalars, elements) = terms::<P256>(1, 230);
    check::<P256>(&scalars, &elements);
}

#[test]
fn a_sum_of_nothing_is_the_identity() {
    assert_eq!(sum::<Ristretto>(&[], &[]), Ristretto::identity());
}

#[test]
fn scalars_at_the_edges_are_multiplied_rightly() {
    fn edges<G: Group>() {
        let one = G::Scalar::from(1_u64);
        let powers = (0..255).map(|exponent| (0..exponent).fold(one, |power, _| power + power));
        let mut scalars = vec![G::Scalar::default(), one, -one, -one - one];
        scalars.extend(powers.flat_map(|power| [power, -power, power - one]));
        let (_, elements) = terms::<G>(3, scalars.len());
        check::<G>(&scalars, &elements);
    }
    edges::<Ristretto>();
    edges::<P256>();
}

#[test]
fn equal_and_opposite_elements_are_added_rightly() {
    let (mut scalars, mut elements) = terms::<Ristretto>(4, 300);
    for at in (0..300).step_by(3) {
        elements[at] = elements[0];
        elements[at + 1] = -elements[0];
        scalars[at] = scalars[0];
    }
    elements[2] = Ristretto::identity();
    check::<Ristretto>(&scalars, &elements);
}

#[test]
fn a_sum_is_the_same_on_any_number_of_cores() {
    let (scalars, elements) = terms::<Ristretto>(5, 5000);
    let on = |cores| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(cores).build().unwrap();
        pool.install(|| {
            let sum = sum::<Ristretto>(&scalars, &elements);
            assert_eq!(sum, sum_with_buckets::<Ristretto>(&scalars, &elements));
            sum
        })
    };
    let expected = on(1);
    assert_eq!(on(2), expected);
    assert_eq!(on(64), expected, "cut in parts too");
}

#[test]
fn terms_are_summed_wherever_they_are_kept() {
    let (scalars, elements) = terms::<Ristretto>(6, 900);
    let expected = added_up::<Ristretto>(&scalars, &elements);
    let mut terms = Terms::<Ristretto>::with_capacity(3);
    (0..3).for_each(|at| terms.add(scalars[at], elements[at]));
    terms.add_all(scalars[3..5].to_vec(), &elements[3..5]);
    terms.add_all(scalars[5..].to_vec(), &elements[5..]);
    terms.add_all(Vec::new(), &[]);
    assert_eq!(terms.sum(), expected);
    assert!(!terms.vanish());
    terms.add(-<Ristretto as Group>::Scalar::from(1_u64), expected);
    assert!(terms.vanish());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(64).build().unwrap();
    assert!(pool.install(|| terms.vanish()));
}

#[test]
fn windows_grow_with_the_terms() {
    let widths: Vec<_> = [1000, 10_000, 100_000, 1_000_000].map(window_bits).to_vec();
    assert!(widths.is_sorted() && widths[0] < widths[3], "{widths:?}");
}

proptest! {
    #[test]
    fn every_window_width_says_the_same_of_a_scalar(bytes in proptest::array::uniform32(any::<u8>()), bits in 4_usize..=15) {
        let mut wide = [0; 64];
        wide[..32].copy_from_slice(&bytes);
        let scalar = Ristretto::scalar_from_uniform(&wide);
        let shifted = shift::<Ristretto>(&scalar, &halves(bits));
        let half = <Ristretto as Group>::Scalar::from(1_u64 << (bits - 1));
        let range = half + half;
        let sum = (0..windows(bits)).rev().fold(Default::default(), |sum: <Ristretto as Group>::Scalar, window| {
            let digit = window_of(&shifted, window * bits, bits) as u64;
            sum * range + (<Ristretto as Group>::Scalar::from(digit) - half)
        });
        prop_assert!(sum == scalar);
    }
}
