//! What browsers show of a room: it can be read without scripts and without colours, and by those who listen to it.

use std::{fmt::Write, sync::LazyLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use clock::Timestamp;
use sha2::{Digest, Sha256};
use waiting::{Reason, Standing};

use super::{config::RoomConfig, words};
use crate::html::escaped;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Under this lie the files of our pages, and how each room stands for whoever asks.
pub(super) const OWN_PATH: &str = "/.holdfast/waiting/";

/// What a page may load: nothing but the two files below, and how its bearer stands.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                                 base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of our pages.
pub(super) struct Asset {
    pub(super) name: String,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
    /// By which browsers know that nobody touched it.
    integrity: String,
}

pub(super) static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    let asset = |ending: &str, content_type, text: &'static str| {
        let hash = Sha256::digest(text);
        // A new text has a new name, so that each can be kept for ever.
        let short: String = hash.iter().take(6).fold(String::new(), |mut short, byte| {
            let _written = write!(short, "{byte:02x}");
            short
        });
        let integrity = format!("sha256-{}", STANDARD.encode(hash));
        Asset { name: format!("{short}.{ending}"), content_type, text, integrity }
    };
    [asset("css", "text/css; charset=utf-8", STYLE), asset("js", "text/javascript; charset=utf-8", SCRIPT)]
});

/// The page of somebody who waits.
pub(super) fn waiting(room: &RoomConfig, standing: &Standing) -> String {
    let title = escaped(room.title());
    let expectation = words::expectation(standing);
    let mut main = String::new();
    let (state, attributes) = match (standing.opens_in_ms, standing.place) {
        (Some(opens), _) => {
            before_opening(&mut main, &title, standing, opens, room.opens_at);
            ("before", format!(" data-opens=\"{opens}\""))
        }
        (None, place) => {
            in_line(&mut main, &title, standing, place.unwrap_or(1), &expectation);
            ("waiting", String::new())
        }
    };
    let main_attributes = format!(
        " data-state=\"{state}\" data-status=\"{OWN_PATH}{}\" data-ask=\"{}\" data-title=\"{title}\"{attributes}",
        room.name, standing.ask_again_ms
    );
    let refresh = standing.ask_again_ms.div_ceil(1000);
    let head =
        format!("<noscript><meta http-equiv=\"refresh\" content=\"{refresh}\"></noscript>\n{}", script());
    let heading = match standing.opens_in_ms {
        Some(_) => format!("Not open yet · {title}"),
        None => format!("{} · {title}", words::grouped(standing.place.unwrap_or(1))),
    };
    whole(&heading, &head, &main_attributes, &main)
}

/// The page of a room that is closed.
pub(super) fn closed(room: &RoomConfig, reason: Reason) -> String {
    let title = escaped(room.title());
    let main = format!(
        "<p class=\"title\">{title}</p>\n<h1 class=\"ending\">{}</h1>\n\
         <p class=\"advice\">There is nothing left to wait for: you can close this page.</p>\n\
         <p class=\"advice\"><a href=\"\">Look again</a>, in case that changes.</p>\n",
        words::ending(reason)
    );
    whole(&format!("Closed · {title}"), "", "", &main)
}

/// How many are before somebody, and how many wait.
pub(super) fn crowd(standing: &Standing) -> String {
    match (standing.opens_in_ms.is_some(), standing.waiting) {
        (true, 0 | 1) => "You are the first to come.".to_owned(),
        (true, waiting) => format!("{} people have come so far.", words::grouped(waiting)),
        (false, 0 | 1) => "Nobody else is waiting.".to_owned(),
        (false, waiting) => format!("{} people are waiting in all.", words::grouped(waiting)),
    }
}

fn in_line(main: &mut String, title: &str, standing: &Standing, place: u64, expectation: &str) {
    let (place, crowd) = (words::grouped(place), crowd(standing));
    // Writing to a string does not fail.
    let _written = write!(
        main,
        "<p class=\"title\">{title}</p>\n<h1>You are in line</h1>\n\
         <p class=\"label\" id=\"label\">Your place in line</p>\n\
         <p class=\"number\" id=\"place\" role=\"status\" aria-live=\"polite\" aria-labelledby=\"label place\">{place}</p>\n\
         <p class=\"expectation\" id=\"expectation\" aria-live=\"polite\">{expectation}</p>\n\
         <progress id=\"done\" max=\"1000\" value=\"{}\" aria-label=\"How much of the way is done\"></progress>\n\
         <p class=\"advice\">This page leads you on by itself when it is your turn. Your place is kept in this browser: \
         you lose nothing when you reload the page, or come back to it.</p>\n\
         <p class=\"advice\" id=\"waiting\">{crowd}</p>\n{}",
        standing.done_permille,
        trouble()
    );
}

fn before_opening(main: &mut String, title: &str, standing: &Standing, opens_ms: u64, at: Option<Timestamp>) {
    let (about, crowd) = (words::expectation(standing), crowd(standing));
    let seconds = opens_ms.div_ceil(1000);
    let clock = match seconds / 86_400 {
        0 => format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
        days => format!("{days} d {:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60),
    };
    let at = at.map_or_else(String::new, |at| {
        let text = at.to_string();
        format!(
            "<p class=\"label\"><time datetime=\"{text}\">{} at {} UTC</time></p>\n",
            &text[..10],
            &text[11..16]
        )
    });
    let _written = write!(
        main,
        "<p class=\"title\">{title}</p>\n<h1>Not open yet</h1>\n\
         <p class=\"label\" id=\"label\">Time until the opening</p>\n\
         <p class=\"number clock\" id=\"clock\" role=\"timer\" aria-live=\"off\" aria-labelledby=\"label clock\">{clock}</p>\n\
         <p class=\"expectation\" id=\"expectation\" aria-live=\"polite\">{about}</p>\n{at}\
         <p class=\"advice\">Coming early is no advantage, and no harm: at the opening, everybody who is here gets a place \
         by lot. You have nothing to do but to keep this page open.</p>\n\
         <p class=\"advice\" id=\"waiting\">{crowd}</p>\n{}",
        trouble()
    );
}

fn trouble() -> &'static str {
    "<p class=\"trouble\" id=\"trouble\" role=\"status\" hidden>We cannot be reached at the moment. Your place is kept, and \
     this page tries again by itself.</p>\n"
}

fn script() -> String {
    let [_, script] = &*ASSETS;
    format!("<script src=\"{OWN_PATH}{}\" integrity=\"{}\" defer></script>\n", script.name, script.integrity)
}

fn whole(heading: &str, head: &str, main_attributes: &str, main: &str) -> String {
    let [style, _] = &*ASSETS;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<title>{heading}</title>\n\
         <link rel=\"stylesheet\" href=\"{OWN_PATH}{}\" integrity=\"{}\">\n{head}</head>\n\
         <body>\n<main{main_attributes}>\n{main}</main>\n</body>\n</html>\n",
        style.name, style.integrity
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_break_out_of_its_page() {
        let text = "[[rooms]]\nname = \"a\"\ntitle = \"<b>\\\"R&B'\"\nroutes = [\"/\"]\ncapacity = 1\nlet-in-max = 1";
        let config: super::super::RoomsConfig = toml::from_str(text).expect("settings");
        let standing = Standing {
            place: Some(1234),
            waiting: 5000,
            wait_ms: Some(60_000),
            done_permille: 10,
            opens_in_ms: None,
            ask_again_ms: 2001,
        };
        let page = waiting(&config.rooms[0], &standing);
        assert!(!page.contains("<b>") && page.contains("&lt;b&gt;&quot;R&amp;B&#39;"), "{page}");
        assert!(page.contains(">1,234<") && page.contains("content=\"3\""), "{page}");
    }
}
