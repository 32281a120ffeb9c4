//! What is true of tokens right now, in memory: epochs by person, and sessions that were ended. A commit
//! changes it after its sync and before its answers.

use std::sync::{
    OnceLock, RwLock, RwLockReadGuard,
    atomic::{AtomicU32, Ordering},
};

use clock::Timestamp;
use hashbrown::HashSet;
use ids::Id;
use store::{Changes, Snapshot, StoreError};

use crate::{marks::Marks, person::PersonEpoch, session::RevokedSession, sql};

/// Persons whose epochs lie together; a block is made when one of them first has one.
const BLOCK: usize = 1 << 16;

type Block = Box<[AtomicU32]>;

/// Epochs and ended sessions.
pub struct Live {
    blocks: Box<[OnceLock<Block>]>,
    marks: Marks,
    revoked: RwLock<Revoked>,
}

/// Sessions that were ended before their tokens expire.
#[derive(Debug, Default)]
pub struct Revoked {
    /// By the 62 random bits of the session's identifier: half the memory of the whole, and nobody can
    /// choose them. A sweep of the expired rows takes them out again.
    sessions: HashSet<u64>,
    /// Marks that may be set and belong to none of them any more.
    stale_marks: usize,
}

impl Live {
    /// Nobody's tokens were ever ended.
    #[must_use]
    pub fn new() -> Self {
        let blocks = (0..=u32::MAX as usize / BLOCK).map(|_| OnceLock::new()).collect();
        Self { blocks, marks: Marks::new(), revoked: RwLock::default() }
    }

    /// What the database says.
    ///
    /// # Errors
    /// When the store fails.
    pub fn load(snapshot: &Snapshot<'_>, now: Timestamp) -> Result<Self, StoreError> {
        let live = Self::new();
        sql::each_epoch(snapshot, |number, epoch| live.set_epoch(number, epoch))?;
        let mut revoked = Vec::new();
        sql::each_revoked(snapshot, now, |session| revoked.push(session))?;
        live.revoke_all(revoked);
        Ok(live)
    }

    /// The epoch that a token of the person with this number must have.
    #[must_use]
    pub fn epoch(&self, number: u32) -> u32 {
        let (block, place) = split(number);
        self.blocks[block].get().map_or(0, |block| block[place].load(Ordering::Acquire))
    }

    /// Ends these sessions.
    pub fn revoke_all(&self, sessions: impl IntoIterator<Item = Id<authz::Session>>) {
        let mut revoked = self.revoked.write().expect("nobody panics while revoking");
        sessions.into_iter().for_each(|session| revoked.insert(session, &self.marks));
    }

    /// From now on, tokens of the person with this number must have this epoch.
    pub fn set_epoch(&self, number: u32, epoch: u32) {
        let (block, place) = split(number);
        let block = self.blocks[block].get_or_init(|| (0..BLOCK).map(|_| AtomicU32::new(0)).collect());
        // News of other nodes come a little later than one's own: what was ended stays so.
        block[place].fetch_max(epoch, Ordering::AcqRel);
    }

    /// May this session have been ended? If not, there is no need to look it up.
    #[must_use]
    pub fn may_be_revoked(&self, session: Id<authz::Session>) -> bool {
        self.marks.has(random_part(session))
    }

    /// The ended sessions, to look up one or many.
    pub fn revoked(&self) -> RwLockReadGuard<'_, Revoked> {
        self.revoked.read().expect("nobody panics while revoking")
    }

    /// Follows a commit.
    pub fn follow(&self, changes: &Changes<'_>) {
        for (number, row) in changes.of::<PersonEpoch>() {
            self.set_epoch(*number, row.map_or(0, |row| row.epoch));
        }
        let mut ended = changes.of::<RevokedSession>().peekable();
        if ended.peek().is_none() {
            return;
        }
        let mut revoked = self.revoked.write().expect("nobody panics while revoking");
        for ((_, session), row) in ended {
            match row {
                Some(_) => revoked.insert(*session, &self.marks),
                None => revoked.forget(*session),
            }
        }
        revoked.tidy(&self.marks);
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Revoked {
    /// Was this session ended?
    #[must_use]
    pub fn contains(&self, session: Id<authz::Session>) -> bool {
        self.sessions.contains(&random_part(session))
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Is none remembered?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn insert(&mut self, session: Id<authz::Session>, marks: &Marks) {
        self.sessions.insert(random_part(session));
        marks.set(random_part(session));
    }

    fn forget(&mut self, session: Id<authz::Session>) {
        self.stale_marks += usize::from(self.sessions.remove(&random_part(session)));
    }

    /// Marks afresh once half of the marks say nothing any more.
    fn tidy(&mut self, marks: &Marks) {
        if self.stale_marks > self.sessions.len() {
            marks.reset(&self.sessions);
            self.stale_marks = 0;
        }
    }
}

fn split(number: u32) -> (usize, usize) {
    let number = number as usize;
    (number / BLOCK, number % BLOCK)
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
fn random_part(session: Id<authz::Session>) -> u64 {
    session.as_u128() as u64
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("revoked", &self.revoked().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_session_is_known_until_it_is_forgotten() {
        let live = Live::new();
        let [first, second] = [1, 2].map(|random| Id::<authz::Session>::new(1, [random; 10]));
        assert!(!live.may_be_revoked(first));
        live.revoke_all([first, second]);
        let known = |session| live.may_be_revoked(session) && live.revoked().contains(session);
        assert!(known(first) && known(second));
        for session in [first, second] {
            let mut revoked = live.revoked.write().expect("nobody panics");
            revoked.forget(session);
            revoked.tidy(&live.marks);
        }
        assert!(!live.may_be_revoked(first) && !live.may_be_revoked(second));
    }
}
