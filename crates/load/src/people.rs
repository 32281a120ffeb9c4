//! The people whom the drill plays: each with a password, a token, or a device of their own.

mod seat;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
pub use seat::Seat;
use serde::Deserialize;

/// Which people a journey is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Somebody whom nobody knows.
    Nobody,
    /// Registered, with a password and a token.
    Citizen,
    /// Registered, with a device key.
    Device,
}

/// Somebody.
#[derive(Debug, Default)]
pub struct Person {
    pub user: String,
    pub password: String,
    pub token: String,
    pub id: String,
    /// Where the ledger says that they were registered.
    pub receipt_index: u64,
    pub device: Option<Device>,
    /// What they choose in each of their votes that are not secret.
    pub option: String,
    /// Where they vote in secret, if they do.
    pub seat: Option<Seat>,
}

/// A device key, and under which identifier it was enrolled.
#[derive(Debug)]
pub struct Device {
    pub key: Ed25519KeyPair,
    pub key_id: String,
}

impl Person {
    pub fn key_id(&self) -> &str {
        self.device.as_ref().map_or("", |device| &device.key_id)
    }

    pub fn public_key(&self) -> String {
        self.device.as_ref().map_or_else(String::new, |device| public_key(&device.key))
    }

    /// What their device says to a challenge.
    pub fn sign(&self, purpose: &str, challenge: &str) -> String {
        self.sign_as(&self.user, purpose, challenge)
    }

    /// What their device says to a challenge in a name that may be another's.
    pub fn sign_as(&self, user: &str, purpose: &str, challenge: &str) -> String {
        let text = format!("holdfast {purpose} v1\n{user}\n{challenge}");
        let sign = |device: &Device| URL_SAFE_NO_PAD.encode(device.key.sign(text.as_bytes()));
        self.device.as_ref().map_or_else(String::new, sign)
    }
}

/// The public half of a key, as it is enrolled.
pub fn public_key(key: &Ed25519KeyPair) -> String {
    URL_SAFE_NO_PAD.encode(key.public_key())
}

/// Everybody, by what they can do.
#[derive(Debug, Default)]
pub struct People {
    pub citizens: Vec<Person>,
    pub devices: Vec<Person>,
}

impl People {
    /// One of them, by a number that was drawn.
    #[must_use]
    pub fn one(&self, kind: Kind, drawn: usize) -> Option<&Person> {
        let among = match kind {
            Kind::Nobody => return None,
            Kind::Citizen => &self.citizens,
            Kind::Device => &self.devices,
        };
        among.get(drawn.checked_rem(among.len())?)
    }
}
