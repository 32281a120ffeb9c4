//! Ristretto255 (RFC 9496) on curve25519-dalek.

use std::num::NonZero;

use curve25519_dalek::{
    RistrettoPoint,
    constants::RISTRETTO_BASEPOINT_POINT,
    ristretto::{CompressedRistretto, RistrettoBasepointTable},
    traits::{Identity, IsIdentity, VartimeMultiscalarMul},
};
use hash2curve::{ExpandMsg, ExpandMsgXmd, Expander};
use p256::elliptic_curve::consts::U16;
use sha2::Sha512;

use super::{EMBEDDED_BYTES, Element, Group, NotCanonical, SCALAR_BYTES, Scalar};

/// Ristretto255.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ristretto {}

/// Values that the first and the last byte of an embedding count through: 127 even numbers, then 64 of the top.
const COUNTER_LOW: u16 = 128;
const COUNTER_MAX: u16 = COUNTER_LOW * 64;

impl Element for RistrettoPoint {}
impl Scalar for curve25519_dalek::Scalar {}

impl Group for Ristretto {
    const NAME: &'static str = "ristretto255";
    const ELEMENT_BYTES: usize = 32;
    const SUMS_MANY: bool = true;
    type Element = RistrettoPoint;
    type Scalar = curve25519_dalek::Scalar;
    type Table = Box<RistrettoBasepointTable>;

    fn identity() -> RistrettoPoint {
        RistrettoPoint::identity()
    }

    fn generator() -> RistrettoPoint {
        RISTRETTO_BASEPOINT_POINT
    }

    fn mul(element: &RistrettoPoint, scalar: &Self::Scalar) -> RistrettoPoint {
        element * scalar
    }

    fn mul_generator(scalar: &Self::Scalar) -> RistrettoPoint {
        RistrettoPoint::mul_base(scalar)
    }

    fn table(element: &RistrettoPoint) -> Self::Table {
        Box::new(RistrettoBasepointTable::create(element))
    }

    fn mul_table(table: &Self::Table, scalar: &Self::Scalar) -> RistrettoPoint {
        &**table * scalar
    }

    fn sum_of_few(scalars: &[Self::Scalar], elements: &[RistrettoPoint]) -> RistrettoPoint {
        RistrettoPoint::vartime_multiscalar_mul(scalars, elements)
    }

    fn encode_element(element: &RistrettoPoint, into: &mut Vec<u8>) {
        into.extend_from_slice(element.compress().as_bytes());
    }

    fn encode_doubled(elements: &[RistrettoPoint], into: &mut Vec<u8>) {
        let encoded = RistrettoPoint::double_and_compress_batch(elements);
        encoded.iter().for_each(|encoded| into.extend_from_slice(encoded.as_bytes()));
    }

    fn decode_element(bytes: &[u8]) -> Result<RistrettoPoint, NotCanonical> {
        let bytes = bytes.try_into().map_err(|_| NotCanonical::Length(bytes.len(), Self::ELEMENT_BYTES))?;
        // Refuses integers that are not below the field's prime, negative ones, and points off the curve.
        let element = CompressedRistretto(bytes).decompress().ok_or(NotCanonical::Element)?;
        if element.is_identity() { Err(NotCanonical::Element) } else { Ok(element) }
    }

    fn encode_scalar(scalar: &Self::Scalar) -> [u8; SCALAR_BYTES] {
        scalar.to_bytes()
    }

    fn decode_scalar(bytes: &[u8]) -> Result<Self::Scalar, NotCanonical> {
        let bytes = bytes.try_into().map_err(|_| NotCanonical::Length(bytes.len(), SCALAR_BYTES))?;
        Option::from(Self::Scalar::from_canonical_bytes(bytes)).ok_or(NotCanonical::Scalar)
    }

    fn scalar_integer(scalar: &Self::Scalar) -> [u8; 32] {
        scalar.to_bytes()
    }

    fn scalar_from_uniform(bytes: &[u8; 64]) -> Self::Scalar {
        Self::Scalar::from_bytes_mod_order_wide(bytes)
    }

    fn invert(scalar: &Self::Scalar) -> Self::Scalar {
        scalar.invert()
    }

    fn hash_to_element(tag: &[u8], message: &[&[u8]]) -> RistrettoPoint {
        RistrettoPoint::from_uniform_bytes(&expand(tag, message))
    }

    fn hash_to_scalar(tag: &[u8], message: &[&[u8]]) -> Self::Scalar {
        Self::Scalar::from_bytes_mod_order_wide(&expand(tag, message))
    }

    /// The lowest counter with which the bytes are an element's encoding. One try in four succeeds, so that
    /// none of 8,192 does with a chance below 2^-3400.
    fn embed(bytes: &[u8; EMBEDDED_BYTES]) -> RistrettoPoint {
        let candidates = (0..COUNTER_MAX).map(|counter| candidate(bytes, counter));
        let mut elements = candidates.filter_map(|candidate| Self::decode_element(&candidate).ok());
        elements.next().expect("one try in four succeeds, and there are 8,192")
    }

    fn extract(element: &RistrettoPoint) -> Option<[u8; EMBEDDED_BYTES]> {
        let encoded = element.compress().to_bytes();
        let bytes: [u8; EMBEDDED_BYTES] = encoded[1..=EMBEDDED_BYTES].try_into().ok()?;
        (Self::embed(&bytes) == *element).then_some(bytes)
    }
}

/// The encoding that an embedding with this counter would have.
fn candidate(bytes: &[u8; EMBEDDED_BYTES], counter: u16) -> [u8; 32] {
    let mut candidate = [0; 32];
    // An encoding is even and below 2^255: a low bit of zero and a top byte below 64 keep to both.
    candidate[0] = u8::try_from(counter % COUNTER_LOW * 2).expect("twice something below 128");
    candidate[1..=EMBEDDED_BYTES].copy_from_slice(bytes);
    candidate[31] = u8::try_from(counter / COUNTER_LOW).expect("below 64");
    candidate
}

/// `expand_message_xmd` with SHA-512, 64 bytes (RFC 9380, section 5.3.1).
fn expand(tag: &[u8], message: &[&[u8]]) -> [u8; 64] {
    let mut bytes = [0; 64];
    let length = NonZero::new(64).expect("not zero");
    let tag = [tag];
    let mut expander = <ExpandMsgXmd<Sha512> as ExpandMsg<U16>>::expand_message(message, &tag, length)
        .expect("tags are constants of up to 255 bytes, and 64 bytes are one block");
    let filled = expander.fill_bytes(&mut bytes);
    assert_eq!(filled.ok(), Some(64), "as many as were asked for");
    bytes
}
