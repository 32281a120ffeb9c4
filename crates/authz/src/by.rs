//! Who gave a command, as the ledger records it.

use std::{borrow::Cow, fmt, str::FromStr};

use ids::Id;

use crate::{Person, PersonKind, Roles};

/// Who asks. Its text form stands in every ledger entry, so that a replay decides as the first run did:
/// `anonymous`, `service/first-start`, or `person/<id>/<kind>/<role bits in hexadecimal>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum By {
    Anonymous,
    /// A part of Holdfast that acts by itself: a job, or the first start.
    Service(Cow<'static, str>),
    Person(Claims),
}

/// What a token says of the person who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claims {
    pub person: Id<Person>,
    pub kind: PersonKind,
    pub roles: Roles,
}

/// An actor in a ledger entry that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an actor: anonymous, service/<name> or person/<id>/<kind>/<roles>")]
pub struct ByError;

impl By {
    /// The person, if it is one.
    #[must_use]
    pub const fn person(&self) -> Option<Id<Person>> {
        match self {
            Self::Person(claims) => Some(claims.person),
            Self::Anonymous | Self::Service(_) => None,
        }
    }

    /// The roles they hold.
    #[must_use]
    pub const fn roles(&self) -> Roles {
        match self {
            Self::Person(claims) => claims.roles,
            Self::Anonymous | Self::Service(_) => Roles::NONE,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Service(name) => write!(f, "service/{name}"),
            Self::Person(Claims { person, kind, roles }) => {
                write!(f, "person/{person}/{kind}/{:x}", roles.bits())
            }
        }
    }
}

impl FromStr for By {
    type Err = ByError;

    fn from_str(text: &str) -> Result<Self, ByError> {
        let mut parts = text.split('/');
        match [parts.next(), parts.next(), parts.next(), parts.next(), parts.next()] {
            [Some("anonymous"), None, ..] => Ok(Self::Anonymous),
            [Some("service"), Some(name), None, ..] => Ok(Self::Service(Cow::Owned(name.to_owned()))),
            [Some("person"), Some(person), Some(kind), Some(roles), None] => {
                let person = person.parse().map_err(|_| ByError)?;
                let kind = kind.parse().map_err(|_| ByError)?;
                let bits = u32::from_str_radix(roles, 16).map_err(|_| ByError)?;
                Ok(Self::Person(Claims { person, kind, roles: Roles::from_bits(bits).ok_or(ByError)? }))
            }
            _ => Err(ByError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;

    #[test]
    fn an_actor_reads_back_from_the_ledger() {
        let claims = Claims {
            person: Id::new(7, [9; 10]),
            kind: PersonKind::Government,
            roles: [Role::Support, Role::Auditor].into_iter().collect(),
        };
        for by in [By::Anonymous, By::Service("first-start".into()), By::Person(claims)] {
            assert_eq!(by.to_string().parse(), Ok(by));
        }
    }

    #[test]
    fn a_garbled_actor_is_refused() {
        for text in ["", "king", "service", "person/7/citizen/0", "anonymous/x", "person////"] {
            assert_eq!(text.parse::<By>(), Err(ByError), "{text}");
        }
    }
}
