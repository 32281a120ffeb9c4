//! A stay of a signed-in person.

use clock::Timestamp;
use ids::Id;
use serde::{Deserialize, Serialize};
use store::{Cell, CellRef, Column, ColumnType, table};

table! {
    /// Someone who is signed in somewhere.
    pub struct Session in "sessions", Replayed {
        key { pub person: Id<authz::Person>, pub id: Id<authz::Session> }
        pub expires_at: Timestamp,
        /// The person's epoch when they signed in: a session of an earlier one has ended.
        pub epoch: u32,
        pub assurance: Assurance,
        /// Is its token bound to a device?
        pub device_bound: bool,
    }
}

table! {
    /// A session that was ended before its token expires.
    pub struct RevokedSession in "revoked_sessions", Replayed {
        key { pub expires_at: Timestamp, pub id: Id<authz::Session> }
    }
}

/// How sure we are of who signed in: the factors that counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// Something they know: authenticator assurance level 1 of NIST SP 800-63B.
    Password,
    /// Something they have, proven by a signature: level 1, and proof against phishing of passwords.
    DeviceKey,
}

impl Assurance {
    /// The number under which it is stored and written into tokens: never changed.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::DeviceKey => 2,
        }
    }

    /// The one that has this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Password),
            2 => Some(Self::DeviceKey),
            _ => None,
        }
    }

    /// The word for the factor in the API.
    #[must_use]
    pub const fn factor(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::DeviceKey => "device-key",
        }
    }
}

impl Column for Assurance {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "the number of an assurance";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(self.number().into())
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        u8::from_cell(cell).and_then(Self::from_number)
    }
}
