//! Whether the key on the public board is the one that this trustee made. What trustees say on a board is not signed: a server
//! could make a key with them, and put another one on the board that it made in their names. Only they can tell.

use board::{CeremonyStep, Hex, Manifest};
use mixnet::{Encoded, KeyShare, Ristretto, TrusteeKeys};
use verifier::{Decided, Record, Words, decided};

use crate::{
    TrusteeError,
    safe::Safe,
    speak::{encoded, unreadable},
};

/// The key of a board, which is this trustee's and the others'.
pub(crate) struct Own {
    pub(crate) keys: TrusteeKeys<Ristretto>,
    pub(crate) share: KeyShare<Ristretto>,
}

/// The hash of the manifest on the board, if its key was made with what this trustee said and is the one they have a share of;
/// nothing if the board has not come so far.
///
/// # Errors
/// When the record does not hold up to there or does not go on from what the trustee checked before, the board says in this
/// trustee's name what they have not said, or that they decrypted what they have not, or the safe has no share of this key.
pub fn confirm(safe: &mut Safe, record: &Record) -> Result<Option<Hex<32>>, TrusteeError> {
    let Some(decided) = decided(record)? else { return Ok(None) };
    let Decided { election, manifest, hash, ceremony, entries, decrypted_by } = decided;
    if election != safe.kept.election {
        return Err(TrusteeError::View("another election's record".to_owned()));
    }
    safe.saw(record, entries)?;
    safe.key_of(&manifest, &ceremony, &decrypted_by)?;
    Ok(Some(hash))
}

impl Safe {
    /// This trustee's share of a board's key, if the board says in their name what they have said, and nothing else.
    pub(crate) fn key_of(
        &self,
        manifest: &Manifest,
        ceremony: &Words,
        decrypted_by: &[u16],
    ) -> Result<Own, TrusteeError> {
        let keys = manifest.trustee_keys().ok_or(TrusteeError::NoShare)?;
        let attempt = manifest.attempt.ok_or(TrusteeError::NoShare)?;
        let share = self.share(attempt).ok_or(TrusteeError::NoShare)?;
        self.refuse_other_words(attempt, share.trustee(), ceremony)?;
        // Not enough by itself: whoever chooses the others' parts can choose them so that this trustee's share fits.
        if !keys.is_share(&share) {
            return Err(TrusteeError::NoShare);
        }
        if decrypted_by.contains(&share.trustee()) {
            self.refuse_others_part()?;
        }
        Ok(Own { keys, share })
    }

    /// Refuses a ceremony in which this trustee said something else. Their opening is bound to the threshold and to all
    /// transport keys, so that a key it is a part of is one that nobody has alone.
    fn refuse_other_words(&self, attempt: u16, trustee: u16, ceremony: &Words) -> Result<(), TrusteeError> {
        use CeremonyStep as Step;
        let kept = self.kept.attempts.get(&attempt).ok_or(TrusteeError::NoShare)?;
        let (Some(sealed), Some(dealing)) = (&kept.sealed, &kept.dealing) else {
            return Err(TrusteeError::NoShare);
        };
        let transport = kept.transport().map_err(unreadable)?;
        let opening = kept.dealer().ok_or(TrusteeError::NoShare)?.map_err(unreadable)?.open().to_bytes();
        let said = [
            (Step::TransportKey, encoded(transport.public()), "a transport key"),
            (Step::SealedOpening, sealed.0.clone(), "a sealed opening"),
            (Step::Opening, opening, "an opening"),
            (Step::Dealing, dealing.0.clone(), "a dealing"),
        ];
        for (step, own, what) in said {
            if ceremony.get(&(step, trustee)) != Some(&own) {
                return Err(TrusteeError::OtherOnBoard(what));
            }
        }
        Ok(())
    }

    /// Refuses that something is said to be decrypted in this trustee's name, unless they have decrypted something.
    ///
    /// # Errors
    /// When they have not.
    pub fn refuse_others_part(&self) -> Result<(), TrusteeError> {
        if self.kept.decrypted.is_empty() { Err(TrusteeError::NotDecrypted) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
