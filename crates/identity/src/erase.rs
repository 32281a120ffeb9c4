//! Carrying an erasure out: the key to all that is sealed about somebody goes first, then their rows and the
//! erasable parts of their entries.

use authz::{Actor, Person};
use ids::Id;
use ledger::SubmitError;
use problem::Problem;

use crate::{
    Identity,
    authenticate::{Credentials, by_itself},
    confirm::proof_refused,
    erase_person::{BeginErasure, ErasePerson, ErasePersonError, Erased, MayErase},
};

/// Erasures that the sweeper looks for at a time.
pub(crate) const ERASURES_MAX: u32 = 10;

impl Identity {
    /// Erases a person. Once this has begun it is finished, whatever becomes of the caller and the process.
    ///
    /// # Errors
    /// When there is no such person, the actor may not, or does not prove who they are.
    pub async fn erase(
        &self,
        actor: &Actor,
        person: Id<Person>,
        proof: Option<Credentials>,
        address: Option<std::net::IpAddr>,
    ) -> Result<(), Problem> {
        let _ = actor.permit(MayErase(person))?;
        self.person(person).await?;
        let proof = self.confirm(actor, proof, address, proof_refused).await?;
        self.ledger().submit(actor.permit(BeginErasure { person, proof })?).await?;
        self.finish_erasure(person).await
    }

    /// Finishes an erasure that has begun. Doing it twice at once is doing it once.
    ///
    /// # Errors
    /// When the key could not be destroyed, or the rows not be taken; the sweeper tries again.
    pub(crate) async fn finish_erasure(&self, person: Id<Person>) -> Result<(), Problem> {
        self.person_keys().destroy(person).await?;
        loop {
            match self.ledger().submit(by_itself(ErasePerson { person })?).await {
                Ok(receipt) if receipt.done == Erased::InPart => {}
                Ok(_) | Err(SubmitError::Refused(ErasePersonError::NoSuchPerson)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
