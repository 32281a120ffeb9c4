//! How fast secrets may be guessed. Arithmetic and a bounded table; `now` is an argument.
//!
//! Guesses are counted by person and network together, by network, and by person. The first two stop a
//! guesser without touching anybody else. The last stops a guesser with many addresses; it never stops those
//! who come from a network that the person has signed in from before, each of which has guesses of its own.
//! A device that has signed in before has guesses that nobody else uses up, wherever it is.

use std::{collections::VecDeque, net::IpAddr, num::NonZeroU32, time::Duration};

use clock::Timestamp;
use hashbrown::HashMap;
use problem::Problem;
use serde::{Deserialize, Serialize};

use crate::known_place::{KnownPlace, PlaceHash};

/// So many guesses at once, and then one each `interval`.
#[derive(Debug, Clone, Copy)]
struct Quota {
    burst: u32,
    interval: Duration,
}

/// One person from one address: what somebody who forgets needs.
const PERSON_AND_ADDRESS: Quota = Quota { burst: 6, interval: Duration::from_mins(1) };
/// One address: a household or an office behind it.
const ADDRESS: Quota = Quota { burst: 100, interval: Duration::from_secs(6) };
/// One person from anywhere.
const PERSON: Quota = Quota { burst: 30, interval: Duration::from_mins(2) };

/// How many people one network may register: so many at once, and then one each interval.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistrationConfig {
    /// Generous, because a whole town may be behind one address.
    pub burst: NonZeroU32,
    pub interval_ms: NonZeroU32,
}

impl Default for RegistrationConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self { burst: positive(2000), interval_ms: positive(200) }
    }
}

impl From<RegistrationConfig> for Quota {
    fn from(config: RegistrationConfig) -> Self {
        let RegistrationConfig { burst, interval_ms } = config;
        Self { burst: burst.get(), interval: Duration::from_millis(interval_ms.get().into()) }
    }
}

/// Keys remembered at once; beyond it the one that first came is forgotten.
const KEYS_MAX: usize = 200_000;

/// The caller must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; wait before the next one")]
pub struct TryAgainIn(pub Duration);

impl From<TryAgainIn> for Problem {
    fn from(error: TryAgainIn) -> Self {
        Self::too_many_requests("identity/too-many-attempts", error, error.0)
    }
}

/// Who guesses, at whom.
#[derive(Debug, Clone, Copy)]
pub struct Guess {
    /// Blind index of the name that is tried, known or not.
    pub name: [u8; 32],
    pub address: Option<IpAddr>,
    pub origin: Origin,
}

/// What speaks for whoever guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Nothing,
    /// They come from a network that this person has signed in from before.
    KnownNetwork,
    /// They come from a device that has signed in as this person before: the first bytes of its hash.
    KnownDevice([u8; 8]),
    /// They are signed in as this person.
    SignedIn,
}

impl Origin {
    /// What speaks for a sign-in from here as somebody who is known at these places.
    pub(crate) fn of(device: Option<PlaceHash>, network: Option<PlaceHash>, known: &[KnownPlace]) -> Self {
        if let Some(device) = device.filter(|device| device.is_among(known)) {
            return Self::KnownDevice(device.short());
        }
        if network.is_some_and(|network| network.is_among(known)) {
            Self::KnownNetwork
        } else {
            Self::Nothing
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    PersonAndAddress([u8; 32], u128),
    Address(u128),
    Person([u8; 32]),
    PersonAndDevice([u8; 32], [u8; 8]),
    SignedIn([u8; 32]),
    Registrations(u128),
}

/// When a key's next guess is free (the generic cell rate algorithm: one time says it all).
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    free_at: Timestamp,
}

/// The guesses and registrations of the last while.
#[derive(Debug)]
pub struct Throttle {
    registrations: Quota,
    buckets: HashMap<Key, Bucket>,
    order: VecDeque<Key>,
}

impl Quota {
    fn wait(self, bucket: Bucket, now: Timestamp) -> Duration {
        let start = bucket.free_at.max(now);
        start.since(now.plus(self.interval * (self.burst - 1)))
    }

    fn take(self, bucket: &mut Bucket, now: Timestamp) {
        bucket.free_at = bucket.free_at.max(now).plus(self.interval);
    }
}

impl Throttle {
    /// Nobody has guessed or registered yet.
    #[must_use]
    pub fn new(registrations: RegistrationConfig) -> Self {
        let registrations = registrations.into();
        Self { registrations, buckets: HashMap::new(), order: VecDeque::new() }
    }

    /// May this guess be made? Counts it if so; [`Throttle::forgive`] takes it back when it was right.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&mut self, guess: &Guess, now: Timestamp) -> Result<(), TryAgainIn> {
        self.take(&rules(guess), now)
    }

    /// May somebody register from here?
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit_registration(&mut self, address: IpAddr, now: Timestamp) -> Result<(), TryAgainIn> {
        self.take(&[Some(Key::Registrations(network(address)))], now)
    }

    fn take(&mut self, rules: &[Option<Key>], now: Timestamp) -> Result<(), TryAgainIn> {
        let rules = || rules.iter().flatten().copied();
        let wait = rules().map(|key| self.wait(key, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(TryAgainIn(wait));
        }
        for key in rules() {
            let quota = self.quota(key);
            quota.take(self.bucket(key, now), now);
        }
        Ok(())
    }

    fn wait(&self, key: Key, now: Timestamp) -> Duration {
        self.quota(key).wait(self.buckets.get(&key).copied().unwrap_or_default(), now)
    }

    const fn quota(&self, key: Key) -> Quota {
        match key {
            Key::PersonAndAddress(..) | Key::PersonAndDevice(..) | Key::SignedIn(_) => PERSON_AND_ADDRESS,
            Key::Address(_) => ADDRESS,
            Key::Person(_) => PERSON,
            Key::Registrations(_) => self.registrations,
        }
    }

    /// The guess was right: it was no guess.
    pub fn forgive(&mut self, guess: &Guess) {
        for key in rules(guess).into_iter().flatten() {
            let interval = self.quota(key).interval;
            if let Some(bucket) = self.buckets.get_mut(&key) {
                bucket.free_at = bucket.free_at.minus(interval);
            }
        }
    }

    fn bucket(&mut self, key: Key, now: Timestamp) -> &mut Bucket {
        if !self.buckets.contains_key(&key) {
            self.make_room(now);
            self.order.push_back(key);
        }
        self.buckets.entry(key).or_default()
    }

    /// Forgets who need not wait; a flood of new keys must not reset one that must, so that goes to the end
    /// of the queue, unless the table is full of such.
    fn make_room(&mut self, now: Timestamp) {
        let mut looked_at = 0;
        while self.buckets.len() >= KEYS_MAX {
            let Some(oldest) = self.order.pop_front() else { return };
            let waits = !self.wait(oldest, now).is_zero();
            looked_at += 1;
            if waits && looked_at < 64 {
                self.order.push_back(oldest);
            } else {
                self.buckets.remove(&oldest);
            }
        }
    }
}

fn rules(guess: &Guess) -> [Option<Key>; 3] {
    let Guess { name, address, origin } = *guess;
    let address = address.map(network);
    let here = address.map(|address| Key::PersonAndAddress(name, address));
    match origin {
        Origin::Nothing => [here, address.map(Key::Address), Some(Key::Person(name))],
        Origin::KnownNetwork => [here, address.map(Key::Address), None],
        Origin::KnownDevice(device) => [Some(Key::PersonAndDevice(name, device)), None, None],
        Origin::SignedIn => [Some(Key::SignedIn(name)), None, None],
    }
}

/// One household: an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn network(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(_) => address.to_bits(),
            None => address.to_bits() & (u128::MAX << 64),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(RegistrationConfig::default())
    }

    fn guess(name: u8, address: u32) -> Guess {
        Guess {
            name: [name; 32],
            address: Some(IpAddr::from(address.to_be_bytes())),
            origin: Origin::Nothing,
        }
    }

    fn admitted(throttle: &mut Throttle, guess: &Guess, times: usize) -> usize {
        (0..times).filter(|_| throttle.admit(guess, Timestamp::EPOCH).is_ok()).count()
    }

    #[test]
    fn one_address_has_six_guesses_at_a_person_and_then_one_a_minute() {
        let mut throttle = throttle();
        assert_eq!(admitted(&mut throttle, &guess(1, 1), 20), 6);
        let later = Timestamp::from_millis(61_000);
        assert_eq!(throttle.admit(&guess(1, 1), later), Ok(()));
        assert!(throttle.admit(&guess(1, 1), later).is_err());
    }

    #[test]
    fn another_person_at_the_same_address_is_not_held_up() {
        let mut throttle = throttle();
        admitted(&mut throttle, &guess(1, 1), 20);
        assert_eq!(throttle.admit(&guess(2, 1), Timestamp::EPOCH), Ok(()));
    }

    #[test]
    fn many_addresses_do_not_make_many_guesses() {
        let mut throttle = throttle();
        let admitted: usize = (0..1000).map(|address| admitted(&mut throttle, &guess(1, address), 1)).sum();
        assert_eq!(admitted, 30);
    }

    #[test]
    fn a_known_device_gets_in_while_others_guess_wherever_they_are() {
        let mut throttle = throttle();
        (0..1000).for_each(|address| _ = throttle.admit(&guess(1, address), Timestamp::EPOCH));
        let owner = Guess { origin: Origin::KnownDevice([1; 8]), ..guess(1, 5) };
        assert_eq!(admitted(&mut throttle, &owner, 20), 6);
    }

    #[test]
    fn a_known_network_has_guesses_of_its_own() {
        let mut throttle = throttle();
        (0..1000).for_each(|address| _ = throttle.admit(&guess(1, address), Timestamp::EPOCH));
        for network in [5000, 5001] {
            let owner = Guess { origin: Origin::KnownNetwork, ..guess(1, network) };
            assert_eq!(admitted(&mut throttle, &owner, 20), 6);
        }
    }

    #[test]
    fn the_holder_of_a_token_guesses_no_faster_from_many_addresses() {
        let mut throttle = throttle();
        let thief = |address| Guess { origin: Origin::SignedIn, ..guess(1, address) };
        let admitted: usize = (0..1000).map(|address| admitted(&mut throttle, &thief(address), 1)).sum();
        assert_eq!(admitted, 6);
    }

    #[test]
    fn one_network_registers_no_more_than_it_may_and_another_is_not_held_up() {
        let two = NonZeroU32::new(2).expect("it is positive");
        let mut throttle = Throttle::new(RegistrationConfig { burst: two, interval_ms: two });
        let mut register = |last| {
            let address = IpAddr::from([192, 0, 2, last]);
            (0..9).filter(|_| throttle.admit_registration(address, Timestamp::EPOCH).is_ok()).count()
        };
        assert_eq!((register(1), register(2)), (2, 2));
    }

    #[test]
    fn signing_in_rightly_uses_up_nothing() {
        let mut throttle = throttle();
        for _ in 0..1000 {
            throttle.admit(&guess(1, 1), Timestamp::EPOCH).expect("it is admitted");
            throttle.forgive(&guess(1, 1));
        }
    }

    #[test]
    fn a_flood_of_new_names_does_not_reset_one_that_waits() {
        let mut throttle = throttle();
        let mut name = [7; 32];
        let victim = Guess { name, address: None, origin: Origin::Nothing };
        assert_eq!(admitted(&mut throttle, &victim, 40), 30);
        for number in 0..300_000_u32 {
            name[..4].copy_from_slice(&number.to_be_bytes());
            // Half a minute in all: the victim has to wait two.
            let later = Timestamp::from_millis(u64::from(number / 10));
            let _ = throttle.admit(&Guess { name, address: None, origin: Origin::Nothing }, later);
        }
        assert!(throttle.buckets.len() <= KEYS_MAX);
        assert!(throttle.admit(&victim, Timestamp::EPOCH).is_err());
    }
}
