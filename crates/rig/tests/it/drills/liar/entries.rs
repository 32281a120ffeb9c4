//! Lies about entries of the ledger.

use http::StatusCode;
use serde_json::Value;

use super::{Liar, Lie, votes::Change};

impl Liar {
    /// How an answer about entries is changed, if this is a moment to lie.
    pub(super) fn about_entries(&self, path: &str, status: StatusCode) -> Option<Change> {
        let page = path.contains("/entries?") && status == 200;
        if self.lie == Lie::DropsAnEntry && page {
            return Some(Box::new(|body| {
                let entries = body["entries"].as_array_mut().expect("a page has entries");
                let middle = entries.len() / 2;
                drop((!entries.is_empty()).then(|| entries.remove(middle)));
            }));
        }
        if self.lie == Lie::StandsStill && page {
            return Some(Box::new(|body| {
                if let Some(first) = body["entries"].get(0) {
                    body["next"] = first["index"].clone();
                }
            }));
        }
        if self.lie == Lie::HidesAnEntry && path.ends_with("/export") && status == 200 {
            let shown = |entry: &Value| entry["command"] != "identity/change-standing";
            return Some(Box::new(move |body| {
                body["ledgerEntries"].as_array_mut().into_iter().for_each(|entries| entries.retain(shown));
            }));
        }
        None
    }
}
