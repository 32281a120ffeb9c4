//! Mints tokens and says which ones hold: a tag, an expiry, an epoch and a set, and no disk.

use std::{
    cell::OnceCell,
    rc::Rc,
    sync::{Arc, RwLockReadGuard},
};

use clock::{Clock, Timestamp};
use ids::Id;
use problem::Problem;
use seal::Keys;

use crate::{
    known_place::PlaceHash,
    live::{Live, Revoked},
    ring::{Place, Ring, RingKeys},
    sign_in::SignedIn,
    token::{self, Audience, OWN_AUDIENCE, TOKEN_BYTES, TagKey, Token},
};

/// The longest that a token may live.
pub const TOKEN_DAYS_MAX: u64 = 30;

/// Why a token does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("this is not a token of ours")]
    Malformed,
    #[error("the token's tag does not hold")]
    Forged,
    #[error("the token has expired; sign in again")]
    Expired,
    #[error("the token was ended by a sign-out; sign in again")]
    Ended,
    #[error("the token is for another service")]
    OtherAudience,
    #[error("the token belongs to another device; send its fingerprint as Device-Fingerprint")]
    OtherDevice,
}

impl TokenError {
    /// One byte for the compact form of many answers; nought is for a token that holds.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Malformed => 1,
            Self::Forged => 2,
            Self::Expired => 3,
            Self::Ended => 4,
            Self::OtherAudience => 5,
            Self::OtherDevice => 6,
        }
    }

    /// The word for it where many tokens are answered at once.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Forged => "forged",
            Self::Expired => "expired",
            Self::Ended => "ended",
            Self::OtherAudience => "other-audience",
            Self::OtherDevice => "other-device",
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        // RFC 6750, section 3.1: one code for every token that does not hold.
        const INVALID: &str = "Bearer error=\"invalid_token\"";
        Self::unauthorized("identity/token-invalid", error, INVALID).with("reason", error.word())
    }
}

/// The service of tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Shared>);

struct Shared {
    keys: Keys,
    clock: Clock,
    live: Arc<Live>,
    own: Audience,
    ring: Ring,
}

/// Many tokens checked at one moment, against one state.
pub struct Validator<'a> {
    shared: &'a Shared,
    ring: Rc<RingKeys>,
    /// Looked at only for a session that may have been ended.
    revoked: OnceCell<RwLockReadGuard<'a, Revoked>>,
    now: Timestamp,
    audience: Option<Audience>,
}

impl Tokens {
    /// Tokens under `keys`, as `live` has them.
    #[must_use]
    pub fn new(keys: Keys, clock: Clock, live: Arc<Live>) -> Self {
        let own = Audience::named(OWN_AUDIENCE);
        Self(Arc::new(Shared { keys, clock, live, own, ring: Ring::default() }))
    }

    /// The token for a sign-in: the same one however often it is asked for.
    #[must_use]
    pub fn mint(&self, signed_in: &SignedIn) -> [u8; TOKEN_BYTES] {
        let token = signed_in.token();
        token.encode(&self.0.key(token.audience, token.key_day()))
    }

    /// What a token for this service says, if it holds now.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn check_own(&self, bytes: &[u8; TOKEN_BYTES]) -> Result<Token, TokenError> {
        self.validator().meant_for(Some(self.0.own)).check(bytes)
    }

    /// What a token for whichever service says, if it holds now.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn check(&self, bytes: &[u8; TOKEN_BYTES]) -> Result<Token, TokenError> {
        self.validator().check(bytes)
    }

    /// Checks many tokens against one moment and one state. Sign-outs wait while it is held: be quick.
    #[must_use]
    pub fn validator(&self) -> Validator<'_> {
        let shared = &*self.0;
        let (ring, revoked) = (shared.ring.keys(), OnceCell::new());
        Validator { shared, ring, revoked, now: shared.clock.now(), audience: None }
    }

    /// Keyed hash of a device's fingerprint, as tokens carry it.
    #[must_use]
    pub fn device(&self, fingerprint: &str) -> [u8; 8] {
        PlaceHash::device(&self.0.keys, fingerprint).short()
    }
}

impl Validator<'_> {
    /// The same, for tokens of this audience alone, if one is given.
    #[must_use]
    pub fn meant_for(mut self, audience: Option<Audience>) -> Self {
        self.audience = audience;
        self
    }

    /// What the token says, if it holds at the validator's moment. The device is not looked at.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn check(&self, bytes: &[u8; TOKEN_BYTES]) -> Result<Token, TokenError> {
        let token = Token::decode(bytes).ok_or(TokenError::Malformed)?;
        let wanted = (token.audience, token.key_day());
        match self.ring.iter().find(|(place, _)| *place == wanted) {
            Some((_, key)) => {
                if !token::tag_holds(bytes, key) {
                    return Err(TokenError::Forged);
                }
            }
            None => self.check_with_new_key(bytes, wanted)?,
        }
        if self.audience.is_some_and(|audience| audience != token.audience) {
            return Err(TokenError::OtherAudience);
        }
        if token.expires_at <= self.now {
            return Err(TokenError::Expired);
        }
        if self.shared.live.epoch(token.claims.number) != token.epoch || self.has_ended(token.claims.session)
        {
            return Err(TokenError::Ended);
        }
        Ok(token)
    }

    fn has_ended(&self, session: Id<authz::Session>) -> bool {
        let live = &self.shared.live;
        live.may_be_revoked(session) && self.revoked.get_or_init(|| live.revoked()).contains(session)
    }

    /// Derives the key; keeps it only if the token is ours and meant for whoever asks, so that neither a
    /// flood of made-up tokens nor one of made-up audiences fills anything.
    fn check_with_new_key(&self, bytes: &[u8; TOKEN_BYTES], wanted: Place) -> Result<(), TokenError> {
        let (audience, day) = wanted;
        let key = self.shared.key(audience, day);
        if !token::tag_holds(bytes, &key) {
            return Err(TokenError::Forged);
        }
        if self.audience.is_some_and(|wanted| wanted != audience) {
            return Ok(());
        }
        let today = self.now.millis() / (24 * 60 * 60 * 1000);
        self.shared.ring.keep(wanted, key, today.saturating_sub(TOKEN_DAYS_MAX), self.shared.own);
        Ok(())
    }
}

impl Shared {
    fn key(&self, audience: Audience, day: u64) -> TagKey {
        let mut context = [0; 12];
        context[..4].copy_from_slice(&audience.0.to_be_bytes());
        context[4..].copy_from_slice(&day.to_be_bytes());
        TagKey(*self.keys.derive("identity token", &context).as_bytes())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("live", &self.live).finish_non_exhaustive()
    }
}
