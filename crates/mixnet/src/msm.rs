//! Sums of many multiples, on all cores. For public scalars only: the time taken tells something of them.
//!
//! Where a group's library sums well, its terms are cut into pieces that fit a core's cache, and each core sums some.
//! For Ristretto255 that was measured to be faster than any window of ours, because the library's vectorised additions
//! cannot be reached from outside. For other groups there are buckets (Pippenger), with windows as wide as the
//! number of terms asks for.
//!
//! A window's digits are signed. Instead of carrying from one window to the next, a constant with a one at each
//! window's top bit is added to the scalar once: what stands in a window then is the digit plus half the window's
//! range, whichever scalar it is. So each window can be worked on alone, by whichever core is free.

mod table;

use std::fmt;

use rayon::prelude::*;

pub(crate) use self::table::WideTable;
use crate::group::Group;

/// From this many terms on buckets pay; below, the group's own way is taken.
const BUCKETS_FROM: usize = 200;

/// Terms that one core works on at a time, at least: fewer are not worth sharing.
const SHARED_FROM: usize = 1024;

/// Terms that a group's library is given at a time, at most: so many fit a core's cache, and their buckets cost little
/// beside them.
const PIECE_MAX: usize = 8192;

/// Wider windows would not fit a core's cache.
const WINDOW_BITS_MAX: usize = 15;

const SCALAR_BITS: usize = 256;

/// Limbs of a scalar with the constant added.
const LIMBS: usize = 5;

/// A scalar to which half of every window's range was added.
type Shifted = [u64; LIMBS];

/// Terms of a sum that is worked out at the end, all at once. Long rows of elements are borrowed.
#[derive(Debug, Clone)]
pub struct Terms<'e, G: Group> {
    own: (Scalars<G>, Vec<G::Element>),
    borrowed: Vec<(Scalars<G>, &'e [G::Element])>,
}

/// Not to be shown, even though they are public here.
#[derive(Clone)]
struct Scalars<G: Group>(Vec<G::Scalar>);

/// Some terms: as many scalars as elements.
type Segment<'t, G> = (&'t [<G as Group>::Scalar], &'t [<G as Group>::Element]);

impl<G: Group> fmt::Debug for Scalars<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} scalars", self.0.len())
    }
}

impl<'e, G: Group> Terms<'e, G> {
    #[must_use]
    pub fn with_capacity(terms: usize) -> Self {
        let own = (Scalars(Vec::with_capacity(terms)), Vec::with_capacity(terms));
        Self { own, borrowed: Vec::new() }
    }

    pub fn add(&mut self, scalar: G::Scalar, element: G::Element) {
        self.own.0.0.push(scalar);
        self.own.1.push(element);
    }

    /// Adds many at once.
    ///
    /// # Panics
    ///
    /// If there is not one scalar for each element.
    pub fn add_all(&mut self, scalars: Vec<G::Scalar>, elements: &'e [G::Element]) {
        assert_eq!(scalars.len(), elements.len(), "each element has its scalar");
        self.borrowed.push((Scalars(scalars), elements));
    }

    /// Is the sum the identity?
    #[must_use]
    pub fn vanish(&self) -> bool {
        self.sum() == G::identity()
    }

    #[must_use]
    pub fn sum(&self) -> G::Element {
        let mut segments = vec![(&*self.own.0.0, &*self.own.1)];
        segments.extend(self.borrowed.iter().map(|(scalars, elements)| (&*scalars.0, *elements)));
        sum_of_segments::<G>(&segments)
    }
}

/// `Σ scalar · element`, on all cores.
///
/// # Panics
///
/// If there is not one scalar for each element.
#[must_use]
pub fn sum<G: Group>(scalars: &[G::Scalar], elements: &[G::Element]) -> G::Element {
    assert_eq!(scalars.len(), elements.len(), "each element has its scalar");
    sum_of_segments::<G>(&[(scalars, elements)])
}

fn sum_of_segments<G: Group>(segments: &[Segment<'_, G>]) -> G::Element {
    let terms = segments.iter().map(|(scalars, _)| scalars.len()).sum();
    if terms < BUCKETS_FROM {
        let sums = segments.iter().map(|(scalars, elements)| G::sum_of_few(scalars, elements));
        return sums.fold(G::identity(), |sum, segment| sum + segment);
    }
    if G::SUMS_MANY { sum_in_pieces::<G>(terms, segments) } else { sum_in_buckets::<G>(terms, segments) }
}

/// The library's sums of pieces.
fn sum_in_pieces<G: Group>(terms: usize, segments: &[Segment<'_, G>]) -> G::Element {
    let piece = terms.div_ceil(rayon::current_num_threads() * 2).clamp(SHARED_FROM, PIECE_MAX);
    let pieces = segments
        .par_iter()
        .flat_map(|(scalars, elements)| scalars.par_chunks(piece).zip(elements.par_chunks(piece)));
    let sums = pieces.map(|(scalars, elements)| G::sum_of_few(scalars, elements));
    sums.reduce(G::identity, |a, b| a + b)
}

fn sum_in_buckets<G: Group>(terms: usize, segments: &[Segment<'_, G>]) -> G::Element {
    let parts = parts(terms);
    let sums = (0..parts).into_par_iter().map(|part| {
        let cut = |length: usize| length * part / parts..length * (part + 1) / parts;
        let segments: Vec<_> = segments
            .iter()
            .map(|(scalars, elements)| (&scalars[cut(scalars.len())], &elements[cut(elements.len())]))
            .collect();
        bucketed::<G>(&segments)
    });
    sums.reduce(G::identity, |a, b| a + b)
}

/// The same sum in buckets, whatever the group's library offers: for comparing the two.
#[must_use]
pub fn sum_with_buckets<G: Group>(scalars: &[G::Scalar], elements: &[G::Element]) -> G::Element {
    assert_eq!(scalars.len(), elements.len(), "each element has its scalar");
    sum_in_buckets::<G>(scalars.len(), &[(scalars, elements)])
}

/// In how many parts the terms are cut, so that parts and windows together keep all cores at work.
fn parts(terms: usize) -> usize {
    let windows = windows(window_bits(terms));
    (rayon::current_num_threads() * 2 / windows).clamp(1, terms.div_ceil(SHARED_FROM))
}

/// The width that asks for the fewest additions: one for each term and two for each bucket, in every window.
fn window_bits(terms: usize) -> usize {
    let additions = |bits: usize| windows(bits) * (terms + (2 << (bits - 1)));
    (4..=WINDOW_BITS_MAX).min_by_key(|bits| additions(*bits)).unwrap_or(4)
}

/// One more bit than a scalar has, for what the constant carries.
const fn windows(bits: usize) -> usize {
    (SCALAR_BITS + 1).div_ceil(bits)
}

fn bucketed<G: Group>(segments: &[Segment<'_, G>]) -> G::Element {
    let bits = window_bits(segments.iter().map(|(scalars, _)| scalars.len()).sum());
    let halves = halves(bits);
    let shifted: Vec<(Vec<Shifted>, &[G::Element])> = segments
        .iter()
        .map(|(scalars, elements)| {
            let scalars = scalars.par_iter().with_min_len(SHARED_FROM);
            (scalars.map(|scalar| shift::<G>(scalar, &halves)).collect(), *elements)
        })
        .collect();
    let windows: Vec<G::Element> = (0..windows(bits))
        .into_par_iter()
        .map(|window| sum_of_window::<G>(&shifted, window * bits, bits))
        .collect();
    let highest_first = windows.into_iter().rev();
    highest_first.fold(G::identity(), |sum, window| doubled::<G>(sum, bits) + window)
}

/// Half of every window's range.
fn halves(bits: usize) -> Shifted {
    let mut halves = [0; LIMBS];
    for window in 0..windows(bits) {
        let bit = window * bits + bits - 1;
        if bit < LIMBS * 64 {
            halves[bit / 64] |= 1 << (bit % 64);
        }
    }
    halves
}

fn shift<G: Group>(scalar: &G::Scalar, halves: &Shifted) -> Shifted {
    let integer = G::scalar_integer(scalar);
    let mut shifted = *halves;
    let mut carry = false;
    for (index, limb) in shifted.iter_mut().enumerate() {
        let bytes = integer.get(index * 8..index * 8 + 8).and_then(|bytes| bytes.try_into().ok());
        let (sum, over) = limb.overflowing_add(bytes.map_or(0, u64::from_le_bytes));
        let (sum, over_again) = sum.overflowing_add(u64::from(carry));
        (*limb, carry) = (sum, over || over_again);
    }
    shifted
}

/// The window's digit, plus half the window's range.
fn window_of(shifted: &Shifted, at: usize, bits: usize) -> usize {
    let (limb, offset) = (at / 64, at % 64);
    let low = shifted[limb] >> offset;
    let high = match shifted.get(limb + 1) {
        Some(next) if offset > 0 => next << (64 - offset),
        _ => 0,
    };
    usize::try_from((low | high) & ((1 << bits) - 1)).expect("a window has at most 15 bits")
}

/// `Σ digit · element` over one window.
fn sum_of_window<G: Group>(segments: &[(Vec<Shifted>, &[G::Element])], at: usize, bits: usize) -> G::Element {
    let half = 1 << (bits - 1);
    let mut buckets = vec![G::identity(); half];
    let terms = segments.iter().flat_map(|(shifted, elements)| shifted.iter().zip(*elements));
    for (shifted, element) in terms {
        let digit = window_of(shifted, at, bits);
        if digit > half {
            let bucket = &mut buckets[digit - half - 1];
            *bucket += *element;
        } else if digit < half {
            let bucket = &mut buckets[half - digit - 1];
            *bucket = *bucket - *element;
        }
    }
    // Bucket k counts k + 1 times: the sums of all tails add up to that.
    let (mut tail, mut sum) = (G::identity(), G::identity());
    for bucket in buckets.into_iter().rev() {
        tail += bucket;
        sum += tail;
    }
    sum
}

fn doubled<G: Group>(element: G::Element, times: usize) -> G::Element {
    (0..times).fold(element, |element, _| element + element)
}

#[cfg(test)]
mod tests;
