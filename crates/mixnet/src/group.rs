//! Groups of prime order in which discrete logarithms are hard: Ristretto255, in which elections are held, and
//! P-256, so that proofs from elsewhere can be checked with the same code.

mod p256;
mod ristretto;

use std::{
    fmt,
    ops::{Add, AddAssign, Mul, Neg, Sub},
};

use rand_core::CryptoRng;
use zeroize::Zeroize;

pub use self::{p256::P256, ristretto::Ristretto};

/// Bytes of a scalar's encoding, in both groups.
pub const SCALAR_BYTES: usize = 32;

/// Bytes that [`Group::embed`] puts into one element.
pub const EMBEDDED_BYTES: usize = 30;

/// An element of a group, written additively.
pub trait Element:
    Copy
    + Eq
    + fmt::Debug
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Neg<Output = Self>
{
}

/// An integer modulo the group's order. It has no `Debug`: most of them are secret.
pub trait Scalar:
    Copy
    + Eq
    + Send
    + Sync
    + Default
    + From<u64>
    + From<u128>
    + Zeroize
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
{
}

/// A group of prime order.
pub trait Group: Copy + Eq + fmt::Debug + Send + Sync + 'static {
    /// Stands in every transcript and every domain separation tag.
    const NAME: &'static str;
    /// Bytes of an element's encoding.
    const ELEMENT_BYTES: usize;
    /// Does [`Group::sum_of_few`] sum thousands better than buckets do?
    const SUMS_MANY: bool;
    type Element: Element;
    type Scalar: Scalar;
    /// Multiples of one element, so that multiplying it becomes cheap.
    type Table: Send + Sync;

    fn identity() -> Self::Element;

    fn generator() -> Self::Element;

    /// Takes the same time for every scalar.
    fn mul(element: &Self::Element, scalar: &Self::Scalar) -> Self::Element;

    /// The generator's multiple. Takes the same time for every scalar.
    fn mul_generator(scalar: &Self::Scalar) -> Self::Element;

    fn table(element: &Self::Element) -> Self::Table;

    /// A multiple of the table's element. Takes the same time for every scalar.
    fn mul_table(table: &Self::Table, scalar: &Self::Scalar) -> Self::Element;

    /// `Σ scalar · element`, in a time that tells something of the scalars: for public ones. On one core;
    /// [`crate::msm`] is for many terms.
    fn sum_of_few(scalars: &[Self::Scalar], elements: &[Self::Element]) -> Self::Element;

    /// Appends the one encoding of an element. The identity has one too, zeros alone, but no decoder takes it.
    fn encode_element(element: &Self::Element, into: &mut Vec<u8>);

    /// Appends the encodings of twice each element: in one group that is much cheaper than encoding them.
    fn encode_doubled(elements: &[Self::Element], into: &mut Vec<u8>) {
        elements.iter().for_each(|element| Self::encode_element(&(*element + *element), into));
    }

    /// The element that `bytes` are the one encoding of. The identity is refused: an honest party meets it with a
    /// chance of one in 2^252, and a liar gains by it.
    fn decode_element(bytes: &[u8]) -> Result<Self::Element, NotCanonical>;

    fn encode_scalar(scalar: &Self::Scalar) -> [u8; SCALAR_BYTES];

    /// The scalar that `bytes` are the one encoding of: below the order.
    fn decode_scalar(bytes: &[u8]) -> Result<Self::Scalar, NotCanonical>;

    /// The scalar as a little-endian integer below the order, for algorithms that go through its bits.
    fn scalar_integer(scalar: &Self::Scalar) -> [u8; 32];

    /// 512 bits modulo the order, so that uniform bytes give a uniform scalar.
    fn scalar_from_uniform(bytes: &[u8; 64]) -> Self::Scalar;

    /// The inverse of a scalar that is not zero.
    fn invert(scalar: &Self::Scalar) -> Self::Scalar;

    /// RFC 9380's `hash_to_curve` of the group's suite over the parts one after the other. Nobody knows a
    /// logarithm of what comes out. `tag` has at most 255 bytes.
    fn hash_to_element(tag: &[u8], message: &[&[u8]]) -> Self::Element;

    /// RFC 9380's `hash_to_field` for the group's order, as RFC 9497 uses it. `tag` has at most 255 bytes.
    fn hash_to_scalar(tag: &[u8], message: &[&[u8]]) -> Self::Scalar;

    /// An element that says these bytes, always the same one.
    fn embed(bytes: &[u8; EMBEDDED_BYTES]) -> Self::Element;

    /// The bytes that an element says, if it is the one that [`Group::embed`] would make of them. Any other
    /// element that could be read the same way is refused, because a choice among several would let a voter
    /// mark a ballot for whoever pays for it.
    fn extract(element: &Self::Element) -> Option<[u8; EMBEDDED_BYTES]>;

    /// A uniform scalar.
    fn random_scalar(rng: &mut impl CryptoRng) -> Self::Scalar {
        let mut bytes = [0; 64];
        rng.fill_bytes(&mut bytes);
        let scalar = Self::scalar_from_uniform(&bytes);
        bytes.zeroize();
        scalar
    }

    /// The one encoding of an element, alone.
    fn element_bytes(element: &Self::Element) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::ELEMENT_BYTES);
        Self::encode_element(element, &mut bytes);
        bytes
    }
}

/// Bytes that are no element's or scalar's one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error("{0} bytes where an encoding has {1}")]
    Length(usize, usize),
    #[error("not the encoding of an element other than the identity")]
    Element,
    #[error("not the encoding of an integer below the group's order")]
    Scalar,
}

#[cfg(test)]
mod tests;
