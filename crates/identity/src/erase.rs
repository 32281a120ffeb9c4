//! Asking for an erasure, and carrying it out while somebody waits for it.

use authz::{Actor, Person};
use ids::Id;
use problem::Problem;

use crate::{
    Identity,
    authenticate::Credentials,
    confirm::proof_refused,
    erase_person::{BeginErasure, MayErase},
};

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
        let job = Some(self.clock().id());
        self.ledger().submit(actor.permit(BeginErasure { person, proof, job })?).await?;
        self.finish_erasure(person).await
    }
}
