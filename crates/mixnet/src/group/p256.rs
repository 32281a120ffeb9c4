//! NIST P-256 (SEC 2, secp256r1) on the crate p256: for foreign proofs, so that no table is kept.

use hash2curve::{ExpandMsgXmd, GroupDigest};
use p256::{
    NistP256, ProjectivePoint,
    elliptic_curve::{
        PrimeField,
        group::Group as _,
        ops::{Invert, LinearCombination},
        sec1::{FromSec1Point, Sec1Point, ToSec1Point},
    },
};
use sha2::Sha256;

use super::{EMBEDDED_BYTES, Element, Group, NotCanonical, SCALAR_BYTES, Scalar};

/// NIST P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum P256 {}

/// The first byte of a compressed point with an even second coordinate, and with an odd one (SEC 1, section 2.3.3).
const EVEN: u8 = 2;
const ODD: u8 = 3;

impl Element for ProjectivePoint {}
impl Scalar for p256::Scalar {}

impl Group for P256 {
    const NAME: &'static str = "P-256";
    const ELEMENT_BYTES: usize = 33;
    const SUMS_MANY: bool = false;
    type Element = ProjectivePoint;
    type Scalar = p256::Scalar;
    type Table = ProjectivePoint;

    fn identity() -> ProjectivePoint {
        ProjectivePoint::IDENTITY
    }

    fn generator() -> ProjectivePoint {
        ProjectivePoint::GENERATOR
    }

    fn mul(element: &ProjectivePoint, scalar: &p256::Scalar) -> ProjectivePoint {
        element * scalar
    }

    fn mul_generator(scalar: &p256::Scalar) -> ProjectivePoint {
        ProjectivePoint::mul_by_generator(scalar)
    }

    fn table(element: &ProjectivePoint) -> ProjectivePoint {
        *element
    }

    fn mul_table(table: &ProjectivePoint, scalar: &p256::Scalar) -> ProjectivePoint {
        table * scalar
    }

    fn sum_of_few(scalars: &[p256::Scalar], elements: &[ProjectivePoint]) -> ProjectivePoint {
        if elements.is_empty() {
            // The library asks for one term at least.
            return Self::identity();
        }
        let terms: Vec<_> = elements.iter().copied().zip(scalars.iter().copied()).collect();
        ProjectivePoint::lincomb(terms.as_slice())
    }

    fn encode_element(element: &ProjectivePoint, into: &mut Vec<u8>) {
        let encoded = element.to_affine().to_sec1_point(true);
        into.extend_from_slice(encoded.as_bytes());
        // SEC 1 gives the identity a single zero byte.
        into.extend(std::iter::repeat_n(0, Self::ELEMENT_BYTES - encoded.as_bytes().len()));
    }

    fn decode_element(bytes: &[u8]) -> Result<ProjectivePoint, NotCanonical> {
        if bytes.len() != Self::ELEMENT_BYTES {
            return Err(NotCanonical::Length(bytes.len(), Self::ELEMENT_BYTES));
        }
        // The library would also read `05`, which leaves open which of two points is meant.
        if !matches!(bytes[0], EVEN | ODD) {
            return Err(NotCanonical::Element);
        }
        let point = Sec1Point::<NistP256>::from_bytes(bytes).map_err(|_| NotCanonical::Element)?;
        let element = Option::from(ProjectivePoint::from_sec1_point(&point)).ok_or(NotCanonical::Element)?;
        if element == ProjectivePoint::IDENTITY { Err(NotCanonical::Element) } else { Ok(element) }
    }

    fn encode_scalar(scalar: &p256::Scalar) -> [u8; SCALAR_BYTES] {
        scalar.to_repr().into()
    }

    fn decode_scalar(bytes: &[u8]) -> Result<p256::Scalar, NotCanonical> {
        let bytes: [u8; SCALAR_BYTES] =
            bytes.try_into().map_err(|_| NotCanonical::Length(bytes.len(), SCALAR_BYTES))?;
        Option::from(p256::Scalar::from_repr(bytes.into())).ok_or(NotCanonical::Scalar)
    }

    fn scalar_integer(scalar: &p256::Scalar) -> [u8; 32] {
        let mut bytes = Self::encode_scalar(scalar);
        bytes.reverse();
        bytes
    }

    fn scalar_from_uniform(bytes: &[u8; 64]) -> p256::Scalar {
        let half = |half: &[u8]| {
            // 128 bits at a time stay below the order.
            half.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte))
        };
        let shift = p256::Scalar::from(1_u128 << 64) * p256::Scalar::from(1_u128 << 64);
        bytes
            .chunks_exact(16)
            .fold(p256::Scalar::ZERO, |sum, chunk| sum * shift + p256::Scalar::from(half(chunk)))
    }

    fn invert(scalar: &p256::Scalar) -> p256::Scalar {
        Option::from(Invert::invert(scalar)).expect("not asked of zero")
    }

    fn hash_to_element(tag: &[u8], message: &[&[u8]]) -> ProjectivePoint {
        NistP256::hash_from_bytes(message, &[tag]).expect("tags are constants of up to 255 bytes")
    }

    fn hash_to_scalar(tag: &[u8], message: &[&[u8]]) -> p256::Scalar {
        hash2curve::hash_to_scalar::<NistP256, ExpandMsgXmd<Sha256>, p256::elliptic_curve::consts::U48>(
            message,
            &[tag],
        )
        .expect("tags are constants of up to 255 bytes")
    }

    /// The lowest counter with which `0 || bytes || counter` is the first coordinate of a point; of its two
    /// points the even one. One try in two succeeds, so that none of 256 does with a chance of 2^-256.
    fn embed(bytes: &[u8; EMBEDDED_BYTES]) -> ProjectivePoint {
        let mut elements = (0..=u8::MAX).filter_map(|counter| {
            let mut candidate = [0; Self::ELEMENT_BYTES];
            candidate[0] = EVEN;
            candidate[2..2 + EMBEDDED_BYTES].copy_from_slice(bytes);
            candidate[Self::ELEMENT_BYTES - 1] = counter;
            Self::decode_element(&candidate).ok()
        });
        elements.next().expect("one try in two succeeds, and there are 256")
    }

    fn extract(element: &ProjectivePoint) -> Option<[u8; EMBEDDED_BYTES]> {
        let encoded = Self::element_bytes(element);
        let bytes: [u8; EMBEDDED_BYTES] = encoded[2..2 + EMBEDDED_BYTES].try_into().ok()?;
        (Self::embed(&bytes) == *element).then_some(bytes)
    }
}
