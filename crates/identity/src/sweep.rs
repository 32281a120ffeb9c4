//! What has expired is cleared away, as a command like any other, so that a replay clears it too.

use authz::{Actor, By, Guarded};
use clock::Timestamp;
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Column, Keys, Row, Scan, StoreError, Tx};

use crate::{
    challenge::UsedChallenge,
    known_place::KnownPlace,
    session::{RevokedSession, Session},
};

/// Rows of each kind that one sweep clears away.
pub const SWEPT_MAX: u32 = 500;

/// Clears expired rows away. Sessions are named, because their rows are not in the order of expiry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sweep {
    /// What the clock said: a ledger's time may be ahead of it.
    pub until: Timestamp,
    pub sessions: Vec<(Id<authz::Person>, Id<authz::Session>)>,
    /// Devices and networks that nobody was seen at for a year.
    pub places: Vec<(Id<authz::Person>, Id<KnownPlace>)>,
}

/// Why nothing was cleared away.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Guarded for Sweep {
    /// Only this service gives it.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for Sweep {
    const NAME: &'static str = "identity/sweep";
    type Done = ();
    type Refused = SweepError;

    fn reads(&self, keys: &mut Keys<'_>) {
        self.sessions.iter().for_each(|key| keys.want::<Session>(*key));
        self.places.iter().for_each(|key| keys.want::<KnownPlace>(*key));
    }

    fn apply(self, _by: &By, tx: &mut Tx<'_>, at: Timestamp) -> Result<Applied<()>, SweepError> {
        let at = at.min(self.until);
        for key in self.places {
            if let Some(place) = tx.get::<KnownPlace>(key)?.filter(|place| place.is_forgotten(at)) {
                tx.delete(place);
            }
        }
        for key in self.sessions {
            if let Some(session) = tx.get::<Session>(key)?.filter(|session| session.expires_at <= at) {
                tx.delete(session);
            }
        }
        delete_expired::<UsedChallenge>(tx, at)?;
        delete_expired::<RevokedSession>(tx, at)?;
        Ok(Applied::new(()))
    }
}

/// Deletes rows whose key begins with an expiry that has passed.
fn delete_expired<R: Row>(tx: &mut Tx<'_>, at: Timestamp) -> Result<(), StoreError> {
    let expired = Scan { prefix: Vec::new(), below: Some(at.cell()), limit: SWEPT_MAX as usize };
    tx.scan::<R>(&expired)?.into_iter().for_each(|row| tx.delete(row));
    Ok(())
}

impl From<SweepError> for Problem {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Store(error) => error.into(),
        }
    }
}
