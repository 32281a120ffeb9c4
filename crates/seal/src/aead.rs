//! AES-256-GCM (NIST SP 800-38D) as every sealed format here uses it, and the encoding of what is bound.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;

/// `header || nonce || ciphertext || tag`. The header is not authenticated unless `associated` holds it.
pub(crate) fn seal(
    key: &[u8; 32],
    nonce: [u8; NONCE_LEN],
    associated: &[u8],
    header: &[u8],
    plaintext: &[u8],
) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(header.len() + NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(header);
    sealed.extend_from_slice(&nonce);
    let begin = sealed.len();
    sealed.extend_from_slice(plaintext);
    let tag = cipher(key)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(associated),
            &mut sealed[begin..],
        )
        .expect("only a plaintext beyond 64 GiB is refused");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// What `nonce || ciphertext || tag` holds, if nobody touched it and `associated` is what it was sealed with.
pub(crate) fn open(key: &[u8; 32], associated: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = cipher(key).open_in_place(nonce, Aad::from(associated), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

/// Binds `parts` unambiguously: each with its length (64 bits, big-endian) before it, `label` first.
pub(crate) fn associated(label: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [label.as_bytes()].iter().chain(parts) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes any 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test case 14 of the GCM specification (McGrew and Viega): zero key, zero nonce, one zero block.
    #[test]
    fn the_known_answer_of_aes_256_gcm() {
        let sealed = seal(&[0; 32], [0; 12], &[], &[], &[0; 16]);
        let expected = "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919";
        assert_eq!(hex::encode(&sealed[NONCE_LEN..]), expected);
    }

    #[test]
    fn what_is_bound_is_not_ambiguous() {
        assert_ne!(associated("l", &[b"ab", b"c"]), associated("l", &[b"a", b"bc"]));
        assert_ne!(associated("l", &[b"ab"]), associated("l", &[b"ab", b""]));
        assert_ne!(associated("la", &[b"b"]), associated("l", &[b"ab"]));
    }
}
