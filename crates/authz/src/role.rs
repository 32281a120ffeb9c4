//! The closed sets of kinds and roles: what a person is, and what they may do.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A word that names no kind or role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is none of {known}")]
pub struct UnknownWord {
    word: String,
    known: String,
}

/// A closed set of words, each with the number under which it is stored.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $number:literal $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant = $number,)+ }

        impl $name {
            /// Every one, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it, in the API and in the ledger.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The number under which it is stored: never changed.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }

            /// The one that has this number.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|one| one.word() == word).ok_or_else(|| UnknownWord {
                    word: word.chars().take(40).collect(),
                    known: Self::ALL.iter().map(|one| one.word()).collect::<Vec<_>>().join(", "),
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                word.parse().map_err(de::Error::custom)
            }
        }
    };
}

words! {
    /// What kind of person it is, which decides limits and rules.
    PersonKind {
        Citizen = 0 "citizen",
        Staff = 1 "staff",
        Government = 2 "government",
        /// A program that signs in by itself.
        Service = 3 "service",
    }
}

words! {
    /// Something a person may be trusted with.
    Role {
        /// Registers people and gives roles.
        Administrator = 0 "administrator",
        /// Helps people: looks them up, ends their sessions, erases them when they ask.
        Support = 1 "support",
        /// Reads every ledger entry, and changes nothing.
        Auditor = 2 "auditor",
        /// Watches and runs the machines.
        Operator = 3 "operator",
        /// A service that asks about other people's tokens.
        Introspector = 4 "introspector",
        /// Holds elections.
        Officer = 5 "officer",
    }
}

/// The roles one person holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Roles(u32);

impl Roles {
    /// No role: what most people hold.
    pub const NONE: Self = Self(0);

    /// Is this role among them?
    #[must_use]
    pub const fn contains(self, role: Role) -> bool {
        self.0 & (1 << role.number()) != 0
    }

    /// One bit a role, by its number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The roles of these bits, if each bit is one.
    #[must_use]
    pub fn from_bits(bits: u32) -> Option<Self> {
        let known: Self = Role::ALL.iter().copied().collect();
        (bits & !known.0 == 0).then_some(Self(bits))
    }

    /// Each of them, lowest number first.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.iter().copied().filter(move |role| self.contains(*role))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | 1 << role.number()))
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Role>::deserialize(deserializer)?.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_and_number_reads_back() {
        for role in Role::ALL {
            assert_eq!(role.word().parse(), Ok(*role));
            assert_eq!(Role::from_number(role.number()), Some(*role));
        }
    }

    #[test]
    fn an_unknown_word_is_told_the_known_ones() {
        let error = "king".parse::<Role>().expect_err("there is no such role").to_string();
        assert!(error.contains("`king`") && error.contains("administrator"), "{error}");
    }

    #[test]
    fn bits_that_name_no_role_are_refused() {
        assert_eq!(Roles::from_bits(1 << 31), None);
        assert_eq!(Roles::from_bits(0b101), Some([Role::Administrator, Role::Auditor].into_iter().collect()));
    }
}
