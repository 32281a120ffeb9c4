//! Who asks, and whether they may: permission as a value.
//!
//! A service takes [`Permitted<C>`]; only [`Actor::permit`] makes one; so a route that forgot the check
//! does not compile.

mod by;
mod role;

pub use by::{By, ByError, Claims, Signer};
use ids::Id;
use problem::Problem;
pub use role::{PersonKind, Role, Roles, UnknownWord};

/// A natural person or a service, as all domains know them: an identifier and nothing else.
pub enum Person {}

/// One stay of a signed-in person.
pub enum Session {}

/// Whoever sent a request, once the edge has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    by: By,
}

/// A command someone was allowed to give. Only [`Actor::permit`] makes one.
#[derive(Debug)]
pub struct Permitted<C> {
    by: By,
    command: C,
}

/// Says who may give a command, as far as that can be told without looking at any state.
/// Relations (is this nurse on this ward) are checked inside `apply`.
pub trait Guarded {
    fn allows(&self, actor: &Actor) -> bool;
}

/// The actor may not give this command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this needs a signed-in person: send `Authorization: Bearer <token>`")]
    Anonymous,
    #[error("you are not allowed to do this")]
    Known,
}

impl Actor {
    /// Someone who has not said who they are.
    pub const ANONYMOUS: Self = Self { by: By::Anonymous };

    /// A part of Holdfast that acts by itself, such as the first start.
    #[must_use]
    pub const fn service(name: &'static str) -> Self {
        Self { by: By::Service(std::borrow::Cow::Borrowed(name)) }
    }

    /// A person whose token held.
    #[must_use]
    pub const fn person(claims: Claims) -> Self {
        Self { by: By::Person(claims) }
    }

    /// A service elsewhere whose signature held.
    #[must_use]
    pub const fn signer(signer: Signer) -> Self {
        Self { by: By::Signer(signer) }
    }

    /// As the ledger will know them.
    #[must_use]
    pub const fn by(&self) -> &By {
        &self.by
    }

    /// The session they speak in.
    #[must_use]
    pub const fn session(&self) -> Option<Id<Session>> {
        match &self.by {
            By::Person(claims) => Some(claims.session),
            By::Anonymous | By::Service(_) | By::Signer(_) => None,
        }
    }

    /// Is it this person?
    #[must_use]
    pub fn is(&self, person: Id<Person>) -> bool {
        self.by.person() == Some(person)
    }

    /// Do they hold this role?
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.by.roles().contains(role)
    }

    /// Part of the house itself?
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self.by, By::Service(_))
    }

    /// Makes the command one that a service will take, if this actor may give it.
    pub fn permit<C: Guarded>(&self, command: C) -> Result<Permitted<C>, Denied> {
        if command.allows(self) {
            return Ok(Permitted { by: self.by.clone(), command });
        }
        Err(if self.by == By::Anonymous { Denied::Anonymous } else { Denied::Known })
    }
}

impl<C> Permitted<C> {
    /// Who gave the command, and the command.
    #[must_use]
    pub fn into_parts(self) -> (By, C) {
        (self.by, self.command)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Anonymous => Self::unauthorized("authz/sign-in-first", denied, "Bearer"),
            Denied::Known => Self::forbidden("authz/not-allowed", denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct OnlyFor(Role);

    impl Guarded for OnlyFor {
        fn allows(&self, actor: &Actor) -> bool {
            actor.has(self.0)
        }
    }

    fn holder(roles: &[Role]) -> Actor {
        let person = Id::new(1, [1; 10]);
        let roles = roles.iter().copied().collect();
        let session = Id::new(1, [2; 10]);
        Actor::person(Claims { person, number: 1, kind: PersonKind::Staff, roles, session })
    }

    #[test]
    fn a_holder_of_the_role_is_permitted() {
        assert!(holder(&[Role::Auditor]).permit(OnlyFor(Role::Auditor)).is_ok());
    }

    #[test]
    fn another_role_does_not_help() {
        let denied = holder(&[Role::Auditor]).permit(OnlyFor(Role::Administrator)).err();
        assert_eq!(denied, Some(Denied::Known));
    }

    #[test]
    fn a_stranger_is_asked_to_sign_in() {
        let denied = Actor::ANONYMOUS.permit(OnlyFor(Role::Auditor)).err();
        assert_eq!(denied, Some(Denied::Anonymous));
    }
}
