//! A trustee's part of the decryption, of lists that the whole record shows to have been mixed.

use board::{Hex, ListBlob, decryption_context};
use mixnet::{Encoded, Ristretto, Rows};
use rand_core::CryptoRng;
use verifier::{Prefix, Record, Wrong, check};

use crate::{TrusteeError, confirm::Own, safe::Safe};

/// Votes of a list below which it is said who voted what: so few are known to each other.
pub const FEW_ROWS: u32 = 3;

/// What a trustee decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// The board as far as it says what is to be decrypted: the same for all trustees.
    pub prefix: Prefix,
    /// A part of each list, by its number.
    pub parts: Vec<(u32, Vec<u8>)>,
}

/// The trustee's part of each list; nothing if the record does not yet say what is to be decrypted.
///
/// # Errors
/// When the record does not hold, does not go on from what the trustee checked before, says in their name what they have not
/// said, names other lists than they decrypted before, the safe has no share of this key, the election was given up, or a list
/// is of [few votes](FEW_ROWS) and `few` are not to be decrypted.
pub fn decrypt(
    safe: &mut Safe,
    record: &Record,
    few: bool,
    rng: &mut impl CryptoRng,
) -> Result<Option<Decrypted>, TrusteeError> {
    let checked = check(record)?;
    if checked.election != safe.kept.election {
        return Err(TrusteeError::View("another election's record".to_owned()));
    }
    safe.saw(record, checked.entries)?;
    let manifest = checked.manifest.ok_or(TrusteeError::NoShare)?;
    let Hex(hash) = checked.hash.ok_or(TrusteeError::NoShare)?;
    let Own { keys, share } = safe.key_of(&manifest, &checked.ceremony, &checked.decrypted_by)?;
    let Some(prefix) = checked.decrypting else { return Ok(None) };
    if checked.abandoned {
        return Err(TrusteeError::Abandoned);
    }
    if let Some(list) = checked.lists.iter().find(|list| list.rows < FEW_ROWS && !few) {
        return Err(TrusteeError::Few { list: list.list, rows: list.rows });
    }
    safe.decrypts(checked.lists.iter().map(|list| ListBlob { list: list.list, blob: list.blob }).collect())?;
    let mut parts = Vec::new();
    for list in checked.lists {
        let rows = record.blob(&list.blob).map_err(Wrong::from)?;
        let rows =
            Rows::<Ristretto>::from_bytes(&rows).map_err(|error| TrusteeError::View(error.to_string()))?;
        let context = decryption_context(&hash, list.list);
        let partial = keys.decrypt(&share, &context, &rows, rng);
        let partial = partial.map_err(|fault| TrusteeError::View(fault.to_string()))?;
        parts.push((list.list, partial.to_bytes()));
    }
    Ok(Some(Decrypted { prefix, parts }))
}
