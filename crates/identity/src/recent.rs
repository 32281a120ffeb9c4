//! Answers of the last second, for requests that come again to the letter: a client that lost our answer,
//! or a button pressed twice. The key is a hash of the whole request, secrets included, so nobody is ever
//! given another's answer.

use std::{collections::VecDeque, time::Duration};

use clock::Timestamp;
use hashbrown::HashMap;
use ledger::Receipt;

use crate::sign_in::SignedIn;

/// How long an answer may be given again.
pub(crate) const RECENT_LIFE: Duration = Duration::from_secs(1);
/// Answers kept at once; the oldest go first.
const ANSWERS_MAX: usize = 10_000;

/// Hash of a whole request, keyed with a secret of this process.
pub(crate) type RequestHash = [u8; 32];

/// Sign-ins of the last second, without their tokens, which are made anew.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    answers: HashMap<RequestHash, (Timestamp, Receipt<SignedIn>)>,
    order: VecDeque<(Timestamp, RequestHash)>,
}

impl Recent {
    /// The answer that this request got less than a second ago.
    #[must_use]
    pub(crate) fn find(&self, request: &RequestHash, now: Timestamp) -> Option<Receipt<SignedIn>> {
        let (at, answer) = self.answers.get(request)?;
        (now.since(*at) < RECENT_LIFE && *at <= now).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub(crate) fn keep(&mut self, request: RequestHash, answer: Receipt<SignedIn>, now: Timestamp) {
        while let Some((at, oldest)) = self.order.front().copied() {
            if self.order.len() < ANSWERS_MAX && now.since(at) < RECENT_LIFE {
                break;
            }
            self.order.pop_front();
            if self.answers.get(&oldest).is_some_and(|(kept_at, _)| *kept_at == at) {
                self.answers.remove(&oldest);
            }
        }
        self.order.push_back((now, request));
        self.answers.insert(request, (now, answer));
    }
}
