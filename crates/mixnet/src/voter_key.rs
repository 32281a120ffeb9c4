//! Keys that voters sign with: those about which all verifiers of Ed25519 agree.

use curve25519_dalek::edwards::CompressedEdwardsY;

/// May a voter sign with this key? It is the one encoding of a point of the curve, and that point is not of small order:
/// with such a one anybody can sign anything, and RFC 8032 leaves open whether that is a signature.
#[must_use]
pub fn is_voter_key(bytes: &[u8; 32]) -> bool {
    let encoded = CompressedEdwardsY(*bytes);
    encoded.decompress().is_some_and(|point| !point.is_small_order() && point.compress() == encoded)
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_COMPRESSED, EIGHT_TORSION};

    use super::*;

    #[test]
    fn an_ordinary_key_is_one() {
        assert!(is_voter_key(ED25519_BASEPOINT_COMPRESSED.as_bytes()));
    }

    #[test]
    fn a_key_of_small_order_is_none() {
        assert!(EIGHT_TORSION.iter().all(|point| !is_voter_key(point.compress().as_bytes())));
    }

    #[test]
    fn another_encoding_of_a_point_is_none() {
        // The same coordinate, and the field's prime (2^255 - 19) on top.
        let above = |y: u8| {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (0xed + y, 0x7f);
            bytes
        };
        let points = (2..19).filter(|y| {
            let mut bytes = [0; 32];
            bytes[0] = *y;
            is_voter_key(&bytes)
        });
        let points: Vec<u8> = points.collect();
        assert!(!points.is_empty() && points.iter().all(|y| !is_voter_key(&above(*y))), "{points:?}");
    }
}
