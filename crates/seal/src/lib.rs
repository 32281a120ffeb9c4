//! Keys and what they close: signatures of checkpoints, sealed personal data, and keys derived from one root.
//!
//! Everything secret that Holdfast holds starts in one key file, read into [`Keys`]. From it come
//! - keys and peppers for every purpose, by [`Keys::derive`] (BLAKE3);
//! - the signatures under checkpoints, by [`SigningKeys`] (Ed25519 and ML-DSA-44);
//! - the wrapping of each person's own [`PersonKey`], which seals that person's data (AES-256-GCM) and
//!   whose destruction is what erasing a person means.
//!
//! Byte formats are versioned and frozen: what was sealed once is opened by every later release.

mod aead;
mod backup_key;
mod deployment;
mod derived;
mod file;
mod key_set;
mod keys;
mod person_key;
mod person_keys;
mod person_keys_copy;
mod secret;
mod signing;
mod wrapping;

pub use backup_key::BackupKey;
pub use deployment::{Deployment, DeploymentError, deployment_schema};
pub use derived::DerivedKey;
pub use file::KeysError;
pub use key_set::{Generation, KeyTextError, check_key_text};
pub use keys::Keys;
pub use person_key::{OpenError, PersonKey};
pub use person_keys::{PersonKeyError, PersonKeys};
pub use person_keys_copy::{PersonKeysCopy, read_person_keys, write_person_keys};
pub use signing::{BadSignature, PublicKey, PublicKeyError, SigningError, SigningKeys};
pub use wrapping::{UnwrapError, wrapped_under};
