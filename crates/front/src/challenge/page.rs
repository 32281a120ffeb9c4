//! The page that asks for a proof, and its files.

use http::{HeaderValue, header::CONTENT_SECURITY_POLICY};

use super::Puzzle;
use crate::Answer;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const WORKER: &str = include_str!("worker.js");

/// For whoever sent something: a browser asks before it does so again.
const SENT: &str = "<p class=\"note\">What you sent was not looked at yet. It is sent again when the sum is done; your browser may \
                    ask you whether it should.</p>";

/// Only what lies beside the page, and nothing in it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; worker-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page, for somebody who asked for one or, if not `is_get`, sent something that a browser sends again when it loads the
/// page again.
pub(crate) fn page(puzzle: &Puzzle, is_get: bool) -> Answer {
    let refresh = puzzle.patience_s.filter(|_| is_get).map_or_else(String::new, |seconds| {
        // A second more than is waited for, so that nobody comes too early.
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{}\"></noscript>", seconds + 1)
    });
    let patience = match (puzzle.patience_s, is_get) {
        (None, _) => {
            "Please turn on scripts for this site: too many without them came from your network just now."
                .to_owned()
        }
        (Some(seconds), true) => {
            format!(
                "Your browser runs no scripts. That is fine: this page goes on by itself in {seconds} seconds."
            )
        }
        (Some(seconds), false) => format!(
            "Your browser runs no scripts. That is fine: load this page again in {seconds} seconds, and what you sent is sent again."
        ),
    };
    let sent = if is_get { "" } else { SENT };
    let page = PAGE
        .replace("{{refresh}}", &refresh)
        .replace("{{sent}}", sent)
        .replace("{{patience}}", &patience)
        .replace("{{seed}}", &puzzle.seed)
        .replace("{{bits}}", &puzzle.bits.to_string());
    Answer::of_type(HeaderValue::from_static("text/html; charset=utf-8"), page.into_bytes())
        .with_field(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY))
}

/// A file of the page, by its name.
pub(crate) fn file(name: &str) -> Option<Answer> {
    let (kind, text) = match name {
        "challenge.css" => ("text/css; charset=utf-8", STYLE),
        "challenge.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "worker.js" => ("text/javascript; charset=utf-8", WORKER),
        _ => return None,
    };
    let answer = Answer::of_type(HeaderValue::from_static(kind), text.as_bytes());
    Some(answer.with_field(http::header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600")))
}
