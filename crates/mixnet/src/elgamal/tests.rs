//! Keys, rows and their encodings.

use rand::{SeedableRng, rngs::StdRng};

use super::*;
use crate::group::{NotCanonical, P256, Ristretto};

fn rows<G: Group>(count: usize, width: usize) -> (Vec<Row<G>>, G::Scalar) {
    let mut rng = StdRng::seed_from_u64(1);
    let secret = G::random_scalar(&mut rng);
    let key = EncryptionKey::<G>::new(G::mul_generator(&secret)).unwrap();
    let messages: Vec<_> = (0..width).map(|at| G::embed(&[u8::try_from(at).unwrap(); 30])).collect();
    ((0..count).map(|_| key.encrypt(&messages, &mut rng).unwrap().0).collect(), secret)
}

#[test]
fn who_has_the_secret_reads_what_was_encrypted() {
    fn check<G: Group>() {
        let (rows, secret) = rows::<G>(1, 3);
        for (at, Ciphertext { mask, body }) in rows[0].ciphertexts().iter().enumerate() {
            let message = *body - G::mul(mask, &secret);
            assert_eq!(G::extract(&message), Some([u8::try_from(at).unwrap(); 30]));
        }
    }
    check::<Ristretto>();
    check::<P256>();
}

#[test]
fn rows_are_read_back_as_they_were_written() {
    fn check<G: Group>() {
        let (rows, _) = rows::<G>(5, 2);
        let together = Rows::new(&rows).unwrap();
        let read = Rows::<G>::from_bytes(&together.to_bytes()).unwrap();
        assert_eq!(read, together);
        assert_eq!(read.row(4).as_ref(), Some(&rows[4]));
        assert_eq!(read.row(5), None);
        let mut bytes = Vec::new();
        rows[0].encode(&mut bytes);
        assert_eq!(Row::read(&mut Reader::new(&bytes), 2), Ok(rows[0].clone()));
    }
    check::<Ristretto>();
    check::<P256>();
}

#[test]
fn rows_of_malformed_lengths_are_refused() {
    let (rows, _) = rows::<Ristretto>(3, 2);
    let bytes = Rows::new(&rows).unwrap().to_bytes();
    let read = |bytes: &[u8]| Rows::<Ristretto>::from_bytes(bytes).unwrap_err();
    for length in 0..bytes.len() {
        assert_eq!(read(&bytes[..length]), Malformed::Short, "at {length}");
    }
    assert_eq!(read(&[&bytes[..], &[0]].concat()), Malformed::Trailing(1));
    let announced = |count: u32, width: u32| {
        let counts = [count.to_be_bytes(), width.to_be_bytes()].concat();
        read(&[&counts, &bytes[8..]].concat())
    };
    assert_eq!(announced(0, 2), Malformed::Count(2));
    assert_eq!(announced(3, 0), Malformed::Count(0));
    assert_eq!(announced(3, 65), Malformed::Count(65));
    assert_eq!(announced(3, 3), Malformed::Short);
    assert_eq!(announced(u32::MAX, 64), Malformed::Short);
}

#[test]
fn an_identity_in_a_row_is_refused() {
    let (rows, _) = rows::<Ristretto>(1, 1);
    let mut bytes = Rows::new(&rows).unwrap().to_bytes();
    bytes[8..40].fill(0);
    let refused = Err(Malformed::NotCanonical(NotCanonical::Element));
    assert_eq!(Rows::<Ristretto>::from_bytes(&bytes), refused);
}

#[test]
fn a_key_that_is_the_identity_is_refused() {
    assert_eq!(EncryptionKey::<Ristretto>::new(Ristretto::identity()), Err(Unfit::Identity));
    assert!(EncryptionKey::<Ristretto>::from_bytes(&[0; 32]).is_err());
    assert!(EncryptionKey::<P256>::from_bytes(&[0; 33]).is_err());
}

#[test]
fn rows_have_one_width() {
    let (narrow, wide) = (rows::<Ristretto>(1, 1).0, rows::<Ristretto>(1, 2).0);
    let mixed = [narrow[0].clone(), wide[0].clone()];
    assert_eq!(Rows::new(&mixed), Err(Unfit::Uneven { expected: 1, found: 2 }));
    assert_eq!(Rows::<Ristretto>::new(&[]), Err(Unfit::Empty));
    assert_eq!(Row::<Ristretto>::new(Vec::new()), Err(Unfit::Width(0)));
    let ciphertext = narrow[0].ciphertexts()[0];
    let open = Ciphertext { mask: Ristretto::identity(), ..ciphertext };
    assert_eq!(Row::new(vec![ciphertext, open]), Err(Unfit::Identity));
    assert_eq!(Row::new(vec![ciphertext; 65]), Err(Unfit::Width(65)));
}
