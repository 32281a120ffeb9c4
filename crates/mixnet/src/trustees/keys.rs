//! What trustees end up with: a share each, and public keys that anybody checks them by.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Quorum, QuorumError};
use crate::{
    elgamal::EncryptionKey,
    encoding::{Encoded, Malformed, Reader},
    group::{Group, NotCanonical, SCALAR_BYTES},
};

/// What shares are sent to a trustee under.
pub struct TransportKey<G: Group> {
    secret: Zeroizing<G::Scalar>,
    public: G::Element,
}

/// One trustee's part of the election's secret.
pub struct KeyShare<G: Group> {
    pub(super) trustee: u16,
    pub(super) secret: Zeroizing<G::Scalar>,
}

/// The election's public key, and each trustee's, by which their decryptions are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrusteeKeys<G: Group> {
    pub(super) quorum: Quorum,
    pub(super) key: EncryptionKey<G>,
    pub(super) trustees: Vec<G::Element>,
}

impl<G: Group> TransportKey<G> {
    #[must_use]
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let secret = Zeroizing::new(G::random_scalar(rng));
        let public = G::mul_generator(&secret);
        Self { secret, public }
    }

    #[must_use]
    pub const fn public(&self) -> &G::Element {
        &self.public
    }

    /// For the trustee's own safe: the scalar.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<[u8; SCALAR_BYTES]> {
        Zeroizing::new(G::encode_scalar(&self.secret))
    }

    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let secret = Zeroizing::new(G::decode_scalar(bytes)?);
        let public = G::mul_generator(&secret);
        if public == G::identity() {
            return Err(Malformed::NotCanonical(NotCanonical::Scalar));
        }
        Ok(Self { secret, public })
    }

    pub(super) fn secret(&self) -> &G::Scalar {
        &self.secret
    }
}

impl<G: Group> KeyShare<G> {
    /// Whose it is: from 1.
    #[must_use]
    pub const fn trustee(&self) -> u16 {
        self.trustee
    }

    /// For the trustee's own safe: number and scalar.
    #[must_use]
    pub fn to_secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(2 + SCALAR_BYTES));
        bytes.extend(self.trustee.to_be_bytes());
        bytes.extend(*Zeroizing::new(G::encode_scalar(&self.secret)));
        bytes
    }

    pub fn from_secret_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let trustee = u16::from_be_bytes(reader.array()?);
        let secret = Zeroizing::new(reader.scalar::<G>()?);
        reader.end()?;
        Ok(Self { trustee, secret })
    }
}

impl<G: Group> TrusteeKeys<G> {
    #[must_use]
    pub const fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// What ballots are encrypted to.
    #[must_use]
    pub const fn key(&self) -> &EncryptionKey<G> {
        &self.key
    }

    /// The public key of a trustee's share.
    #[must_use]
    pub fn of_trustee(&self, trustee: u16) -> Option<&G::Element> {
        self.trustees.get(usize::from(trustee.checked_sub(1)?))
    }

    /// Is this that trustee's share?
    #[must_use]
    pub fn is_share(&self, share: &KeyShare<G>) -> bool {
        self.of_trustee(share.trustee) == Some(&G::mul_generator(&share.secret))
    }
}

impl<G: Group> Encoded for TrusteeKeys<G> {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend(self.quorum.threshold.to_be_bytes());
        into.extend(self.quorum.trustees.to_be_bytes());
        self.key.encode(into);
        self.trustees.iter().for_each(|key| G::encode_element(key, into));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let [threshold, trustees] = [reader.array()?, reader.array()?].map(u16::from_be_bytes);
        let quorum = if threshold == trustees {
            Quorum::unanimous(trustees)
        } else {
            Quorum::new(threshold, trustees)
        };
        let quorum = quorum.map_err(|_: QuorumError| Malformed::Count(u32::from(threshold)))?;
        let key = EncryptionKey::read(reader)?;
        Ok(Self { quorum, key, trustees: reader.elements::<G>(usize::from(trustees))? })
    }
}

impl<G: Group> fmt::Debug for TransportKey<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TransportKey(..)")
    }
}

impl<G: Group> fmt::Debug for KeyShare<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyShare({}, ..)", self.trustee)
    }
}
