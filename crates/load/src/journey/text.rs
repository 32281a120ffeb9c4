//! Texts with places in them, filled for each caller: `{token}`, `{user}`, or what an earlier answer held.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

use crate::people::{Person, Seat};

/// A text and the places in it.
#[derive(Debug, Clone)]
pub struct Text(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Plain(Vec<u8>),
    Of(Place),
}

/// What stands in a place.
#[derive(Debug, Clone, Copy)]
enum Place {
    User,
    Password,
    Token,
    PersonId,
    KeyId,
    PublicKey,
    /// The index of the person's own registration in the ledger.
    ReceiptIndex,
    /// A name that nobody else has.
    Fresh,
    /// The election that this run votes in.
    Election,
    /// What the person always votes for where votes are not secret.
    Option,
    /// The secret election that the person has a seat in, what they ask for its token with, and a vote in it.
    SecretElection,
    BlindedInput,
    SecretVote,
    /// The signature of the person's device over what was kept as the place says.
    Signature(usize),
    Kept(usize),
}

/// Where the places of one request are filled from.
#[derive(Debug)]
pub struct Source<'s> {
    pub(crate) person: Option<&'s Person>,
    /// Names this caller alone.
    pub(crate) fresh: &'s str,
    pub election: &'s str,
    pub(crate) kept: &'s [String],
}

impl Text {
    /// Reads a text; `kept` are the names of what earlier answers hold.
    pub fn read(text: &str, kept: &[String]) -> anyhow::Result<Self> {
        let names = BTreeMap::from([
            ("user", Place::User),
            ("password", Place::Password),
            ("token", Place::Token),
            ("person-id", Place::PersonId),
            ("key-id", Place::KeyId),
            ("public-key", Place::PublicKey),
            ("receipt-index", Place::ReceiptIndex),
            ("fresh", Place::Fresh),
            ("election", Place::Election),
            ("option", Place::Option),
            ("secret-election", Place::SecretElection),
            ("blinded-input", Place::BlindedInput),
            ("secret-vote", Place::SecretVote),
        ]);
        let mut pieces = Vec::new();
        let mut rest = text;
        // Braces of JSON have no name directly behind them.
        while let Some((at, name)) = next_place(rest) {
            pieces.push(Piece::Plain(rest.as_bytes()[..at].to_vec()));
            let kept_at = |name: &str| kept.iter().position(|kept| kept == name);
            let place = match (names.get(name), name) {
                (Some(place), _) => *place,
                (None, "signature") => {
                    Place::Signature(kept_at("challenge").context("a signature needs a kept challenge")?)
                }
                (None, name) => match kept_at(name) {
                    Some(at) => Place::Kept(at),
                    None => bail!("{{{name}}} is neither known nor kept by an earlier step"),
                },
            };
            pieces.push(Piece::Of(place));
            rest = &rest[at + name.len() + 2..];
        }
        pieces.push(Piece::Plain(rest.as_bytes().to_vec()));
        Ok(Self(pieces))
    }

    /// Does it say what the person votes for?
    pub(super) fn has_option(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Of(Place::Option)))
    }

    /// Writes it with its places filled.
    pub fn write(&self, source: &Source<'_>, out: &mut Vec<u8>) {
        for piece in &self.0 {
            match piece {
                Piece::Plain(bytes) => out.extend_from_slice(bytes),
                Piece::Of(place) => place.write(source, out),
            }
        }
    }

    pub fn filled(&self, source: &Source<'_>) -> String {
        let mut out = Vec::new();
        self.write(source, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }
}

impl Place {
    fn write(self, source: &Source<'_>, out: &mut Vec<u8>) {
        let kept = |at: usize| source.kept.get(at).map_or("", String::as_str);
        if let Self::Fresh = self {
            return out.extend_from_slice(source.fresh.as_bytes());
        }
        if let Self::Election = self {
            return out.extend_from_slice(source.election.as_bytes());
        }
        if let Self::Kept(at) = self {
            return out.extend_from_slice(kept(at).as_bytes());
        }
        let Some(person) = source.person else { return };
        let seat = |told: fn(&Seat) -> Vec<u8>| person.seat.as_ref().map(told).unwrap_or_default();
        match self {
            Self::User => out.extend_from_slice(person.user.as_bytes()),
            Self::Password => out.extend_from_slice(person.password.as_bytes()),
            Self::Option => out.extend_from_slice(person.option.as_bytes()),
            Self::Token => out.extend_from_slice(person.token.as_bytes()),
            Self::PersonId => out.extend_from_slice(person.id.as_bytes()),
            Self::KeyId => out.extend_from_slice(person.key_id().as_bytes()),
            Self::PublicKey => out.extend_from_slice(person.public_key().as_bytes()),
            Self::ReceiptIndex => out.extend_from_slice(person.receipt_index.to_string().as_bytes()),
            Self::Signature(at) => out.extend_from_slice(person.sign("sign-in", kept(at)).as_bytes()),
            Self::SecretElection => out.extend(seat(|seat| seat.booth.election().to_string().into())),
            Self::BlindedInput => out.extend(seat(|seat| seat.blinded.to_string().into())),
            // One that cannot be made is sent as none, and refused.
            Self::SecretVote => out.extend(seat(|seat| seat.vote().unwrap_or_default())),
            Self::Fresh | Self::Election | Self::Kept(_) => {}
        }
    }
}

/// Where the next place begins, and its name.
fn next_place(text: &str) -> Option<(usize, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let rest = &text[at + 1..];
        let name = &rest[..rest.find('}')?];
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        is_name.then_some((at, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_braces_of_json_stay() {
        let kept = ["challenge".to_owned()];
        let text =
            Text::read("{\"a\": {\"user\": \"{fresh}\"}, \"c\": \"{challenge}\"}", &kept).expect("known");
        let source = Source { person: None, fresh: "ada", election: "", kept: &["abc".to_owned()] };
        assert_eq!(text.filled(&source), "{\"a\": {\"user\": \"ada\"}, \"c\": \"abc\"}");
    }
}
