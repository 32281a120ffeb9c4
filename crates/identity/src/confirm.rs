//! Whoever is signed in proves once more who they are, before something that a stolen token must not do.

use std::net::IpAddr;

use authz::{Actor, Denied};
use problem::Problem;

use crate::{
    Identity,
    authenticate::{Credentials, Found, open_text},
    device_key::Purpose,
    proof::Proof,
    refuse_sign_in::{Reason, Whom},
    register::no_such_person,
    sql,
    throttle::{Guess, Origin},
};

/// The answer to somebody who is signed in and whose proof is missing or does not hold.
pub(crate) fn proof_refused() -> Problem {
    let detail = "this needs a `proof` of who you are: your present password, or a signature by a device key";
    Problem::forbidden("identity/proof-refused", detail)
}

impl Identity {
    /// Checks what the actor offers as proof. Failed attempts count: the holder of a stolen token must not
    /// guess the password.
    ///
    /// # Errors
    /// `refused` when it is missing or does not hold; or that it was tried too often.
    pub(crate) async fn confirm(
        &self,
        actor: &Actor,
        offered: Option<Credentials>,
        address: Option<IpAddr>,
        refused: fn() -> Problem,
    ) -> Result<Proof, Problem> {
        let id = actor.by().person().ok_or(Denied::Anonymous)?;
        let offered = offered.ok_or_else(refused)?;
        let key = offered.key();
        let read = self.ledger().readers().read(move |snapshot| sql::person_with_key(snapshot, id, key));
        let (person, key) = read.await?.ok_or_else(no_such_person)?;
        let guess = Guess { name: person.login.key().0, address, origin: Origin::SignedIn };
        self.admit(&guess)?;
        let found = Found { person: Some(person), key };
        let checked = self.check_own(&offered, &found).await;
        match self.judged(&guess, checked)? {
            Ok(proof) => {
                self.forgive(&guess);
                Ok(proof)
            }
            Err(reason) => {
                self.note_refusal(Whom::Person(id), reason).await?;
                Err(refused())
            }
        }
    }

    async fn check_own(
        &self,
        offered: &Credentials,
        found: &Found,
    ) -> Result<Result<Proof, Reason>, Problem> {
        let Some(person) = &found.person else { return Ok(Err(Reason::UnknownName)) };
        if let Credentials::Password(password) = offered {
            return self.check_password(password, Some(person)).await;
        }
        let key = self.key_of(person.id).await?;
        let name = person.name.content().ok_or_else(no_such_person)?;
        let name = open_text(&key, "name", person.id, name)?;
        Ok(self.check_signature(Purpose::Confirm, &name, offered, found))
    }
}
