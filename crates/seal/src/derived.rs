//! One key for each purpose and context, all from the root secret.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// Stands before every purpose, so that no other program's use of BLAKE3 meets ours.
const DOMAIN: &str = "holdfast 2026 seal derive v1: ";

/// A secret key of 256 bits for one purpose in one context. Wiped when dropped; `Debug` shows nothing.
#[derive(Clone)]
pub struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    /// Two steps of BLAKE3, both with 256-bit output:
    ///
    /// 1. `purpose key = derive_key(context string: DOMAIN || purpose, material: root)`, where the
    ///    context string is fixed when the program is written, as BLAKE3's authors ask;
    /// 2. `key = keyed_hash(key: purpose key, message: context)`, because the context is data.
    ///
    /// So keys of different purposes are independent whatever their contexts are.
    pub(crate) fn new(root: &Secret, purpose: &'static str, context: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(&format!("{DOMAIN}{purpose}"));
        let purpose_key = finish(hasher.update(root.bytes()));
        let mut hasher = blake3::Hasher::new_keyed(&purpose_key);
        Self(finish(hasher.update(context)))
    }

    /// The 32 secret bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The hash, leaving nothing of the hasher behind.
fn finish(hasher: &mut blake3::Hasher) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    hasher.finalize_xof().fill(output.as_mut_slice());
    hasher.zeroize();
    output
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derive(root: u8, purpose: &'static str, context: &[u8]) -> [u8; 32] {
        let root = Secret::from_bytes(Zeroizing::new([root; 32]));
        *DerivedKey::new(&root, purpose, context).as_bytes()
    }

    #[test]
    fn the_same_question_has_the_same_answer() {
        assert_eq!(derive(1, "token", b"citizens"), derive(1, "token", b"citizens"));
    }

    #[test]
    fn root_purpose_and_context_each_matter() {
        let key = derive(1, "token", b"citizens");
        for other in
            [derive(2, "token", b"citizens"), derive(1, "pepper", b"citizens"), derive(1, "token", b"")]
        {
            assert_ne!(key, other);
        }
    }

    #[test]
    fn purpose_and_context_do_not_run_into_each_other() {
        assert_ne!(derive(1, "ab", b"c"), derive(1, "a", b"bc"));
    }

    #[test]
    fn the_construction_is_frozen() {
        let purpose_key = blake3::derive_key("holdfast 2026 seal derive v1: token", &[7; 32]);
        let expected = blake3::keyed_hash(&purpose_key, b"citizens");
        assert_eq!(&derive(7, "token", b"citizens"), expected.as_bytes());
    }
}
