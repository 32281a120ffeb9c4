//! How fast secrets may be guessed. Arithmetic and a bounded table; `now` is an argument.
//!
//! Guesses are counted by person and address together, by address, and by person. The first two stop a
//! guesser without touching anybody else. The last stops a guesser with many addresses; it never stops a
//! device that has signed in before, so nobody can lock another person out for good.

use std::{collections::VecDeque, net::IpAddr, time::Duration};

use clock::Timestamp;
use hashbrown::HashMap;
use problem::Problem;

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

/// Keys remembered at once; beyond it the one that first came is forgotten.
const KEYS_MAX: usize = 200_000;

/// The caller must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts to sign in; wait before the next one")]
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
    /// It comes from a device that has signed in as this person before.
    pub known_device: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    PersonAndAddress([u8; 32], u128),
    Address(u128),
    Person([u8; 32]),
}

/// When a key's next guess is free (the generic cell rate algorithm: one time says it all).
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    free_at: Timestamp,
}

/// The guesses of the last while.
#[derive(Debug, Default)]
pub struct Throttle {
    buckets: HashMap<Key, Bucket>,
    order: VecDeque<Key>,
}

impl Key {
    const fn quota(self) -> Quota {
        match self {
            Self::PersonAndAddress(..) => PERSON_AND_ADDRESS,
            Self::Address(_) => ADDRESS,
            Self::Person(_) => PERSON,
        }
    }
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
    /// May this guess be made? Counts it if so; [`Throttle::forgive`] takes it back when it was right.
    ///
    /// # Errors
    /// How long to wait.
    pub fn admit(&mut self, guess: &Guess, now: Timestamp) -> Result<(), TryAgainIn> {
        let rules = rules(guess);
        let bucket = |key| self.buckets.get(key).copied().unwrap_or_default();
        let wait = rules.iter().flatten().map(|key| key.quota().wait(bucket(key), now));
        let wait = wait.max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(TryAgainIn(wait));
        }
        for key in rules.into_iter().flatten() {
            key.quota().take(self.bucket(key, now), now);
        }
        Ok(())
    }

    /// The guess was right: it was no guess.
    pub fn forgive(&mut self, guess: &Guess) {
        for key in rules(guess).into_iter().flatten() {
            if let Some(bucket) = self.buckets.get_mut(&key) {
                bucket.free_at = bucket.free_at.minus(key.quota().interval);
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
            let waits =
                self.buckets.get(&oldest).is_some_and(|bucket| !oldest.quota().wait(*bucket, now).is_zero());
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
    let address = guess.address.map(network);
    [
        address.map(|address| Key::PersonAndAddress(guess.name, address)),
        address.map(Key::Address),
        (!guess.known_device).then_some(Key::Person(guess.name)),
    ]
}

/// One household: an IPv4 address, or an IPv6 network of 64 bits.
fn network(address: IpAddr) -> u128 {
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

    fn guess(name: u8, address: u32) -> Guess {
        Guess { name: [name; 32], address: Some(IpAddr::from(address.to_be_bytes())), known_device: false }
    }

    fn admitted(throttle: &mut Throttle, guess: &Guess, times: usize) -> usize {
        (0..times).filter(|_| throttle.admit(guess, Timestamp::EPOCH).is_ok()).count()
    }

    #[test]
    fn one_address_has_six_guesses_at_a_person_and_then_one_a_minute() {
        let mut throttle = Throttle::default();
        assert_eq!(admitted(&mut throttle, &guess(1, 1), 20), 6);
        let later = Timestamp::from_millis(61_000);
        assert_eq!(throttle.admit(&guess(1, 1), later), Ok(()));
        assert!(throttle.admit(&guess(1, 1), later).is_err());
    }

    #[test]
    fn another_person_at_the_same_address_is_not_held_up() {
        let mut throttle = Throttle::default();
        admitted(&mut throttle, &guess(1, 1), 20);
        assert_eq!(throttle.admit(&guess(2, 1), Timestamp::EPOCH), Ok(()));
    }

    #[test]
    fn many_addresses_do_not_make_many_guesses() {
        let mut throttle = Throttle::default();
        let admitted: usize = (0..1000).map(|address| admitted(&mut throttle, &guess(1, address), 1)).sum();
        assert_eq!(admitted, 30);
    }

    #[test]
    fn a_known_device_gets_in_while_others_guess() {
        let mut throttle = Throttle::default();
        (0..1000).for_each(|address| _ = throttle.admit(&guess(1, address), Timestamp::EPOCH));
        let owner = Guess { known_device: true, ..guess(1, 5000) };
        assert_eq!(throttle.admit(&owner, Timestamp::EPOCH), Ok(()));
    }

    #[test]
    fn signing_in_rightly_uses_up_nothing() {
        let mut throttle = Throttle::default();
        for _ in 0..1000 {
            throttle.admit(&guess(1, 1), Timestamp::EPOCH).expect("it is admitted");
            throttle.forgive(&guess(1, 1));
        }
    }

    #[test]
    fn a_flood_of_new_names_does_not_reset_one_that_waits() {
        let mut throttle = Throttle::default();
        let mut name = [7; 32];
        let victim = Guess { name, address: None, known_device: false };
        assert_eq!(admitted(&mut throttle, &victim, 40), 30);
        for number in 0..300_000_u32 {
            name[..4].copy_from_slice(&number.to_be_bytes());
            // Half a minute in all: the victim has to wait two.
            let later = Timestamp::from_millis(u64::from(number / 10));
            let _ = throttle.admit(&Guess { name, address: None, known_device: false }, later);
        }
        assert!(throttle.buckets.len() <= KEYS_MAX);
        assert!(throttle.admit(&victim, Timestamp::EPOCH).is_err());
    }
}
