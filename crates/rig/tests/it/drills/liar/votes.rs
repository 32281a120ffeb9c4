//! Lies about votes.

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Liar, Lie};

/// What is done to an answer.
pub(super) type Change = Box<dyn Fn(&mut Value)>;

impl Liar {
    /// How an answer about votes is changed, if this is a moment to lie.
    pub(super) fn about_votes(&self, path: &str, status: StatusCode) -> Option<Change> {
        let results = path.ends_with("/results") && status == 200;
        let taken = path == "/api/v1/voting/submit" && status == 201;
        if self.lie == Lie::ThrowsAVoteAway && taken && self.turn() {
            // The entry that it names will never be there.
            let nowhere = 1_000_000 + self.asked.load(Ordering::Relaxed);
            return Some(Box::new(move |body| body["index"] = json!(nowhere)));
        }
        if self.lie == Lie::CountsAVoterTwice && results {
            return Some(Box::new(|body| {
                let counted = body["contests"][0]["ballots"].as_u64().unwrap_or_default();
                body["contests"][0]["ballots"] = json!(counted + 1);
            }));
        }
        if self.lie == Lie::CountsAVoteForAnother && results {
            return Some(Box::new(|body| {
                let counts = &mut body["contests"][0]["log"]["most"]["counts"];
                let [one, other] = [0, 1].map(|option| counts[option].as_u64().unwrap_or_default());
                *counts = json!([one.saturating_sub(1), other + 1]);
            }));
        }
        None
    }
}
