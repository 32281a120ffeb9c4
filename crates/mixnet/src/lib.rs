//! The mathematics of an election that anyone can verify: pure functions of their arguments, without I/O and
//! without a clock. Randomness is passed in.
//!
//! What crosses a wire has one encoding, byte for byte, and decoders refuse all else. What is proven follows from
//! the whole statement. docs/elections-specification.md says it so that a stranger can write a verifier.
//!
//! Work on many things at once runs on rayon's threads: on those of the pool that the caller is in.
#![forbid(unsafe_code)]

mod ballot;
mod contest;
mod elgamal;
mod encoding;
mod generators;
mod group;
pub mod msm;
mod proofs;
mod shuffle;
pub mod tokens;
mod transcript;
mod trustees;
mod voter_key;

pub use ballot::{Ballot, BallotError, Caster, Polling, verify_all};
pub use contest::{
    Answer, AnswerError, Contest, ContestError, ContestFields, Form, Marks, OPTIONS_MAX, SCORE_MAX,
    WRITE_IN_BYTES_MAX,
};
pub use elgamal::{Ciphertext, EncryptionKey, Row, Rows, Secrets, Unfit, WIDTH_MAX};
pub use encoding::{Encoded, Malformed, Reader};
pub use generators::Generators;
pub use group::{EMBEDDED_BYTES, Element, Group, NotCanonical, P256, Ristretto, SCALAR_BYTES, Scalar};
pub use proofs::{EqualityProof, KnowledgeProof};
pub use shuffle::{Mix, ShuffleError, ShuffleProof};
pub use transcript::{Transcript, Weights};
pub use trustees::{
    Ceremony, CeremonyError, Combined, Complaint, Dealer, Dealing, Dealings, Fault, KeyShare, Offence,
    Opening, Openings, PartialDecryption, Quorum, QuorumError, ReceiveError, SealedOpening, TRUSTEES_MAX,
    TooFew, TransportKey, TrusteeKeys, combine,
};
pub use voter_key::is_voter_key;
