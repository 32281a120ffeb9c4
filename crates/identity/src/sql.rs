//! Every query of this service.

use clock::Timestamp;
use ids::Id;
use store::{Cell, Column, ErasableKey, Row, Snapshot, StoreError};

use crate::{
    administrators::ADMINISTRATORS,
    device_key::DeviceKey,
    known_place::KnownPlace,
    person::{Counter, Person, PersonEpoch, TakenName},
    session::Session,
};

/// The person of this name.
pub(crate) fn person_named(snapshot: &Snapshot<'_>, name: ErasableKey) -> Result<Option<Person>, StoreError> {
    let taken = snapshot.get::<TakenName>(&name)?;
    taken.map_or(Ok(None), |taken| snapshot.get::<Person>(&taken.person))
}

/// What a sign-in has to know of somebody.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) person: Option<Person>,
    /// The key with which they want to sign in.
    pub(crate) key: Option<DeviceKey>,
    pub(crate) epoch: u32,
    /// Where they have signed in from before.
    pub(crate) places: Vec<KnownPlace>,
}

/// What a sign-in by this name has to know, as it is at one moment.
pub(crate) fn found(
    snapshot: &Snapshot<'_>,
    name: ErasableKey,
    key: Option<Id<DeviceKey>>,
) -> Result<Found, StoreError> {
    let Some(person) = person_named(snapshot, name)? else { return Ok(Found::default()) };
    let key = key.map_or(Ok(None), |key| snapshot.get::<DeviceKey>(&(person.id, key)))?;
    let epoch = epoch_of(snapshot, person.number)?;
    let places = known_places_of(snapshot, person.id)?;
    Ok(Found { person: Some(person), key, epoch, places })
}

/// A person, and one of their keys.
pub(crate) fn person_with_key(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
    key: Option<Id<DeviceKey>>,
) -> Result<Option<(Person, Option<DeviceKey>)>, StoreError> {
    let Some(found) = snapshot.get::<Person>(&person)? else { return Ok(None) };
    let key = key.map_or(Ok(None), |key| snapshot.get::<DeviceKey>(&(person, key)))?;
    Ok(Some((found, key)))
}

fn epoch_of(snapshot: &Snapshot<'_>, number: u32) -> Result<u32, StoreError> {
    Ok(snapshot.get::<PersonEpoch>(&number)?.map_or(0, |row| row.epoch))
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
    let epoch = epoch_of(snapshot, person.number)?;
    snapshot.rows(
        "WHERE person = $1 AND epoch = $2 AND expires_at > $3 ORDER BY id DESC LIMIT $4",
        &[person.id.cell(), Cell::Integer(epoch.into()), now.cell(), Cell::Integer(limit.into())],
    )
}

/// Devices and networks that a person has signed in from.
pub(crate) fn known_places_of(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
) -> Result<Vec<KnownPlace>, StoreError> {
    snapshot.rows("WHERE person = $1 ORDER BY id", &[person.cell()])
}

/// Places where nobody was seen since then, by person and id.
pub(crate) fn forgotten_places(
    snapshot: &Snapshot<'_>,
    since: Timestamp,
    limit: u32,
) -> Result<Vec<<KnownPlace as Row>::Key>, StoreError> {
    let sql = "SELECT person, id FROM known_places WHERE seen_at <= $1 ORDER BY seen_at LIMIT $2";
    let mut found = Vec::new();
    snapshot.query(sql, &[since.cell(), Cell::Integer(limit.into())], |cells| {
        found.push((cells.read(0)?, cells.read(1)?));
        Ok(())
    })?;
    Ok(found)
}

/// How many administrators can sign in.
pub(crate) fn administrators(snapshot: &Snapshot<'_>) -> Result<u32, StoreError> {
    let counter = snapshot.get::<Counter>(&ADMINISTRATORS.to_owned())?;
    Ok(counter.map_or(0, |counter| counter.value))
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

/// When the first row of a short-lived kind expired, if one has.
pub(crate) fn first_expired_mark(
    snapshot: &Snapshot<'_>,
    now: Timestamp,
) -> Result<Option<Timestamp>, StoreError> {
    let mut first = None;
    for table in ["used_challenges", "revoked_sessions"] {
        let sql =
            format!("SELECT expires_at FROM {table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT 1");
        snapshot.query(&sql, &[now.cell()], |cells| {
            let found = cells.read::<Timestamp>(0)?;
            first = Some(first.map_or(found, |first: Timestamp| first.min(found)));
            Ok(())
        })?;
    }
    Ok(first)
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

/// Place, time and command of the ledger's entries about a person, from `from` on: at most `limit`.
pub(crate) fn entries_about(
    snapshot: &Snapshot<'_>,
    person: Id<authz::Person>,
    from: i64,
    limit: u32,
) -> Result<Vec<(u64, Timestamp, String)>, StoreError> {
    let mut found = Vec::new();
    snapshot.query(
        "SELECT \"index\", at, command FROM entries \
         WHERE subject = $1 AND \"index\" >= $2 ORDER BY \"index\" LIMIT $3",
        &[person.cell(), Cell::Integer(from), Cell::Integer(limit.into())],
        |cells| {
            found.push((cells.read(0)?, cells.read(1)?, cells.read(2)?));
            Ok(())
        },
    )?;
    Ok(found)
}
