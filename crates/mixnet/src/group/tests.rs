//! What both groups must do, and the published vectors of each.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

/// Runs each behaviour on each group.
macro_rules! behaviours {
    ($($behaviour:ident),+ $(,)?) => {
        mod ristretto255 { $(#[test] fn $behaviour() { super::$behaviour::<super::Ristretto>() })+ }
        mod nist_p256 { $(#[test] fn $behaviour() { super::$behaviour::<super::P256>() })+ }
    };
}

behaviours!(
    encodings_are_read_back,
    doubled_elements_are_encoded_as_their_doubles,
    the_identity_is_never_read,
    other_lengths_are_refused,
    a_scalar_beyond_the_order_is_refused,
    arithmetic_is_that_of_a_group,
    tables_and_sums_multiply_alike,
    bytes_are_embedded_and_extracted,
    an_element_that_says_the_same_otherwise_is_refused,
    uniform_bytes_are_reduced,
);

fn random<G: Group>(seed: u64) -> (G::Element, G::Scalar) {
    let mut rng = StdRng::seed_from_u64(seed);
    (G::mul_generator(&G::random_scalar(&mut rng)), G::random_scalar(&mut rng))
}

fn encodings_are_read_back<G: Group>() {
    for seed in 0..20 {
        let (element, scalar) = random::<G>(seed);
        let bytes = G::element_bytes(&element);
        assert_eq!(bytes.len(), G::ELEMENT_BYTES);
        assert_eq!(G::decode_element(&bytes), Ok(element));
        assert!(G::decode_scalar(&G::encode_scalar(&scalar)).is_ok_and(|read| read == scalar));
    }
}

fn doubled_elements_are_encoded_as_their_doubles<G: Group>() {
    let elements = [random::<G>(1).0, G::identity(), G::generator(), -G::generator()];
    let mut encoded = Vec::new();
    G::encode_doubled(&elements, &mut encoded);
    let expected: Vec<_> =
        elements.iter().flat_map(|element| G::element_bytes(&(*element + *element))).collect();
    assert_eq!(encoded, expected);
}

fn the_identity_is_never_read<G: Group>() {
    let bytes = G::element_bytes(&G::identity());
    assert_eq!(bytes, vec![0; G::ELEMENT_BYTES]);
    assert_eq!(G::decode_element(&bytes), Err(NotCanonical::Element));
}

fn other_lengths_are_refused<G: Group>() {
    let bytes = G::element_bytes(&G::generator());
    let long = [&bytes[..], &[0]].concat();
    for wrong in [&bytes[1..], &bytes[..bytes.len() - 1], &long, &[], &[0]] {
        let refused = Err(NotCanonical::Length(wrong.len(), G::ELEMENT_BYTES));
        assert_eq!(G::decode_element(wrong), refused);
    }
    assert!(G::decode_scalar(&[0; 31]).is_err_and(|error| error == NotCanonical::Length(31, 32)));
    assert!(G::decode_scalar(&[0; 33]).is_err());
}

fn a_scalar_beyond_the_order_is_refused<G: Group>() {
    let minus_one = G::encode_scalar(&-G::Scalar::from(1_u64));
    assert!(G::decode_scalar(&minus_one).is_ok());
    // The order itself: the lowest byte is at the front in one group and at the back in the other.
    let mut order = minus_one;
    let lowest = if G::encode_scalar(&G::Scalar::from(1_u64))[0] == 1 { 0 } else { 31 };
    order[lowest] += 1;
    assert!(G::decode_scalar(&order).is_err_and(|error| error == NotCanonical::Scalar));
    assert!(G::decode_scalar(&[0xff; 32]).is_err());
}

fn arithmetic_is_that_of_a_group<G: Group>() {
    let ((one, a), (_, b)) = (random::<G>(1), random::<G>(2));
    assert_eq!(G::mul(&one, &a) + G::mul(&one, &b), G::mul(&one, &(a + b)));
    assert_eq!(G::mul(&G::mul(&one, &a), &b), G::mul(&one, &(a * b)));
    assert_eq!(G::mul(&G::mul(&one, &a), &G::invert(&a)), one);
    assert_eq!(one + -one, G::identity());
    assert_eq!(G::mul(&one, &-G::Scalar::from(1_u64)), -one);
    assert_eq!(G::mul(&one, &G::Scalar::from(2_u128)), one + one);
}

fn tables_and_sums_multiply_alike<G: Group>() {
    let (element, scalar) = random::<G>(3);
    assert_eq!(G::mul_table(&G::table(&element), &scalar), G::mul(&element, &scalar));
    assert_eq!(G::mul_generator(&scalar), G::mul(&G::generator(), &scalar));
    let sum = G::mul(&element, &scalar) + G::mul_generator(&scalar);
    assert_eq!(G::sum_of_few(&[scalar, scalar], &[element, G::generator()]), sum);
    assert_eq!(G::sum_of_few(&[], &[]), G::identity());
}

fn bytes_are_embedded_and_extracted<G: Group>() {
    let mut bytes = [0; EMBEDDED_BYTES];
    for step in 0..100_u8 {
        assert_eq!(G::extract(&G::embed(&bytes)), Some(bytes));
        bytes[usize::from(step) % EMBEDDED_BYTES] =
            bytes[usize::from(step) % EMBEDDED_BYTES].wrapping_sub(step);
    }
    assert_eq!(G::extract(&G::embed(&[0xff; EMBEDDED_BYTES])), Some([0xff; EMBEDDED_BYTES]));
}

/// Attack: a voter takes another counter, so that a buyer finds the ballot among the decrypted ones.
fn an_element_that_says_the_same_otherwise_is_refused<G: Group>() {
    let bytes = [7; EMBEDDED_BYTES];
    let honest = G::embed(&bytes);
    let encoded = G::element_bytes(&honest);
    let mut marked = 0;
    for (at, byte) in (0..G::ELEMENT_BYTES).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
        let mut other = encoded.clone();
        other[at] = byte;
        let says_the_same = |element: &G::Element| *element != honest && G::extract(element) == Some(bytes);
        let counted_on = other.windows(EMBEDDED_BYTES).any(|window| window == bytes);
        if let Ok(element) = G::decode_element(&other) {
            assert!(!says_the_same(&element));
            marked += u32::from(counted_on && element != honest);
        }
    }
    assert!(marked > 10, "other elements hold the same bytes");
}

fn uniform_bytes_are_reduced<G: Group>() {
    // Both groups read the bytes as an integer in the order of their scalars.
    let one = G::encode_scalar(&G::Scalar::from(1_u64));
    let wide = if one[0] == 1 { [one, [0; 32]].concat() } else { [[0; 32], one].concat() };
    let wide: [u8; 64] = wide.try_into().unwrap();
    assert!(G::scalar_from_uniform(&wide) == G::Scalar::from(1_u64));
    let all = G::scalar_from_uniform(&[0xff; 64]);
    let two_to_256 = G::Scalar::from(1_u128 << 127) * G::Scalar::from(1_u128 << 127) * G::Scalar::from(4_u64);
    assert!(all == two_to_256 * two_to_256 - G::Scalar::from(1_u64));
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(bytes in proptest::array::uniform32(any::<u8>()), tag: u8) {
        if let Ok(element) = Ristretto::decode_element(&bytes) {
            prop_assert_eq!(&Ristretto::element_bytes(&element)[..], &bytes[..]);
        }
        let point = [&[tag % 8][..], &bytes[..]].concat();
        if let Ok(element) = P256::decode_element(&point) {
            prop_assert_eq!(P256::element_bytes(&element), point);
        }
        if let Ok(scalar) = Ristretto::decode_scalar(&bytes) {
            prop_assert_eq!(Ristretto::encode_scalar(&scalar), bytes);
        }
        if let Ok(scalar) = P256::decode_scalar(&bytes) {
            prop_assert_eq!(P256::encode_scalar(&scalar), bytes);
        }
    }
}

/// RFC 9496, appendices A.1 and A.2.
#[test]
fn the_vectors_of_ristretto255() {
    let encoded = |element: &_| hex::encode(Ristretto::element_bytes(element));
    let generator = Ristretto::generator();
    assert_eq!(encoded(&generator), "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76");
    let doubled = generator + generator;
    assert_eq!(encoded(&doubled), "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919");
    for bad in [
        // Not below the prime.
        "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // Negative.
        "0100000000000000000000000000000000000000000000000000000000000000",
        "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        // No square.
        "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
        "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    ] {
        let bytes = hex::decode(bad).unwrap();
        assert_eq!(Ristretto::decode_element(&bytes), Err(NotCanonical::Element), "{bad}");
    }
}

/// RFC 9380, appendix J.1.1.
#[test]
fn the_vectors_of_hashing_to_p256() {
    let tag = b"QUUX-V01-CS02-with-P256_XMD:SHA-256_SSWU_RO_";
    for (message, x) in [
        ("", "2c15230b26dbc6fc9a37051158c95b79656e17a1a920b11394ca91c44247d3e4"),
        ("abc", "0bb8b87485551aa43ed54f009230450b492fead5f1cc91658775dac4a3388a0f"),
    ] {
        let element = P256::hash_to_element(tag, &[message.as_bytes()]);
        let encoded = hex::encode(P256::element_bytes(&element));
        assert_eq!(encoded[2..], *x);
        assert!(encoded == format!("02{x}") || encoded == format!("03{x}"));
    }
}

/// Attack: a point of another curve, on which logarithms are easy, or another way to write a point.
#[test]
fn what_is_not_a_compressed_point_of_p256_is_refused() {
    let generator = P256::element_bytes(&P256::generator());
    let mut accepted = 0;
    for last in 0..=u8::MAX {
        let mut bytes = generator.clone();
        bytes[32] = last;
        accepted += u32::from(P256::decode_element(&bytes).is_ok());
    }
    assert!((90..166).contains(&accepted), "about half of all coordinates are on the curve: {accepted}");
    for tag in (0..=u8::MAX).filter(|tag| !matches!(tag, 2 | 3)) {
        let mut bytes = generator.clone();
        bytes[0] = tag;
        assert_eq!(P256::decode_element(&bytes), Err(NotCanonical::Element), "tag {tag}");
    }
    // The coordinate 5 is on the curve; 5 and the field's prime are the same coordinate, written otherwise.
    let within = hex::decode(format!("02{}5", "0".repeat(63))).unwrap();
    assert!(P256::decode_element(&within).is_ok());
    let beyond = "02ffffffff00000001000000000000000000000001000000000000000000000004";
    assert_eq!(P256::decode_element(&hex::decode(beyond).unwrap()), Err(NotCanonical::Element));
}
