//! Every query of this service.

use clock::Timestamp;
use ids::Id;
use store::{Cell, Column, ErasableKey, Row, Snapshot, StoreError};

use crate::{
    device_key::DeviceKey,
    person::{Person, PersonEpoch, TakenName},
    session::{KnownDevice, Session},
};

/// The person of this name.
pub(crate) fn person_named(snapshot: &Snapshot<'_>, name: ErasableKey) -> Result<Option<Person>, StoreError> {
    let taken = snapshot.get::<TakenName>(&name)?;
    taken.map_or(Ok(None), |taken| snapshot.get::<Person>(&taken.person))
}

/// The person, the key with which they want to sign in, and whether the device is known.
pub(crate) fn person_and_key(
    snapshot: &Snapshot<'_>,
    name: ErasableKey,
    key: Option<Id<DeviceKey>>,
    device: Option<[u8; 8]>,
) -> Result<(Option<Person>, Option<DeviceKey>, bool), StoreError> {
    let Some(person) = person_named(snapshot, name)? else { return Ok((None, None, false)) };
    let key = key.map_or(Ok(None), |key| snapshot.get::<DeviceKey>(&(person.id, key)))?;
    let known = device.map_or(Ok(None), |device| snapshot.get::<KnownDevice>(&(person.id, device)))?;
    Ok((Some(person), key, known.is_some()))
}

/// A page of people, in the order in which they came.
pub(crate) fn persons_after(
    snapshot: &Snapshot<'_>,
    after: Option<Id<authz::Person>>,
    limit: u32,
) -> Result<Vec<Person>, StoreError> {
    let after = after.unwrap_or(Id::from_bytes([0; 16]));
    snapshot.rows("WHERE id > $1 ORDER BY id LIMIT $2", &[after.cell(), Cell::Integer(limit.into())])
}

/// The keys a person has enrolled.
pub(crate) fn device_keys_of(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
) -> Result<Vec<DeviceKey>, StoreError> {
    snapshot.rows("WHERE person = $1 ORDER BY id", &[person.cell()])
}

/// Where a person is signed in now: at most `limit` sessions, the newest first.
pub(crate) fn sessions_of(
    snapshot: &Snapshot<'_>,
    person: &Person,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<Session>, StoreError> {
    let epoch = snapshot.get::<PersonEpoch>(&person.number)?.map_or(0, |row| row.epoch);
    snapshot.rows(
        "WHERE person = $1 AND epoch = $2 AND expires_at > $3 ORDER BY id DESC LIMIT $4",
        &[person.id.cell(), Cell::Integer(epoch.into()), now.cell(), Cell::Integer(limit.into())],
    )
}

/// Devices a person has been seen with.
pub(crate) fn known_devices_of(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
) -> Result<Vec<KnownDevice>, StoreError> {
    snapshot.rows("WHERE person = $1 ORDER BY device", &[person.cell()])
}

/// Sessions whose tokens have expired, by person and id.
pub(crate) fn expired_sessions(
    snapshot: &Snapshot<'_>,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<<Session as Row>::Key>, StoreError> {
    let mut found = Vec::new();
    snapshot.query(
        "SELECT person, id FROM sessions WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
        &[now.cell(), Cell::Integer(limit.into())],
        |cells| {
            found.push((cells.read(0)?, cells.read(1)?));
            Ok(())
        },
    )?;
    Ok(found)
}

/// Is there a row of a short-lived kind that has expired?
pub(crate) fn has_expired_marks(snapshot: &Snapshot<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let mut found = false;
    for table in ["used_challenges", "revoked_sessions"] {
        let sql = format!("SELECT 1 FROM {table} WHERE expires_at <= $1 LIMIT 1");
        snapshot.query(&sql, &[now.cell()], |_| {
            found = true;
            Ok(())
        })?;
    }
    Ok(found)
}

/// Calls `each` for every person's number whose tokens were ever ended at once, with their epoch.
pub(crate) fn each_epoch(snapshot: &Snapshot<'_>, mut each: impl FnMut(u32, u32)) -> Result<(), StoreError> {
    snapshot.query("SELECT number, epoch FROM person_epochs", &[], |cells| {
        each(cells.read(0)?, cells.read(1)?);
        Ok(())
    })
}

/// Calls `each` for every session that was ended before its token expires.
pub(crate) fn each_revoked(
    snapshot: &Snapshot<'_>,
    now: Timestamp,
    mut each: impl FnMut(Id<authz::Session>),
) -> Result<(), StoreError> {
    snapshot.query("SELECT id FROM revoked_sessions WHERE expires_at > $1", &[now.cell()], |cells| {
        each(cells.read(0)?);
        Ok(())
    })
}

/// Entries about a person that an export lists, at most.
const ENTRIES_ABOUT_MAX: i64 = 10_000;

/// Place, time and command of the ledger's entries about a person that still hold something of theirs.
pub(crate) fn entries_about(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
) -> Result<Vec<(u64, Timestamp, String)>, StoreError> {
    let mut found = Vec::new();
    snapshot.query(
        "SELECT \"index\", at, command FROM entries \
         WHERE subject = $1 AND erasable IS NOT NULL ORDER BY \"index\" LIMIT $2",
        &[person.cell(), Cell::Integer(ENTRIES_ABOUT_MAX)],
        |cells| {
            found.push((cells.read(0)?, cells.read(1)?, cells.read(2)?));
            Ok(())
        },
    )?;
    Ok(found)
}
