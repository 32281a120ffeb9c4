//! The devices and networks that a person has signed in from: they are not held up by others' guesses.

use std::{net::IpAddr, time::Duration};

use clock::{Clock, Timestamp};
use ids::Id;
use seal::Keys;
use serde::{Deserialize, Serialize};
use store::{Cell, CellRef, Column, ColumnType, Erasable, Scan, StoreError, Tx, table};

use crate::throttle::network;

/// Devices and networks remembered of one person; beyond it the ones that first came are forgotten.
pub const PLACES_MAX: usize = 120;
/// A place that nobody signed in from for so long is forgotten.
pub(crate) const PLACE_LIFE: Duration = Duration::from_hours(24 * 365);
/// How exactly it is known when somebody was last seen: a row is not written for every sign-in.
const SEEN_EXACTLY: Duration = Duration::from_hours(24 * 30);

table! {
    /// A device or a network that a person has signed in from.
    pub struct KnownPlace in "known_places", Replayed {
        key { pub person: Id<authz::Person>, pub id: Id<KnownPlace> }
        pub kind: PlaceKind,
        /// Keyed hash of the device's fingerprint, or of the network.
        pub hash: Erasable,
        /// When they were last seen there, to within a month.
        pub seen_at: Timestamp,
    }
}

/// Where somebody signs in from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceKind {
    Device,
    Network,
}

/// A keyed hash that stands for a device or a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceHash {
    pub(crate) kind: PlaceKind,
    pub(crate) bytes: [u8; 32],
}

/// That somebody was seen at a place, as a sign-in tells the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sighting {
    pub kind: PlaceKind,
    /// The place's row: a replay finds it when nothing else of the place is left.
    pub place: Id<KnownPlace>,
    /// Was it there already?
    pub known: bool,
    pub hash: Erasable,
}

impl KnownPlace {
    /// Was nobody seen there for a year?
    pub(crate) fn is_forgotten(&self, at: Timestamp) -> bool {
        self.seen_at.plus(PLACE_LIFE) <= at
    }
}

impl PlaceHash {
    /// The device with this fingerprint.
    pub(crate) fn device(keys: &Keys, fingerprint: &str) -> Self {
        let key = keys.derive("identity device fingerprint", b"");
        let hash = blake3::keyed_hash(key.as_bytes(), fingerprint.as_bytes());
        Self { kind: PlaceKind::Device, bytes: *hash.as_bytes() }
    }

    /// The network of this address: a household's, not a country's.
    pub(crate) fn network(keys: &Keys, address: IpAddr) -> Self {
        let key = keys.derive("identity network", b"");
        let hash = blake3::keyed_hash(key.as_bytes(), &network(address).to_be_bytes());
        Self { kind: PlaceKind::Network, bytes: *hash.as_bytes() }
    }

    /// As tokens carry it.
    pub(crate) fn short(&self) -> [u8; 8] {
        self.bytes.first_chunk().copied().expect("a hash has 32 bytes")
    }

    fn is_of(&self, place: &KnownPlace) -> bool {
        place.kind == self.kind && place.hash.content() == Some(self.bytes.as_slice())
    }

    /// Is it among these?
    pub(crate) fn is_among(&self, places: &[KnownPlace]) -> bool {
        places.iter().any(|place| self.is_of(place))
    }

    /// What a sign-in from here tells the ledger, if the person is known at these places.
    pub(crate) fn sighting(&self, places: &[KnownPlace], clock: &Clock) -> Sighting {
        let found = places.iter().find(|place| self.is_of(place));
        Sighting {
            kind: self.kind,
            place: found.map_or_else(|| clock.id(), |place| place.id),
            known: found.is_some(),
            hash: Erasable::new(clock.random(), self.bytes.to_vec()),
        }
    }
}

impl Sighting {
    /// The first bytes of the hash, as tokens carry it.
    pub(crate) fn short(&self) -> Option<[u8; 8]> {
        self.hash.content().and_then(|content| content.first_chunk().copied())
    }

    /// The rows that [`Sighting::remember`] reads.
    pub(crate) fn reads(&self, person: Id<authz::Person>, keys: &mut store::Keys<'_>) {
        if self.known {
            keys.want::<KnownPlace>((person, self.place));
        } else {
            keys.want_range::<KnownPlace>(person.cell(), PLACES_MAX);
        }
    }

    /// Remembers the place.
    pub(crate) fn remember(
        self,
        person: Id<authz::Person>,
        tx: &mut Tx<'_>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let Self { kind, place: id, known, hash } = self;
        if !known {
            let places = places_of(tx, person, PLACES_MAX)?;
            if let Some(oldest) = places.first().filter(|_| places.len() >= PLACES_MAX) {
                tx.delete(oldest.clone());
            }
            tx.put(KnownPlace { person, id, kind, hash, seen_at: at });
            return Ok(());
        }
        let place = tx.get::<KnownPlace>((person, id))?;
        if let Some(place) = place.filter(|place| at.since(place.seen_at) >= SEEN_EXACTLY) {
            tx.put(KnownPlace { seen_at: at, ..place });
        }
        Ok(())
    }
}

/// Places of a person, those that first came before the others.
///
/// # Errors
/// When the store fails.
pub(crate) fn places_of(
    tx: &mut Tx<'_>,
    person: Id<authz::Person>,
    limit: usize,
) -> Result<Vec<KnownPlace>, StoreError> {
    tx.scan(&Scan { prefix: vec![person.cell()], below: None, limit })
}

impl Column for PlaceKind {
    const TYPE: ColumnType = ColumnType::BigInt;
    const EXPECTED: &'static str = "the number of a kind of place";

    fn cell(&self) -> Cell<'_> {
        Cell::Integer(match self {
            Self::Device => 1,
            Self::Network => 2,
        })
    }

    fn from_cell(cell: CellRef<'_>) -> Option<Self> {
        match u8::from_cell(cell)? {
            1 => Some(Self::Device),
            2 => Some(Self::Network),
            _ => None,
        }
    }
}
