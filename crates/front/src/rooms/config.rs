//! Which routes have a waiting room before them, and how each is run.

use std::num::{NonZeroU32, NonZeroU64};

use clock::Timestamp;
use serde::Deserialize;
use waiting::Terms;

use crate::Route;

/// Rooms in one set of settings.
const ROOMS_MAX: usize = 64;
/// Letters of a room's name, and of its title.
const NAME_LENGTH_MAX: usize = 40;
const TITLE_LENGTH_MAX: usize = 120;
/// How long a pass may be good without use.
const IDLE_MS_MAX: u64 = 6 * 60 * 60 * 1000;
/// How long somebody who is called may take at most.
const TURN_MS_MAX: u64 = 60 * 60 * 1000;

/// A limit as a size of something in memory.
pub(super) fn size(limit: NonZeroU32) -> usize {
    usize::try_from(limit.get()).unwrap_or(usize::MAX)
}

/// The rooms before which people wait.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoomsConfig {
    pub rooms: Vec<RoomConfig>,
    /// Passes of each room that a node knows of, at some 40 bytes each.
    pub passes_max: NonZeroU32,
    /// Addresses (of IPv6, networks of 64 bits) whose places are counted, at 32 bytes each.
    pub addresses_max: NonZeroU32,
    /// About how many nodes share a room. While Redis is away, each lets in its part of the rate.
    pub nodes: NonZeroU32,
}

impl Default for RoomsConfig {
    fn default() -> Self {
        let positive = |number| NonZeroU32::new(number).expect("a positive constant");
        Self {
            rooms: Vec::new(),
            passes_max: positive(1_000_000),
            addresses_max: positive(1 << 20),
            nodes: positive(7),
        }
    }
}

/// One room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RoomConfig {
    /// By this nodes know it, and it stands in metrics and cookies. A second opening needs another name.
    pub name: String,
    /// What people wait for, in words for them.
    #[serde(default)]
    pub title: String,
    /// As those of limits: `/path`, `POST /path/{any}`, `/path/*`. The first room that has the route counts.
    pub routes: Vec<Route>,
    /// People inside at once.
    pub capacity: NonZeroU32,
    /// People let in in a window.
    pub let_in_max: NonZeroU32,
    #[serde(default = "second")]
    pub window_ms: NonZeroU64,
    /// How long a pass is good without use.
    #[serde(default = "ten_minutes")]
    pub idle_ms_max: NonZeroU64,
    /// How long whoever is called is expected, and room kept for them.
    #[serde(default = "a_turn")]
    pub turn_ms_max: NonZeroU64,
    /// When it opens; whoever comes before takes part in lots. Open from the start if absent.
    #[serde(default)]
    pub opens_at: Option<Timestamp>,
    /// How often whoever waits asks: near the front, and far from it.
    #[serde(default = "two_seconds")]
    pub ask_ms_min: NonZeroU64,
    #[serde(default = "fifteen_seconds")]
    pub ask_ms_max: NonZeroU64,
    /// Places that one address may take in a minute, by people who are not signed in.
    #[serde(default = "sixty")]
    pub places_per_minute_max: NonZeroU32,
    /// The same, by people who are signed in: whoever makes many accounts at once has no more places. Ten times as many
    /// if absent.
    #[serde(default)]
    pub places_per_minute_signed_in_max: Option<NonZeroU32>,
}

/// Settings of rooms that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoomsError {
    #[error("there are more than {ROOMS_MAX} waiting rooms")]
    TooMany,
    #[error("`{0}` is no name of a waiting room: use up to {NAME_LENGTH_MAX} of a-z, 0-9 and -")]
    Name(String),
    #[error("two waiting rooms are called `{0}`")]
    Twice(String),
    #[error("the waiting room `{0}` has no routes")]
    NoRoutes(String),
    #[error("the title of the waiting room `{0}` has more than {TITLE_LENGTH_MAX} letters")]
    Title(String),
    #[error("the waiting room `{0}` lets in less than one in 1,000 seconds, or more than a million a second")]
    Rate(String),
    #[error(
        "the times of the waiting room `{0}` are out of range: idle from 1 s to 6 h, a turn from 1 s to 1 h, \
         asking from 0.5 s to half a turn, the least not above the most"
    )]
    Times(String),
}

const fn positive(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).expect("a positive constant")
}

const fn second() -> NonZeroU64 {
    positive(1000)
}

const fn two_seconds() -> NonZeroU64 {
    positive(2000)
}

const fn fifteen_seconds() -> NonZeroU64 {
    positive(15_000)
}

const fn a_turn() -> NonZeroU64 {
    positive(45_000)
}

const fn ten_minutes() -> NonZeroU64 {
    positive(600_000)
}

const fn sixty() -> NonZeroU32 {
    NonZeroU32::new(60).expect("a positive constant")
}

impl RoomsConfig {
    /// Can they be kept?
    ///
    /// # Errors
    /// When they cannot.
    pub fn check(&self) -> Result<(), RoomsError> {
        self.terms().map(drop)
    }

    /// The terms of each room, in their order.
    pub(super) fn terms(&self) -> Result<Vec<Terms>, RoomsError> {
        if self.rooms.len() > ROOMS_MAX {
            return Err(RoomsError::TooMany);
        }
        let twice = |index: usize| self.rooms[..index].iter().any(|room| room.name == self.rooms[index].name);
        if let Some(index) = (0..self.rooms.len()).find(|index| twice(*index)) {
            return Err(RoomsError::Twice(self.rooms[index].name.clone()));
        }
        self.rooms.iter().map(|room| room.terms(self)).collect()
    }
}

impl RoomConfig {
    fn terms(&self, all: &RoomsConfig) -> Result<Terms, RoomsError> {
        let name = || self.name.clone();
        let fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if self.name.is_empty() || self.name.len() > NAME_LENGTH_MAX || !self.name.bytes().all(fit) {
            return Err(RoomsError::Name(name()));
        }
        if self.title.chars().count() > TITLE_LENGTH_MAX {
            return Err(RoomsError::Title(name()));
        }
        if self.routes.is_empty() {
            return Err(RoomsError::NoRoutes(name()));
        }
        let rate = u64::from(self.let_in_max.get()) * 1_000_000 / self.window_ms;
        let rate_milli = u32::try_from(rate).ok().filter(|rate| (1..=1_000_000_000).contains(rate));
        let (least, most) = (self.ask_ms_min.get(), self.ask_ms_max.get());
        let (idle, turn) = (self.idle_ms_max.get(), self.turn_ms_max.get());
        let fit = (1000..=IDLE_MS_MAX).contains(&idle) && (1000..=TURN_MS_MAX).contains(&turn);
        if !fit || least < 500 || least > most || most > turn / 2 {
            return Err(RoomsError::Times(name()));
        }
        Ok(Terms {
            capacity: self.capacity.get().into(),
            rate_milli: rate_milli.ok_or_else(|| RoomsError::Rate(name()))?,
            idle_ms: idle,
            turn_ms: turn,
            opens_at: self.opens_at,
            ask_ms_min: least,
            ask_ms_max: most,
            passes_max: size(all.passes_max),
            nodes: all.nodes.get(),
        })
    }

    /// Places that one address may take in a minute, by people who are not signed in, and by those who are.
    pub(super) fn places_max(&self) -> [NonZeroU32; 2] {
        let (strangers, ten) =
            (self.places_per_minute_max, NonZeroU32::new(10).expect("a positive constant"));
        [strangers, self.places_per_minute_signed_in_max.unwrap_or(strangers.saturating_mul(ten))]
    }

    /// Is a request for it?
    pub(super) fn has(&self, method: &str, path: &str) -> bool {
        self.routes.iter().any(|route| route.matches(method, path))
    }

    /// What people read.
    pub(super) fn title(&self) -> &str {
        if self.title.is_empty() { "this service" } else { &self.title }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(room: &str) -> Result<Vec<Terms>, RoomsError> {
        let text = format!(
            "[[rooms]]\nname = \"sale\"\nroutes = [\"/sale/*\"]\ncapacity = 10\nlet-in-max = 5\n{room}"
        );
        toml::from_str::<RoomsConfig>(&text).expect("settings").terms()
    }

    #[test]
    fn a_room_is_written_in_few_words() {
        let terms = read("opens-at = \"2026-12-01T09:00:00Z\"").expect("terms");
        assert_eq!((terms[0].capacity, terms[0].rate_milli, terms[0].idle_ms), (10, 5000, 600_000));
        assert!(terms[0].opens_at.is_some());
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let sale = || "sale".to_owned();
        assert_eq!(read("ask-ms-min = 100"), Err(RoomsError::Times(sale())));
        assert_eq!(read("ask-ms-max = 60000"), Err(RoomsError::Times(sale())));
        assert_eq!(read("idle-ms-max = 36000000"), Err(RoomsError::Times(sale())));
        assert_eq!(read("window-ms = 86400000000"), Err(RoomsError::Rate(sale())));
        let again = "[[rooms]]\nname = \"sale\"\nroutes = [\"/\"]\ncapacity = 1\nlet-in-max = 1";
        assert_eq!(read(again), Err(RoomsError::Twice(sale())));
        let unnamed = "[[rooms]]\nname = \"Sale\"\nroutes = [\"/\"]\ncapacity = 1\nlet-in-max = 1";
        assert_eq!(read(unnamed), Err(RoomsError::Name("Sale".to_owned())));
        assert!(toml::from_str::<RoomsConfig>("[[rooms]]\nname = \"a\"\ncolour = 7").is_err());
    }
}
