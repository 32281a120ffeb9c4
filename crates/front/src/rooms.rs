//! Waiting rooms: before routes that bear only so much, people get a place in a fair queue, and are let in as fast as
//! they can be served.

mod config;
mod instruments;
mod page;
mod words;

use std::{
    fmt,
    num::{NonZeroU32, NonZeroU64},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use clock::Clock;
use futures_util::future::join_all;
use http::{HeaderName, HeaderValue, StatusCode, header};
use limiter::{Algorithm, Limiter, QuotaConfig, Shared, Verdict};
use problem::Problem;
use serde::Serialize;
use serde_json::json;
use telemetry::Metrics;
use waiting::{Bearer, Keys, Reason, Room, RoomState, Standing, Step, Terms, Token, Word};

pub use config::{RoomConfig, RoomsConfig, RoomsError};
use instruments::{Instruments, RoomInstruments};

use crate::{Admitted, Answer, Fields, Seen, cookies::values, front::seconds, household, signers::Whose};

const QUEUE_TOKEN: HeaderName = HeaderName::from_static("queue-token");
/// How long a browser keeps a place.
const KEPT_SECONDS: u32 = 24 * 60 * 60;
/// When to ask again about a room that is closed.
const CLOSED_AGAIN: Duration = Duration::from_secs(60);
/// Routes that say whether a node is well: nobody waits for that.
const NEVER: [&str; 2] = ["/health", "/ready"];

/// The rooms of a port. Clones share them.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    key: [u8; 32],
    clock: Clock,
    shared: Option<Shared>,
    instruments: Instruments,
    table: ArcSwap<Vec<Arc<Kept>>>,
}

/// A room and what goes with it.
struct Kept {
    config: RoomConfig,
    room: Arc<Room>,
    /// Places by address, of people who are not signed in and of those who are.
    places: Arc<[Limiter; 2]>,
    addresses_max: usize,
    instruments: RoomInstruments,
}

/// How a room stands, with its name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomStateNamed {
    pub name: String,
    #[serde(flatten)]
    pub state: RoomState,
}

/// Somebody who comes to a room without a place.
pub(crate) struct Arrival {
    kept: Arc<Kept>,
    person: Option<[u8; 16]>,
    manner: Manner,
    agent: Box<[u8]>,
}

/// How somebody is told things.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// With a page, or with a problem document.
    html: bool,
    /// In a cookie, or in a field of its own.
    cookie: bool,
    secure: bool,
}

impl Rooms {
    /// By these settings. All nodes have the same `key`, and nobody else has it; they count in `shared`.
    ///
    /// # Errors
    /// When the settings say what cannot be kept.
    pub fn new(
        config: &RoomsConfig,
        key: [u8; 32],
        clock: &Clock,
        metrics: &Metrics,
        shared: Option<Shared>,
    ) -> Result<Self, RoomsError> {
        let this = Self(Arc::new(Inner {
            key,
            clock: clock.clone(),
            shared,
            instruments: Instruments::register(metrics),
            table: ArcSwap::default(),
        }));
        this.set(config)?;
        Ok(this)
    }

    /// Keeps rooms by these settings from now on. Nobody loses a place in a room that has the same name.
    ///
    /// # Errors
    /// When they say what cannot be kept; nothing changes then.
    pub fn set(&self, config: &RoomsConfig) -> Result<(), RoomsError> {
        let terms = config.terms()?;
        let before = self.0.table.load();
        let rooms = config.rooms.iter().zip(terms).map(|(room, terms)| {
            let same = before.iter().find(|kept| kept.config.name == room.name);
            Arc::new(self.0.keep(room, terms, config::size(config.addresses_max), same.map(|same| &**same)))
        });
        self.0.table.store(Arc::new(rooms.collect()));
        Ok(())
    }

    /// Lets people in. To be called some four times a second.
    pub async fn tend(&self) {
        let table = self.0.table.load_full();
        // Side by side: what takes time is the journeys.
        let tended = table.iter().map(|kept| async {
            kept.room.tend().await;
            kept.instruments.show(&kept.room.state());
        });
        join_all(tended).await;
    }

    /// How all of them stand.
    #[must_use]
    pub fn state(&self) -> Vec<RoomStateNamed> {
        let table = self.0.table.load();
        let state =
            |kept: &Arc<Kept>| RoomStateNamed { name: kept.config.name.clone(), state: kept.room.state() };
        table.iter().map(state).collect()
    }

    /// There is nothing left to wait for in the room of this name; nothing if there is no such room.
    pub async fn close(&self, name: &str, reason: Reason) -> Option<RoomStateNamed> {
        self.say(name, |word| Word { closed: Some(reason), ..word }).await
    }

    /// Opens a room that was closed; one that is not, before its time.
    pub async fn open(&self, name: &str) -> Option<RoomStateNamed> {
        let opened = |word: Word| Word { closed: None, opened: word.opened || word.closed.is_none(), ..word };
        self.say(name, opened).await
    }

    /// Lets in so many in 1,000 seconds from now on, or as many as the settings say.
    pub async fn let_in(&self, name: &str, rate_milli: Option<u32>) -> Option<RoomStateNamed> {
        self.say(name, |word| Word { rate_milli, ..word }).await
    }

    async fn say(&self, name: &str, change: impl Fn(Word) -> Word) -> Option<RoomStateNamed> {
        let kept = self.0.named(name)?;
        kept.room.say(change).await;
        kept.room.tend().await;
        Some(RoomStateNamed { name: name.to_owned(), state: kept.room.state() })
    }

    /// May this request go on, or does somebody have to wait?
    pub(crate) fn look(
        &self,
        whose: &Whose<'_>,
        seen: &Seen<'_>,
        mut admitted: Admitted,
        now: u64,
    ) -> Result<Admitted, Answer> {
        if let Some(own) = seen.path.strip_prefix(page::OWN_PATH) {
            return self.0.own(own, seen).map_or(Ok(admitted), Err);
        }
        let table = self.0.table.load();
        let Some(kept) = table.iter().find(|kept| kept.config.has(seen.method, seen.path)) else {
            return Ok(admitted);
        };
        if NEVER.contains(&seen.path) {
            return Ok(admitted);
        }
        let (token, manner) = kept.token(seen);
        let bearer = bearer(seen.fields);
        match kept.room.look(token) {
            Step::Pass { keep } => {
                if let Some(keep) = keep {
                    admitted.told.get_or_insert_default().keep(kept.field(keep, bearer, manner));
                }
                Ok(admitted)
            }
            Step::Wait { keep, standing } => Err(kept.waits(keep, &standing, bearer, manner)),
            Step::Closed(reason) => Err(kept.closed(reason, manner)),
            Step::Draw => {
                if admitted.actor.is_none() {
                    admitted.actor = whose.actor(seen).ok();
                }
                let person = admitted.actor.as_ref().and_then(|actor| actor.by().person());
                let places = &kept.places[usize::from(person.is_some())];
                if let Some(client) = admitted.client
                    && let Verdict::Refuse { retry_after } = places.decide(&household(client), 1, now).verdict
                {
                    kept.instruments.refused.inc();
                    return Err(too_many_places(retry_after));
                }
                let person = person.map(|person| person.to_bytes());
                let (kept, agent) = (Arc::clone(kept), bearer.agent.into());
                admitted.arrival = Some(Arc::new(Arrival { kept, person, manner, agent }));
                Ok(admitted)
            }
        }
    }
}

impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rooms")
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("room", &self.kept.config.name).finish_non_exhaustive()
    }
}

impl Arrival {
    /// Draws a number: tells what its bearer is to keep if they may go on, or what they are told.
    pub(crate) async fn draw(&self) -> Result<Option<(HeaderName, HeaderValue)>, Answer> {
        let Self { kept, person, manner, agent } = self;
        let bearer = Bearer { agent };
        match kept.room.arrive(person.as_ref().map(<[u8; 16]>::as_slice)).await {
            Step::Pass { keep } => Ok(keep.map(|keep| kept.field(keep, bearer, *manner))),
            Step::Wait { keep, standing } => Err(kept.waits(keep, &standing, bearer, *manner)),
            Step::Closed(reason) => Err(kept.closed(reason, *manner)),
            // A number that was just drawn has not had its turn; if it had, they come again.
            Step::Draw => Err(too_many_places(Duration::from_secs(1))),
        }
    }
}

impl Inner {
    fn named(&self, name: &str) -> Option<Arc<Kept>> {
        self.table.load().iter().find(|kept| kept.config.name == name).cloned()
    }

    fn keep(&self, config: &RoomConfig, terms: Terms, addresses_max: usize, same: Option<&Kept>) -> Kept {
        let room = same.map_or_else(
            || {
                let keys = Keys::of(&self.key, &config.name);
                Arc::new(Room::new(&config.name, terms, keys, self.clock.clone(), self.shared.clone()))
            },
            |same| Arc::clone(&same.room),
        );
        room.set(terms);
        let alike = |same: &&Kept| {
            same.config.places_max() == config.places_max() && same.addresses_max == addresses_max
        };
        let places = same.filter(alike).map_or_else(
            || Arc::new(config.places_max().map(|places_max| counting(places_max, addresses_max))),
            |same| Arc::clone(&same.places),
        );
        let instruments = self.instruments.of(&config.name);
        Kept { config: config.clone(), room, places, addresses_max, instruments }
    }

    /// Files of our pages, and how somebody stands.
    fn own(&self, path: &str, seen: &Seen<'_>) -> Option<Answer> {
        if seen.method != http::Method::GET {
            return None;
        }
        if let Some(asset) = page::ASSETS.iter().find(|asset| asset.name == path) {
            let answer = Answer::of_type(HeaderValue::from_static(asset.content_type), asset.text.as_bytes());
            let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
            return Some(answer.with_field(header::CACHE_CONTROL, forever));
        }
        let kept = self.named(path)?;
        let (token, manner) = kept.token(seen);
        // Whoever has no place gets one where they wait for it, and not by asking how they stand.
        let step = token.map_or(Step::Draw, |token| kept.room.look(Some(token)));
        Some(kept.status(step, bearer(seen.fields), manner))
    }
}

impl Kept {
    fn cookie(&self, secure: bool) -> String {
        let prefix = if secure { "__Host-" } else { "" };
        format!("{prefix}queue-{}", self.config.name)
    }

    /// What the request's bearer kept, and how they are told things.
    fn token(&self, seen: &Seen<'_>) -> (Option<Token>, Manner) {
        let (fields, bearer) = (seen.fields, bearer(seen.fields));
        let html = fields
            .get(&header::ACCEPT)
            .is_some_and(|accept| memchr::memmem::find(accept, b"text/html").is_some());
        let manner = |cookie| Manner { html, cookie, secure: seen.secure };
        let name = self.cookie(seen.secure);
        let mut kept = values(fields, &name);
        if let Some(token) = kept.find_map(|value| self.room.read(value, bearer)) {
            return (Some(token), manner(true));
        }
        let token = fields.get(&QUEUE_TOKEN).and_then(|value| self.room.read(value, bearer));
        (token, manner(html && token.is_none()))
    }

    /// The field by which a bearer is given what to keep.
    fn field(&self, keep: Token, bearer: Bearer<'_>, manner: Manner) -> (HeaderName, HeaderValue) {
        let token = self.room.sign(keep, bearer);
        let (name, value) = if manner.cookie {
            let secure = if manner.secure { "; Secure" } else { "" };
            let name = self.cookie(manner.secure);
            let value =
                format!("{name}={token}; Path=/; Max-Age={KEPT_SECONDS}; HttpOnly; SameSite=Lax{secure}");
            (header::SET_COOKIE, value)
        } else {
            (QUEUE_TOKEN, token)
        };
        (name, HeaderValue::try_from(value).expect("names and tokens are letters, digits and dashes"))
    }

    fn waits(&self, keep: Token, standing: &Standing, bearer: Bearer<'_>, manner: Manner) -> Answer {
        self.instruments.told_to_wait.inc();
        let again = Duration::from_millis(standing.ask_again_ms);
        let answer = if manner.html {
            page(page::waiting(&self.config, standing))
        } else {
            let detail = "so many are here that there is a queue: come back when Retry-After says, with the Queue-Token of \
                          this answer";
            let problem = Problem::unavailable("edge/waiting", detail, again)
                .with("room", self.config.name.as_str())
                .with("place", standing.place)
                .with("waiting", standing.waiting)
                .with("waitMs", standing.wait_ms)
                .with("opensInMs", standing.opens_in_ms);
            Answer::refusing(&problem)
        };
        let (name, value) = self.field(keep, bearer, manner);
        answer
            .with_field(header::RETRY_AFTER, seconds(again))
            .with_field(name, value)
            .with_field(header::VARY, varies())
    }

    fn closed(&self, reason: Reason, manner: Manner) -> Answer {
        self.instruments.refused.inc();
        let answer = if manner.html {
            page(page::closed(&self.config, reason))
        } else {
            let problem =
                Problem::unavailable("edge/waiting-room-closed", words::ending(reason), CLOSED_AGAIN)
                    .with("room", self.config.name.as_str())
                    .with("reason", json!(reason));
            Answer::refusing(&problem)
        };
        answer.with_field(header::RETRY_AFTER, seconds(CLOSED_AGAIN)).with_field(header::VARY, varies())
    }

    /// How somebody stands, for the page's script.
    fn status(&self, step: Step, bearer: Bearer<'_>, manner: Manner) -> Answer {
        let plain = |state: &str| json!({ "state": state });
        let manner = Manner { html: false, ..manner };
        let (status, keep) = match step {
            Step::Pass { keep } => (plain("yours"), keep),
            Step::Closed(_) => (plain("closed"), None),
            Step::Draw => (plain("none"), None),
            // They have it already.
            Step::Wait { standing, keep: _ } => {
                let state = if standing.opens_in_ms.is_some() { "before" } else { "waiting" };
                let status = json!({
                    "state": state,
                    "place": standing.place,
                    "placeWords": standing.place.map(words::grouped),
                    "expectation": words::expectation(&standing),
                    "waitingWords": page::crowd(&standing),
                    "donePermille": standing.done_permille,
                    "opensInMs": standing.opens_in_ms,
                    "askAgainMs": standing.ask_again_ms,
                });
                (status, None)
            }
        };
        let answer = Answer::json(status.to_string().into_bytes()).not_stored();
        match keep.map(|keep| self.field(keep, bearer, manner)) {
            Some((name, value)) => answer.with_field(name, value),
            None => answer,
        }
    }
}

fn page(text: String) -> Answer {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    Answer::of_type(html, text.into_bytes())
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .not_stored()
        .with_field(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY))
        .with_field(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"))
}

fn varies() -> HeaderValue {
    HeaderValue::from_static("accept, cookie, queue-token")
}

fn bearer<'a>(fields: Fields<'a>) -> Bearer<'a> {
    Bearer { agent: fields.get(&header::USER_AGENT).unwrap_or_default() }
}

/// Counts the places of addresses.
fn counting(places_max: NonZeroU32, addresses_max: usize) -> Limiter {
    let quota = QuotaConfig {
        algorithm: Algorithm::TokenBucket,
        limit: places_max,
        window_ms: NonZeroU64::new(60_000).expect("a minute"),
        burst: None,
        block_ms: None,
    };
    Limiter::new(quota.quota().expect("any number a minute can be counted"), addresses_max)
}

fn too_many_places(wait: Duration) -> Answer {
    let detail = "this address has taken many places in a short time: wait as long as Retry-After says; people who are signed in have \
         room for more";
    let problem = Problem::too_many_requests("edge/too-many-places", detail, wait);
    Answer::refusing(&problem).with_field(header::RETRY_AFTER, seconds(wait))
}
