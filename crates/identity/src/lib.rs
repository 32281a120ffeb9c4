//! Identity: who people are, how they prove it, and what their tokens say.
//!
//! - A **person** has a sign-in name, a kind and roles. What is personal about them is sealed under a key
//!   of their own; destroying that key is what erasing them means.
//! - They **sign in** with a password (Argon2id) or a device key (Ed25519, ES256). Every attempt is in the
//!   ledger, without secrets. Unknown names, wrong passwords and disabled persons are answered alike.
//! - A **session** begins with each sign-in. Its **token** is 96 bytes that any core checks in well under a
//!   microsecond: a keyed hash, an expiry, the person's epoch and the set of ended sessions.
//! - Signing out ends one session, or bumps the epoch and ends all. A command whose giver was signed out
//!   before its turn is not applied.
//! - What a token alone must not do (enrol a device key, erase somebody, set a password) takes a fresh
//!   **proof**, which is checked again when the command is applied.

mod administrators;
mod authenticate;
mod challenge;
mod change_person;
mod confirm;
mod device_key;
mod enrol_device_key;
mod erase;
mod erase_person;
mod export;
mod finish_erasure;
mod hasher;
mod http;
mod identity;
mod instruments;
mod known_place;
mod live;
mod login_name;
mod look_up;
mod marks;
mod password;
mod person;
mod proof;
mod recent;
mod record_incidents;
mod record_operation;
mod refusals;
mod refuse_sign_in;
mod register;
mod register_person;
mod ring;
mod routine;
mod session;
mod sign_in;
mod sign_out;
mod sql;
mod standing;
mod sweep;
mod sweep_expired;
mod throttle;
mod token;
mod tokens;

pub use administrators::FIRST_ADMINISTRATOR;
pub use authenticate::{Attempt, Credentials};
pub use challenge::{CHALLENGE_LIFE, Challenge};
pub use change_person::{ChangePassword, ChangePersonError, ChangeStanding};
pub use device_key::{DEVICE_KEYS_MAX, DeviceKey, Purpose, SignatureAlgorithm, signed_text};
pub use enrol_device_key::{DeviceKeyEnrolled, DeviceKeyError, EnrolDeviceKey, RevokeDeviceKey};
pub use erase::Erasing;
pub use erase_person::{BeginErasure, ErasePerson, ErasePersonError, Erased, Erasure};
pub use hasher::{ChoiceError, Hasher, HasherConfig, HasherError};
pub use http::{description, direct, identify, routes};
pub use identity::{Identity, IdentityConfig, Opening, commands, schema};
pub use known_place::{KnownPlace, PLACES_MAX, PlaceHash, PlaceKind, Sighting};
pub use live::{Live, Revoked};
pub use login_name::{LoginName, LoginNameError};
pub use password::{PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, Password, PasswordError};
pub use person::{Person, PersonEpoch, SERVICE};
pub use proof::{Proof, ProofError};
pub use record_incidents::{
    INCIDENTS_MAX, RecordIncidents, RecordIncidentsError, RecordedIncident, RecordedKind, network_around,
};
pub use record_operation::{RecordOperation, RecordOperationError};
pub use refuse_sign_in::{Reason, RefuseSignIn, RefuseSignInError, Whom};
pub use register::{NewKey, NewPassword, NewPerson};
pub use register_person::{FirstKey, PersonRegistered, RegisterPerson, RegisterPersonError};
pub use session::{Assurance, RevokedSession, Session};
pub use sign_in::{SignIn, SignInError, SignedIn};
pub use sign_out::{SignOut, SignOutError, SignOutEverywhere};
pub use sweep::{SWEPT_MAX, Sweep, SweepError};
pub use throttle::{Guess, Origin, RegistrationConfig, Throttle, TryAgainIn};
pub use token::{Audience, OWN_AUDIENCE, TOKEN_BYTES, TOKEN_CHARS, TagKey, Token};
pub use tokens::{TOKEN_DAYS_MAX, TokenError, Tokens, Validator};
