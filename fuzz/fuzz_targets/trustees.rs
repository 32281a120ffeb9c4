//! What trustees are said to have sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mixnet::{
    Ceremony, Complaint, Dealing, Encoded, Group, Opening, PartialDecryption, Quorum, Ristretto, Rows, SealedOpening,
    TrusteeKeys, combine,
};

fn read<T: Encoded>(bytes: &[u8]) -> Option<T> {
    let value = T::from_bytes(bytes).ok()?;
    assert_eq!(value.to_bytes(), bytes, "two encodings mean the same");
    Some(value)
}

fuzz_target!(|input: (&[u8], &[u8], &[u8])| {
    let (one, two, three) = input;
    read::<Complaint<Ristretto>>(one);
    let quorum = Quorum::unanimous(1).expect("one is possible");
    let ceremony = Ceremony::new(b"fuzz", quorum, vec![Ristretto::generator()]).expect("one key for one trustee");
    if let Some(opening) = read::<Opening<Ristretto>>(one) {
        let sealed = SealedOpening::from_bytes([0; 64]);
        assert!(ceremony.check_openings(&[sealed], vec![opening]).is_err(), "nobody fixed it");
    }
    if let Some(dealing) = read::<Dealing<Ristretto>>(one) {
        let _judged = ceremony.check_dealings(vec![dealing]);
    }
    let keys = read::<TrusteeKeys<Ristretto>>(one);
    let rows = read::<Rows<Ristretto>>(two);
    let partial = read::<PartialDecryption<Ristretto>>(three);
    if let (Some(keys), Some(rows), Some(partial)) = (keys, rows, partial) {
        assert!(combine(&keys, b"fuzz", &rows, &[partial]).is_err(), "nobody decrypted anything");
    }
});
