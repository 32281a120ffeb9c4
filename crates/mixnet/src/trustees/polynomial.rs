//! Polynomials whose value at zero is a secret, and commitments to them.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{elgamal::Secrets, group::Group};

/// The secret coefficients, the lowest first.
pub(super) struct Polynomial<G: Group>(Secrets<G>);

impl<G: Group> Polynomial<G> {
    pub(super) fn random(coefficients: u16, rng: &mut impl CryptoRng) -> Self {
        Self(Zeroizing::new((0..coefficients).map(|_| G::random_scalar(rng)).collect()))
    }

    pub(super) const fn of(coefficients: Secrets<G>) -> Self {
        Self(coefficients)
    }

    pub(super) fn coefficients(&self) -> &[G::Scalar] {
        &self.0
    }

    /// The value at zero.
    pub(super) fn secret(&self) -> &G::Scalar {
        &self.0[0]
    }

    pub(super) fn at(&self, trustee: u16) -> Zeroizing<G::Scalar> {
        let at = G::Scalar::from(u64::from(trustee));
        Zeroizing::new(self.0.iter().rev().fold(G::Scalar::default(), |sum, next| sum * at + *next))
    }

    pub(super) fn commitments(&self) -> Vec<G::Element> {
        self.0.iter().map(G::mul_generator).collect()
    }
}

/// What the committed polynomial's value at a trustee's number is, times the generator.
pub(super) fn committed_at<G: Group>(commitments: &[G::Element], trustee: u16) -> G::Element {
    let at = G::Scalar::from(u64::from(trustee));
    let powers = std::iter::successors(Some(G::Scalar::from(1_u64)), |power| Some(*power * at));
    let powers: Vec<_> = powers.take(commitments.len()).collect();
    G::sum_of_few(&powers, commitments)
}

/// What each value is multiplied by so that they add up to the value at zero (Lagrange). The numbers are distinct
/// and none is zero.
pub(super) fn coefficients_at_zero<G: Group>(trustees: &[u16]) -> Vec<G::Scalar> {
    let number = |trustee: &u16| G::Scalar::from(u64::from(*trustee));
    let coefficient = |trustee: &u16| {
        let others = trustees.iter().filter(|other| *other != trustee);
        let one = (G::Scalar::from(1_u64), G::Scalar::from(1_u64));
        let (above, below) = others.fold(one, |(above, below), other| {
            (above * number(other), below * (number(other) - number(trustee)))
        });
        above * G::invert(&below)
    };
    trustees.iter().map(coefficient).collect()
}
