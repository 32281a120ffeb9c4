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

/// How far an erasure has come when whoever asked for it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasing {
    /// Nothing is left.
    Finished,
    /// They cannot sign in any more; a job does the rest as soon as it can be done.
    Begun,
}

impl Identity {
    /// Erases a person. Once this has begun it is finished, whatever becomes of the caller and the process.
    ///
    /// # Errors
    /// When it has not begun: there is no such person, the actor may not, or does not prove who they are.
    pub async fn erase(
        &self,
        actor: &Actor,
        person: Id<Person>,
        proof: Option<Credentials>,
        address: Option<std::net::IpAddr>,
    ) -> Result<Erasing, Problem> {
        let _ = actor.permit(MayErase(person))?;
        self.person(person).await?;
        let proof = self.confirm(actor, proof, address, proof_refused).await?;
        let job = Some(self.clock().id());
        self.ledger().submit(actor.permit(BeginErasure { person, proof, job })?).await?;
        // That it has begun cannot be taken back, so nobody is told that nothing happened.
        match self.finish_erasure(person).await {
            Ok(()) => Ok(Erasing::Finished),
            Err(problem) => {
                tracing::warn!(
                    code = "identity/erasure-unfinished",
                    cause = problem.code(),
                    "an erasure could not be finished at once, and is left to its job"
                );
                Ok(Erasing::Begun)
            }
        }
    }
}
