//! May someone who is signed in still give commands? Their session may have ended after their request began.

use authz::By;
use ledger::Standing;
use store::{Keys, StoreError, Tx};

use crate::{
    person::{PersonEpoch, epoch_of},
    session::Session,
};

/// Every command of a person is given in a session that has not ended.
pub(crate) const STANDING: Standing = Standing { reads, holds };

fn reads(by: &By, keys: &mut Keys<'_>) {
    if let By::Person(claims) = by {
        keys.want::<Session>((claims.person, claims.session));
        keys.want::<PersonEpoch>(claims.number);
    }
}

fn holds(by: &By, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    let By::Person(claims) = by else { return Ok(true) };
    let epoch = epoch_of(tx, claims.number)?;
    let session = tx.get::<Session>((claims.person, claims.session))?;
    Ok(session.is_some_and(|session| session.epoch == epoch))
}
