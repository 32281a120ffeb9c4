//! Who gave a command, as the ledger records it.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

use ids::Id;

use crate::{Person, PersonKind, Roles, Session};

/// Who asks. Its text form stands in every ledger entry, so that a replay decides as the first run did:
/// `anonymous`, `service/first-start`, `signer/<name>/<role bits in hexadecimal>`, or
/// `person/<id>/<kind>/<role bits in hexadecimal>/<number>/<session>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum By {
    Anonymous,
    /// A part of Holdfast that acts by itself: a job, or the first start.
    Service(Cow<'static, str>),
    /// A service elsewhere, which signs what it asks.
    Signer(Signer),
    Person(Claims),
}

/// What the settings say of a service whose signature held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signer {
    /// Letters, digits and dashes.
    pub name: Arc<str>,
    pub roles: Roles,
}

/// What a token says of the person who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claims {
    pub person: Id<Person>,
    /// The person's number at the service that knows them.
    pub number: u32,
    pub kind: PersonKind,
    pub roles: Roles,
    /// The stay in which they speak: whether it still lasts is known where sessions are kept.
    pub session: Id<Session>,
}

/// An actor in a ledger entry that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an actor: anonymous, service/<name>, signer/<name>/<roles> or person/<id>/<kind>/<roles>/<number>/<session>"
)]
pub struct ByError;

impl By {
    /// The person, if it is one.
    #[must_use]
    pub const fn person(&self) -> Option<Id<Person>> {
        match self {
            Self::Person(claims) => Some(claims.person),
            Self::Anonymous | Self::Service(_) | Self::Signer(_) => None,
        }
    }

    /// The name of the service that signed.
    #[must_use]
    pub fn signer(&self) -> Option<&str> {
        match self {
            Self::Signer(signer) => Some(&signer.name),
            Self::Anonymous | Self::Service(_) | Self::Person(_) => None,
        }
    }

    /// The roles they hold.
    #[must_use]
    pub const fn roles(&self) -> Roles {
        match self {
            Self::Person(claims) => claims.roles,
            Self::Signer(signer) => signer.roles,
            Self::Anonymous | Self::Service(_) => Roles::NONE,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Service(name) => write!(f, "service/{name}"),
            Self::Signer(Signer { name, roles }) => write!(f, "signer/{name}/{:x}", roles.bits()),
            Self::Person(Claims { person, number, kind, roles, session }) => {
                write!(f, "person/{person}/{kind}/{:x}/{number}/{session}", roles.bits())
            }
        }
    }
}

impl FromStr for By {
    type Err = ByError;

    fn from_str(text: &str) -> Result<Self, ByError> {
        let parts: Vec<_> = text.splitn(7, '/').collect();
        match *parts {
            ["anonymous"] => Ok(Self::Anonymous),
            ["signer", name, roles] => Ok(Self::Signer(Signer {
                name: name.into(),
                roles: u32::from_str_radix(roles, 16).ok().and_then(Roles::from_bits).ok_or(ByError)?,
            })),
            ["service", name] => Ok(Self::Service(Cow::Owned(name.to_owned()))),
            ["person", person, kind, roles, number, session] => Ok(Self::Person(Claims {
                person: person.parse().map_err(|_| ByError)?,
                number: number.parse().map_err(|_| ByError)?,
                kind: kind.parse().map_err(|_| ByError)?,
                roles: u32::from_str_radix(roles, 16).ok().and_then(Roles::from_bits).ok_or(ByError)?,
                session: session.parse().map_err(|_| ByError)?,
            })),
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
            number: 12,
            kind: PersonKind::Government,
            roles: [Role::Support, Role::Auditor].into_iter().collect(),
            session: Id::new(8, [3; 10]),
        };
        let signer = Signer { name: "billing".into(), roles: [Role::Introspector].into_iter().collect() };
        for by in [By::Anonymous, By::Service("first-start".into()), By::Signer(signer), By::Person(claims)] {
            assert_eq!(by.to_string().parse(), Ok(by));
        }
    }

    #[test]
    fn a_garbled_actor_is_refused() {
        for text in [
            "",
            "king",
            "service",
            "signer/a",
            "signer/a/x",
            "signer/a/1/2",
            "person/7/citizen/0",
            "anonymous/x",
            "person//////",
            "person///////",
        ] {
            assert_eq!(text.parse::<By>(), Err(ByError), "{text}");
        }
    }
}
