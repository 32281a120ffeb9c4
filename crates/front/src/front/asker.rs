//! What of whoever asks decides about fields of the answer, whoever gives it.

use http::{
    Response, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, COOKIE},
};

use super::{Front, Seen, X_FORWARDED_PROTO};
use crate::{Answer, FromUpstream, cors::Listed};

/// As much as has to be known of a request when its answer is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asker {
    /// It came encrypted, to us or to a proxy that is trusted.
    secure: bool,
    /// It says who sends it.
    credentials: bool,
    /// A page asked that may read the answer.
    listed: Listed,
}

impl Asker {
    /// Nobody who has said anything yet.
    #[must_use]
    pub const fn unheard(secure: bool) -> Self {
        Self { secure, credentials: false, listed: None }
    }
}

impl Front {
    /// Who asks.
    pub fn asker(&self, seen: &Seen<'_>) -> Asker {
        let table = self.0.table.load();
        let credentials = seen.fields.get(&AUTHORIZATION).is_some() || seen.fields.get(&COOKIE).is_some();
        let listed = table.cors.listed(seen.fields);
        Asker { secure: table.came_encrypted(seen), credentials, listed }
    }

    /// Writes the fields of an answer that it does not say itself.
    pub fn write_fields(&self, outbox: &mut Vec<u8>, answer: &Answer, asker: Asker) {
        let table = self.0.table.load();
        table.headers.write(outbox, answer, asker.secure);
        table.cors.write(outbox, asker.listed);
        let says = || answer.fields.iter().any(|(name, _)| *name == CACHE_CONTROL);
        let preflight = answer.status == StatusCode::NO_CONTENT;
        if !answer.stored || (asker.credentials && !preflight && !says()) {
            outbox.extend_from_slice(b"cache-control: no-store\r\n");
        }
    }

    /// Adds the fields that a response does not say itself, if it is ours; else as far as it is wanted `whose`.
    pub fn complete<B>(&self, response: &mut Response<B>, asker: Asker, whose: Option<FromUpstream>) {
        let table = self.0.table.load();
        table.cors.put(response.headers_mut(), asker.listed);
        table.headers.put(response, asker.secure, asker.credentials, whose);
    }

    /// Does [`Self::complete`] leave an answer as it is, whatever its fields are?
    pub fn leaves(&self, whose: Option<FromUpstream>) -> bool {
        let as_it_is = FromUpstream { completed: false, strict_cookies: false };
        whose == Some(as_it_is) && self.0.table.load().cors.is_off()
    }
}

impl super::Table {
    /// One word for all cookies: a proxy of ours may have taken the encryption off.
    pub(super) fn came_encrypted(&self, seen: &Seen<'_>) -> bool {
        let trusted = || seen.peer.is_some_and(|peer| self.clients.trusts(peer));
        seen.secure || (trusted() && seen.fields.get(&X_FORWARDED_PROTO) == Some(b"https"))
    }
}
