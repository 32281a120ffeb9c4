//! ML-DSA-44 cosignatures of checkpoints (c2sp.org/tlog-cosignature, signature type 0x06).

use seal::{BadSignature, PublicKey, SigningError, SigningKeys};

use super::Checkpoint;
use crate::note::KeyName;

/// What separates these signatures from all others.
const LABEL: &[u8; 12] = b"subtree/v1\n\0";
/// The last second that a cosignature may give.
const SECONDS_MAX: u64 = i64::MAX as u64;

/// Cosigns as `cosigner`: `timestamp (64 bits, big-endian) || ML-DSA-44 signature (2,420 bytes)`.
/// `unix_seconds` is when, or 0 to say nothing of the time; what is beyond 2^63 - 1 becomes 0.
pub fn sign(
    cosigner: &KeyName,
    keys: &SigningKeys,
    checkpoint: &Checkpoint,
    unix_seconds: u64,
) -> Result<Vec<u8>, SigningError> {
    let unix_seconds = if unix_seconds <= SECONDS_MAX { unix_seconds } else { 0 };
    let signature = keys.sign_ml_dsa_44(&message(cosigner, unix_seconds, checkpoint))?;
    Ok([unix_seconds.to_be_bytes().as_slice(), &signature].concat())
}

/// Did `cosigner` cosign the checkpoint that `text` is? If so, at which Unix second, or 0.
pub(crate) fn verify(
    cosigner: &KeyName,
    key: &PublicKey,
    text: &str,
    signature: &[u8],
) -> Result<u64, BadSignature> {
    let (unix_seconds, signature) = signature.split_first_chunk::<8>().ok_or(BadSignature)?;
    let unix_seconds = u64::from_be_bytes(*unix_seconds);
    let checkpoint = Checkpoint::parse(text).map_err(|_| BadSignature)?;
    if unix_seconds > SECONDS_MAX {
        return Err(BadSignature);
    }
    key.verify(&message(cosigner, unix_seconds, &checkpoint), signature)?;
    Ok(unix_seconds)
}

/// The `cosigned_message` of a whole tree: a subtree that starts with leaf 0.
fn message(cosigner: &KeyName, unix_seconds: u64, checkpoint: &Checkpoint) -> Vec<u8> {
    let mut message = LABEL.to_vec();
    push_short(&mut message, cosigner.as_str());
    message.extend_from_slice(&unix_seconds.to_be_bytes());
    push_short(&mut message, checkpoint.origin());
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size().to_be_bytes());
    message.extend_from_slice(&checkpoint.root().0);
    message
}

/// A text of 1 to 255 bytes, with its length in one byte before it.
fn push_short(message: &mut Vec<u8>, text: &str) {
    message.push(u8::try_from(text.len()).expect("names and origins have at most 255 bytes"));
    message.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Hash;

    #[test]
    fn the_signed_message_is_laid_out_as_specified() {
        let checkpoint = Checkpoint::new("log.example", 0x0102, Hash([7; 32]), vec!["x".to_owned()]).unwrap();
        let message = message(&KeyName::new("w1").unwrap(), 0x0304, &checkpoint);
        let expected = [
            b"subtree/v1\n\0".as_slice(),
            b"\x02w1",
            &[0, 0, 0, 0, 0, 0, 3, 4],
            b"\x0blog.example",
            &[0; 8],
            &[0, 0, 0, 0, 0, 0, 1, 2],
            &[7; 32],
        ];
        assert_eq!(message, expected.concat());
    }
}
