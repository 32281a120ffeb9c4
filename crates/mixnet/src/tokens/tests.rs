//! The vectors of RFC 9497, and what issuers and voters may try.

use rand::{SeedableRng, rngs::StdRng};

use super::*;

/// Appendix A.1.2 of RFC 9497: inputs, blinds, blinded, evaluated, the proof and its nonce, outputs.
struct Vector {
    inputs: &'static [&'static str],
    blinds: &'static [&'static str],
    blinded: &'static [&'static str],
    evaluated: &'static [&'static str],
    proof: &'static str,
    nonce: &'static str,
    outputs: &'static [&'static str],
}

const VECTORS: [Vector; 3] = [
    Vector {
        inputs: &["00"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945"],
        evaluated: &["aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e"],
        proof: "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd066d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
        nonce: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        outputs: &[
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
        ],
    },
    Vector {
        inputs: &["5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
        blinds: &["64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"],
        blinded: &["cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c"],
        evaluated: &["60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468"],
        proof: "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
        nonce: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        outputs: &[
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        ],
    },
    Vector {
        inputs: &["00", "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"],
        blinds: &[
            "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706",
            "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
        ],
        blinded: &[
            "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
            "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
        ],
        evaluated: &[
            "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
            "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
        ],
        proof: "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
        nonce: "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        outputs: &[
            "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7da4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
            "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
        ],
    },
];

fn scalar(text: &str) -> Zeroizing<Scalar> {
    Zeroizing::new(Ristretto::decode_scalar(&hex::decode(text).unwrap()).unwrap())
}

fn all<T: Encoded>(texts: &[&str]) -> Vec<T> {
    texts.iter().map(|text| T::from_bytes(&hex::decode(text).unwrap()).unwrap()).collect()
}

#[test]
fn the_vectors_of_rfc_9497() {
    let key = TokenKey::derive(&[0xa3; 32], b"test key");
    let secret = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909";
    let public = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";
    assert!(*key.secret == *scalar(secret));
    assert_eq!(hex::encode(key.public.to_bytes()), public);
    for vector in VECTORS {
        let requests =
            vector.inputs.iter().zip(vector.blinds).map(|(input, blind)| {
                Request::with_blind(&hex::decode(input).unwrap(), scalar(blind)).unwrap()
            });
        let requests: Vec<_> = requests.enumerate().collect();
        let blinded: Vec<_> = requests.iter().map(|(_, request)| *request.blinded()).collect();
        assert_eq!(blinded, all::<BlindedInput>(vector.blinded));
        let evaluated = all::<Evaluated>(vector.evaluated);
        let issued = key.issue(&blinded, &mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!(issued.0, evaluated);
        let elements = |all: &[Evaluated]| all.iter().map(|one| one.0).collect::<Vec<_>>();
        let inputs: Vec<_> = blinded.iter().map(|one| one.0).collect();
        let proof = BatchProof::prove(
            &key.secret,
            &key.public.0,
            &inputs,
            &elements(&evaluated),
            &scalar(vector.nonce),
        );
        let proof = proof.unwrap();
        assert_eq!(hex::encode(proof.to_bytes()), vector.proof);
        let tokens = finish(&key.public, requests, &blinded, &evaluated, &proof).unwrap();
        let outputs: Vec<_> = tokens.iter().map(|token| hex::encode(token.output)).collect();
        assert_eq!(outputs, vector.outputs);
        assert!(tokens.iter().all(|token| key.redeem(token).is_ok()));
    }
}

struct Issued {
    key: TokenKey,
    requests: Vec<(usize, Request)>,
    blinded: Vec<BlindedInput>,
    evaluated: Vec<Evaluated>,
    proof: BatchProof,
    rng: StdRng,
}

fn issued(count: u8) -> Issued {
    let mut rng = StdRng::seed_from_u64(1);
    let key = TokenKey::derive(&[1; 32], b"election");
    let requests: Vec<_> =
        (0..count).map(|index| (usize::from(index), Request::new(&[index; 32], &mut rng).unwrap())).collect();
    let blinded: Vec<_> = requests.iter().map(|(_, request)| *request.blinded()).collect();
    let (evaluated, proof) = key.issue(&blinded, &mut rng).unwrap();
    Issued { key, requests, blinded, evaluated, proof, rng }
}

impl Issued {
    fn tokens(self) -> (TokenKey, Vec<Token>, StdRng) {
        let Self { key, requests, blinded, evaluated, proof, rng } = self;
        let tokens = finish(&key.public, requests, &blinded, &evaluated, &proof).unwrap();
        (key, tokens, rng)
    }
}

#[test]
fn a_token_is_redeemed_by_its_issuer_alone() {
    let (key, tokens, _) = issued(5).tokens();
    assert!(tokens.iter().all(|token| key.redeem(token) == Ok(())));
    let other = TokenKey::derive(&[1; 32], b"another election");
    assert_eq!(other.redeem(&tokens[0]), Err(TokenError::Output(0)));
    let read = Token::from_bytes(&tokens[0].to_bytes()).unwrap();
    assert!(read == tokens[0]);
}

#[test]
fn a_token_that_was_altered_is_none() {
    let (key, tokens, _) = issued(1).tokens();
    let bytes = tokens[0].to_bytes();
    for at in 2..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        assert_eq!(key.redeem(&Token::from_bytes(&altered).unwrap()), Err(TokenError::Output(0)));
    }
    assert!((0..bytes.len()).all(|length| Token::from_bytes(&bytes[..length]).is_err()));
    assert_eq!(Token::from_bytes(&[&bytes[..], &[0]].concat()), Err(Malformed::Trailing(1)));
    let long = [&[0xff, 0xff][..], &vec![0; 1 << 17]].concat();
    assert_eq!(Token::from_bytes(&long), Err(Malformed::Count(0xffff)));
    let input = vec![0; INPUT_BYTES_MAX + 1];
    let mut rng = StdRng::seed_from_u64(1);
    assert_eq!(Request::new(&input, &mut rng).unwrap_err(), TokenError::Input(INPUT_BYTES_MAX + 1));
}

/// What the issuer sees says nothing of the token: with another blind, the same input looks otherwise.
#[test]
fn an_issuer_does_not_see_the_input() {
    let mut rng = StdRng::seed_from_u64(2);
    let blinded = (0..20).map(|_| Request::new(b"same", &mut rng).unwrap().blinded().to_bytes());
    assert_eq!(blinded.collect::<std::collections::BTreeSet<_>>().len(), 20);
}

/// Attack: an issuer answers one voter with a key of their own, to recognise the token when it comes back.
#[test]
fn an_issuer_who_marks_a_voter_is_found_out() {
    let Issued { key, requests, blinded, mut evaluated, proof, mut rng } = issued(4);
    let marked = TokenKey::derive(&[2; 32], b"mark");
    let (other, _) = marked.issue(&blinded[..1], &mut rng).unwrap();
    evaluated[0] = other[0];
    let refused = finish(&key.public, requests, &blinded, &evaluated, &proof).unwrap_err();
    assert_eq!(refused, TokenError::Proof);
    let Issued { requests, .. } = issued(4);
    let (all, honest) = marked.issue(&blinded, &mut rng).unwrap();
    assert_eq!(finish(&key.public, requests, &blinded, &all, &honest).unwrap_err(), TokenError::Proof);
}

/// Attack: errors of two answers that cancel in a plain sum.
#[test]
fn answers_whose_errors_cancel_are_found_out() {
    let Issued { key, requests, blinded, mut evaluated, proof, .. } = issued(3);
    evaluated[0].0 += Ristretto::generator();
    evaluated[1].0 -= Ristretto::generator();
    let refused = finish(&key.public, requests, &blinded, &evaluated, &proof).unwrap_err();
    assert_eq!(refused, TokenError::Proof);
}

#[test]
fn an_answer_about_other_tokens_is_refused() {
    let Issued { key, mut requests, blinded, evaluated, proof, .. } = issued(3);
    requests[0].0 = 1;
    let refused = finish(&key.public, requests, &blinded, &evaluated, &proof).unwrap_err();
    assert_eq!(refused, TokenError::OtherTokens);
    let Issued { requests, .. } = issued(3);
    let refused = finish(&key.public, requests, &blinded, &evaluated[..2], &proof).unwrap_err();
    assert_eq!(refused, TokenError::OtherTokens);
    let mut rng = StdRng::seed_from_u64(1);
    assert_eq!(key.issue(&[], &mut rng).unwrap_err(), TokenError::Count(0));
    let many = vec![blinded[0]; TOKENS_MAX + 1];
    let refused = finish(&key.public, Vec::new(), &many, &vec![evaluated[0]; TOKENS_MAX + 1], &proof);
    assert_eq!(refused.unwrap_err(), TokenError::Count(TOKENS_MAX + 1));
}

#[test]
fn every_byte_of_the_proof_counts() {
    let Issued { key, blinded, evaluated, proof, .. } = issued(2);
    let bytes = proof.to_bytes();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        let held = BatchProof::from_bytes(&flipped)
            .is_ok_and(|proof| finish(&key.public, Vec::new(), &blinded, &evaluated, &proof).is_ok());
        assert!(!held, "byte {at}");
    }
    assert_eq!(BatchProof::from_bytes(&bytes[..63]), Err(Malformed::Short));
}

/// Attack: an issuer redeems tokens that it made up for nobody, or lets one count that is none.
#[test]
fn observers_check_what_was_redeemed() {
    let (key, tokens, mut rng) = issued(6).tokens();
    let (multiples, proof) = key.prove_redeemed(&tokens, &mut rng).unwrap();
    let verify =
        |tokens: &[Token], multiples: &[Evaluated]| key.public.verify_redeemed(tokens, multiples, &proof);
    assert_eq!(verify(&tokens, &multiples), Ok(()));
    assert_eq!(verify(&tokens[1..], &multiples), Err(TokenError::OtherTokens));
    let mut other = tokens.clone();
    other[3].output[0] ^= 1;
    assert_eq!(verify(&other, &multiples), Err(TokenError::Output(3)));
    other[3].input[0] ^= 1;
    assert_eq!(verify(&other, &multiples), Err(TokenError::Proof));
    let mut swapped = multiples;
    swapped.swap(0, 1);
    assert_eq!(verify(&tokens, &swapped), Err(TokenError::Proof));
}

/// Attack: an issuer says of a token that it gave that it did not.
#[test]
fn observers_check_what_was_refused() {
    let (key, mut tokens, mut rng) = issued(4).tokens();
    let right = tokens[2].clone();
    tokens.iter_mut().for_each(|token| token.output[0] ^= 1);
    // One voter may send many.
    tokens.push(tokens[0].clone());
    let (multiples, proof) = key.prove_redeemed(&tokens, &mut rng).unwrap();
    let verify =
        |tokens: &[Token], multiples: &[Evaluated]| key.public.verify_refused(tokens, multiples, &proof);
    assert_eq!(verify(&tokens, &multiples), Ok(()));
    assert_eq!(verify(&tokens[1..], &multiples), Err(TokenError::OtherTokens));
    let mut swapped = multiples.clone();
    swapped.swap(1, 2);
    assert_eq!(verify(&tokens, &swapped), Err(TokenError::Proof));
    tokens[2] = right;
    assert_eq!(verify(&tokens, &multiples), Err(TokenError::Issued(2)));
}

#[test]
fn a_public_key_that_is_the_identity_is_refused() {
    assert!(TokenIssuer::from_bytes(&[0; 32]).is_err());
    assert!(BlindedInput::from_bytes(&[0; 32]).is_err());
    assert!(Evaluated::from_bytes(&[0; 32]).is_err());
}
