//! What everybody may see of elections, without scripts: which there are, how one stands, what came out, and where a
//! ballot is.

mod count;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::{Deserialize, de::DeserializeOwned};
use tower::ServiceExt as _;

use super::layout::{Page, page};
use crate::election::{
    BallotStatus, Contest, ContestResult, Election, Elections, Results, State as Stage, Texts, Turnout,
    wanted,
};

/// An answer of the API that a page is made of is at most so large.
const ANSWER_BYTES_MAX: usize = 16 << 20;

pub(super) fn routes(api: Router) -> Router {
    Router::new()
        .route("/elections", get(list))
        .route("/elections/{election}", get(show))
        .route("/elections/{election}/ballots", get(find))
        .route("/elections/{election}/ballots/{tracker}", get(ballot))
        .with_state(Api(api))
}

/// The public API of the same process.
#[derive(Debug, Clone)]
struct Api(Router);

/// Why there is no page: the status, and what to tell.
struct NoPage(StatusCode, String);

impl IntoResponse for NoPage {
    fn into_response(self) -> Response {
        let Self(status, why) = self;
        let title = if status == StatusCode::NOT_FOUND { "Page not found" } else { "This did not work" };
        let main = html! {
            h1 class="govuk-heading-l" { (title) }
            p class="govuk-body" { (why) }
            p class="govuk-body" { a class="govuk-link" href="/elections" { "All elections" } }
        };
        page(&Page { status, ..Page::new(title) }, &main)
    }
}

fn nothing_here() -> NoPage {
    NoPage(StatusCode::NOT_FOUND, "There is nothing here.".to_owned())
}

/// What is said of a problem.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    detail: String,
}

impl Api {
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, NoPage> {
        let broken = || NoPage(StatusCode::BAD_GATEWAY, "The page could not be made. Try again.".to_owned());
        let request = Request::get(path).body(Body::empty()).map_err(|_| nothing_here())?;
        let answer = self.0.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
        let (parts, body) = answer.into_parts();
        let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(|_| broken())?;
        if !parts.status.is_success() {
            let said = serde_json::from_slice(&bytes).unwrap_or(Said { detail: String::new() });
            return Err(NoPage(parts.status, sentence(&said.detail)));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            tracing::error!(code = "pages/unclear-answer", path, %error, "the API answers otherwise than pages expect");
            broken()
        })
    }

    /// What may be missing without the page being so.
    async fn ask_if_there<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, NoPage> {
        match self.ask(path).await {
            Ok(found) => Ok(Some(found)),
            Err(NoPage(StatusCode::NOT_FOUND, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A detail as a sentence.
fn sentence(detail: &str) -> String {
    let mut letters = detail.chars();
    let first = letters
        .next()
        .map_or_else(|| "There is nothing here".to_owned(), |first| first.to_uppercase().collect());
    let end = if detail.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// In which languages texts are shown: as the address says, or as the browser does.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    lang: Option<String>,
    #[serde(default)]
    after: Option<String>,
}

impl Asked {
    fn languages(&self, fields: &HeaderMap) -> Vec<String> {
        let accepted = fields.get(header::ACCEPT_LANGUAGE).and_then(|field| field.to_str().ok());
        self.lang.iter().cloned().chain(wanted(accepted.unwrap_or_default())).collect()
    }
}

/// A text with its language, so that it is read out in it.
fn said(texts: &Texts, languages: &[String]) -> Markup {
    let (tag, text) = texts.in_any(languages);
    html! { span lang=(tag) { (text) } }
}

fn tag(state: Stage) -> Markup {
    let (text, colour) = state.shown();
    html! { strong class={ "govuk-tag " (colour) } { (text) } }
}

/// A time as it is told to everybody: the same for all, in UTC.
fn moment(time: &str) -> Markup {
    let shown = match (time.get(..10), time.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day}, {minute} UTC"),
        _ => time.to_owned(),
    };
    html! { time datetime=(time) { (shown) } }
}

/// A number with thin spaces between thousands.
fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push('\u{2009}');
        }
        shown.push(digit);
    }
    shown
}

async fn list(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
    fields: HeaderMap,
) -> Result<Response, NoPage> {
    let after = asked.after.as_deref().map(in_path).transpose()?;
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    let Elections { elections, next } = api.ask(&format!("/api/v1/elections?limit=50{after}")).await?;
    let languages = asked.languages(&fields);
    let of = |stages: &[Stage]| -> Vec<&Election> {
        elections.iter().filter(|election| stages.contains(&election.state)).collect()
    };
    let open = of(&[Stage::Open]);
    let coming = of(&[Stage::Ceremony, Stage::Ready]);
    let over = of(&[
        Stage::Closed,
        Stage::Mixing,
        Stage::Decrypting,
        Stage::Counted,
        Stage::Published,
        Stage::Abandoned,
    ]);
    let main = html! {
        h1 class="govuk-heading-xl" { "Elections" }
        @if elections.is_empty() { p class="govuk-body" { "There are no elections yet." } }
        @for (heading, some) in [("Open now", &open), ("To come", &coming), ("Over", &over)] {
            @if !some.is_empty() {
                h2 class="govuk-heading-m" { (heading) }
                ul class="election-list" {
                    @for election in some {
                        li {
                            a class="govuk-link" href={ "/elections/" (election.election_id) } {
                                (said(&election.title, &languages))
                            }
                            " " (tag(election.state))
                            @if let (Stage::Open, Some(closes)) = (election.state, &election.closes_at) {
                                p class="govuk-hint" { "Voting ends on " (moment(closes)) }
                            } @else if let (Stage::Ready, Some(opens)) = (election.state, &election.opens_at) {
                                p class="govuk-hint" { "Voting begins on " (moment(opens)) }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(next) = &next {
            p class="govuk-body" { a class="govuk-link" href={ "/elections?after=" (next) } { "More elections" } }
        }
    };
    Ok(page(&Page { listed: true, ..Page::new("Elections") }, &main))
}

async fn show(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    fields: HeaderMap,
) -> Result<Response, NoPage> {
    let base = format!("/api/v1/public/elections/{}", in_path(&id)?);
    let election: Election = api.ask(&base).await?;
    let turnout: Option<Turnout> =
        if election.state.has_board() { api.ask_if_there(&format!("{base}/turnout")).await? } else { None };
    let results: Option<Results> = if election.state == Stage::Published {
        api.ask_if_there(&format!("{base}/results")).await?
    } else {
        None
    };
    let languages = asked.languages(&fields);
    let main = html! {
        (head_of(&election, &languages))
        @if let Some(results) = &results { (results_of(&election, results, &languages)) }
        @if let Some(turnout) = &turnout { (turnout_of(&election, turnout)) }
        @if election.state.has_board() { (checks_of(&election)) }
        (definition_of(&election, &languages))
    };
    let title = election.title.in_any(&languages).1.to_owned();
    Ok(page(&Page { listed: true, script: Some("election"), ..Page::new(&title) }, &main))
}

fn head_of(election: &Election, languages: &[String]) -> Markup {
    html! {
        div class="govuk-breadcrumbs" {
            ol class="govuk-breadcrumbs__list" {
                li class="govuk-breadcrumbs__list-item" {
                    a class="govuk-breadcrumbs__link" href="/elections" { "Elections" }
                }
            }
        }
        h1 class="govuk-heading-xl" { (said(&election.title, languages)) }
        p class="govuk-body" { (tag(election.state)) }
        @if election.title.languages().count() > 1 {
            nav aria-label="Language" {
                ul class="languages" {
                    @for tag in election.title.languages() {
                        li { a class="govuk-link" lang=(tag) hreflang=(tag) href={ "?lang=" (tag) } { (tag) } }
                    }
                }
            }
        }
        @if let Some(description) = &election.description {
            p class="govuk-body-l column" { (said(description, languages)) }
        }
        @if election.state == Stage::Open {
            p { a class="govuk-button govuk-button--start" role="button" href={ "/elections/" (election.election_id) "/vote" } { "Vote" } }
            @if let Some(closes) = &election.closes_at {
                p class="govuk-body" { "Voting ends on " (moment(closes)) "." }
            }
        } @else if let (Stage::Ready | Stage::Ceremony, Some(opens)) = (election.state, &election.opens_at) {
            p class="govuk-body" { "Voting begins on " (moment(opens)) "." }
        }
        @if !election.secret {
            div class="govuk-warning-text" {
                span class="govuk-warning-text__icon" aria-hidden="true" { "!" }
                strong class="govuk-warning-text__text" {
                    span class="govuk-visually-hidden" { "Warning" }
                    "This election was declared non-secret: whoever runs the server can tell how somebody voted."
                }
            }
        }
    }
}

fn turnout_of(election: &Election, turnout: &Turnout) -> Markup {
    let share = if turnout.eligible > 0 {
        // Shares are shown with one digit, which every number of voters allows.
        #[expect(clippy::cast_precision_loss, reason = "a share with one digit")]
        let share = 100.0 * turnout.issued as f64 / turnout.eligible as f64;
        format!("{share:.1} %")
    } else {
        "–".to_owned()
    };
    let figures = [
        ("Began to vote", "issued", turnout.issued),
        ("Ballots received", "received", turnout.received),
        ("Confirmed", "confirmed", turnout.confirmed),
        ("Refused", "refused", turnout.refused),
    ];
    html! {
        h2 class="govuk-heading-l" { "Turnout" }
        div data-live={ "/api/v1/public/elections/" (election.election_id) "/events" } data-state=(election.state.word())
            data-eligible=(turnout.eligible) {
            p class="govuk-body" {
                span data-share { (share) } " of " (number(turnout.eligible)) " on the roll have begun to vote."
            }
            meter min="0" max=(turnout.eligible.max(1)) value=(turnout.issued) aria-label="Share that has begun to vote" {}
            dl class="figures" {
                @for (name, field, value) in figures {
                    div { dt { (name) } dd data-field=(field) { (number(value)) } }
                }
            }
            @if election.secret {
                p class="govuk-hint column" {
                    "Voters may vote again; only the last ballot of each counts. So there can be more ballots than voters."
                }
            }
        }
    }
}

fn checks_of(election: &Election) -> Markup {
    let id = &election.election_id;
    html! {
        h2 class="govuk-heading-l" { "Check it yourself" }
        form action={ "/elections/" (id) "/ballots" } method="get" class="column" {
            div class="govuk-form-group" {
                label class="govuk-label" for="tracker" { "Find a ballot by its tracking code" }
                input class="govuk-input" id="tracker" name="tracker" type="text" autocomplete="off" spellcheck="false" required;
            }
            button class="govuk-button govuk-button--secondary" type="submit" { "Find" }
        }
        ul class="govuk-list govuk-list--bullet column" {
            li { a class="govuk-link" href={ "/elections/" (id) "/verify" } { "Verify the whole election in this browser" } }
            li {
                "or with the command "
                code { "holdfast verify-election " (format!("https://…/api/v1/public/elections/{id}")) }
            }
            li { a class="govuk-link" href={ "/elections/" (id) "/check" } { "Check an opened ballot" } }
            @if let Some(board) = &election.board {
                li {
                    a class="govuk-link" href={ "/api/v1/public/elections/" (id) "/board/entries" } { "The public board" }
                    ": " (number(board.size)) " entries, and its "
                    a class="govuk-link" href={ "/api/v1/public/elections/" (id) "/board/checkpoint" } { "signed checkpoint" }
                }
            }
        }
    }
}

fn definition_of(election: &Election, languages: &[String]) -> Markup {
    let line = |key: &str, value: Markup| {
        html! {
            div class="govuk-summary-list__row" {
                dt class="govuk-summary-list__key" { (key) }
                dd class="govuk-summary-list__value" { (value) }
            }
        }
    };
    html! {
        h2 class="govuk-heading-l" { "How it is held" }
        dl class="govuk-summary-list column" {
            (line("Votes are", html! { @if election.secret { "secret" } @else { "not secret" } }))
            @if let Some(trustees) = &election.trustees {
                (line("Trustees", html! {
                    (trustees.names.join(", ")) "; " (trustees.threshold) " of them decrypt together"
                }))
            }
            @for contest in &election.contests {
                div class="govuk-summary-list__row" {
                    dt class="govuk-summary-list__key" { (said(&contest.title, languages)) }
                    dd class="govuk-summary-list__value" {
                        ul class="govuk-list" {
                            @for option in &contest.options { li { (said(&option.title, languages)) } }
                        }
                        span class="govuk-hint" { (count::named(&contest.count)) ", " (seats(contest.seats)) }
                    }
                }
            }
            @if let Some(hash) = &election.election_hash {
                (line("Its hash", html! { code class="hash" { (hash) } }))
            }
        }
    }
}

fn seats(seats: u32) -> String {
    if seats == 1 { "one seat".to_owned() } else { format!("{seats} seats") }
}

fn results_of(election: &Election, results: &Results, languages: &[String]) -> Markup {
    let names = |numbers: &[u32]| -> String {
        let names = election.trustees.as_ref().map_or(&[][..], |trustees| &trustees.names);
        let name =
            |number: &u32| (*number as usize).checked_sub(1).and_then(|at| names.get(at)).map(String::as_str);
        numbers.iter().filter_map(name).collect::<Vec<_>>().join(", ")
    };
    html! {
        h2 class="govuk-heading-l" { "Result" }
        @for result in &results.contests {
            @if let Some(contest) = election.contests.iter().find(|contest| contest.contest_id == result.contest_id) {
                (result_of(contest, result, languages))
            }
        }
        @if !results.decrypted_by.is_empty() {
            p class="govuk-body column" {
                "Decrypted by " (names(&results.decrypted_by)) "."
                @if !results.absent.is_empty() { " Not there: " (names(&results.absent)) "." }
                @if !results.lied.is_empty() { " Wrong, and left out: " (names(&results.lied)) "." }
            }
        }
    }
}

fn result_of(contest: &Contest, result: &ContestResult, languages: &[String]) -> Markup {
    let names: Vec<Markup> = result
        .candidates
        .iter()
        .map(|candidate| match (&candidate.option_id, &candidate.write_in) {
            (Some(id), _) => {
                let option = contest.options.iter().find(|option| option.option_id == *id);
                option.map_or_else(|| html! { (id) }, |option| said(&option.title, languages))
            }
            (None, Some(name)) => html! { (name) " (written in)" },
            (None, None) => html! { "?" },
        })
        .collect();
    html! {
        section {
            h3 class="govuk-heading-m" { (said(&contest.title, languages)) }
            p class="govuk-body column" {
                (number(result.ballots)) " ballots"
                @if result.blank > 0 { ", " (number(result.blank)) " of them blank" }
                @if result.invalid > 0 { ", " (number(result.invalid)) " of them no answer" }
                ". " (count::named(&contest.count)) ", " (seats(contest.seats)) "."
            }
            (count::shown(&names, result))
        }
    }
}

/// The tracking code that somebody typed, with or without spaces.
#[derive(Deserialize)]
struct Tracker {
    #[serde(default)]
    tracker: String,
}

async fn find(Path(id): Path<String>, Query(asked): Query<Tracker>) -> Result<Redirect, NoPage> {
    let tracker: String = asked.tracker.chars().filter(char::is_ascii_hexdigit).collect();
    let tracker = tracker.to_ascii_lowercase();
    if tracker.len() != 64 {
        let why =
            "A tracking code has 64 letters and digits, from 0 to 9 and a to f. Look at your receipt again.";
        return Err(NoPage(StatusCode::BAD_REQUEST, why.to_owned()));
    }
    Ok(Redirect::to(&format!("/elections/{}/ballots/{tracker}", in_path(&id)?)))
}

async fn ballot(
    State(api): State<Api>,
    Path((id, tracker)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    fields: HeaderMap,
) -> Result<Response, NoPage> {
    let base = format!("/api/v1/public/elections/{}", in_path(&id)?);
    let election: Election = api.ask(&base).await?;
    let found: BallotStatus = api.ask(&format!("{base}/ballots/{}", in_path(&tracker)?)).await?;
    let languages = asked.languages(&fields);
    let (title, what) = outcome_of(&found);
    let main = html! {
        span class="govuk-caption-l" { (said(&election.title, &languages)) }
        h1 class="govuk-heading-l" { (title) }
        p class="tracker" { (grouped(&tracker)) }
        p class="govuk-body column" { (what) }
        div data-app data-election=(id) data-tracker=(tracker) data-status=(found.status) {}
        noscript {
            p class="govuk-body column" {
                "With scripts, your own device would prove this now. You can also use "
                code { "holdfast verify-election" } "."
            }
        }
        dl class="govuk-summary-list column" {
            div class="govuk-summary-list__row" {
                dt class="govuk-summary-list__key" { "Place on the board" }
                dd class="govuk-summary-list__value" { "Entry " (found.index) }
            }
            div class="govuk-summary-list__row" {
                dt class="govuk-summary-list__key" { "Received" }
                dd class="govuk-summary-list__value" { (moment(&found.received_at)) ", to the minute" }
            }
            @if let Some(verdict) = &found.verdict {
                div class="govuk-summary-list__row" {
                    dt class="govuk-summary-list__key" { "Checked" }
                    dd class="govuk-summary-list__value" { "Entry " (verdict.index) }
                }
            }
            @if let Some(later) = &found.superseded_by {
                div class="govuk-summary-list__row" {
                    dt class="govuk-summary-list__key" { "Counted instead" }
                    dd class="govuk-summary-list__value tracker" {
                        a class="govuk-link" href={ "/elections/" (id) "/ballots/" (later) } { (grouped(later)) }
                    }
                }
            }
            @if let Some(reason) = &found.reason {
                div class="govuk-summary-list__row" {
                    dt class="govuk-summary-list__key" { "Why" }
                    dd class="govuk-summary-list__value" { (reason_of(reason)) }
                }
            }
        }
        p class="govuk-body column" {
            "This says nothing about how anybody voted. If somebody votes again, only the ballot counts that they made last. "
            a class="govuk-link" href={ "/elections/" (id) } { "See this election" }
        }
    };
    Ok(page(&Page { script: Some("track"), ..Page::new(title) }, &main))
}

/// What became of a ballot, as a title and in a sentence.
fn outcome_of(found: &BallotStatus) -> (&'static str, &'static str) {
    match found.status.as_str() {
        "CONFIRMED" if found.superseded_by.is_some() => (
            "This ballot does not count any more",
            "It was confirmed, and the same voter key made another one later, which counts instead. If that was not you, tell the election’s officers: somebody else has your voting key.",
        ),
        "CONFIRMED" if found.buried => (
            "This ballot is confirmed, and may not be the one that counts",
            "So many ballots that do not hold were sent with the same voter key that a later one that does was not looked for. Verify this election to find it, or vote again: the ballot that you make last counts.",
        ),
        "CONFIRMED" => (
            "This ballot is confirmed",
            "Its signature, its right to vote and its proofs were checked, and it stands on the public board under a signed checkpoint.",
        ),
        "REFUSED" => (
            "This ballot was refused",
            "It does not count. Why stands on the public board. Vote again while voting is open.",
        ),
        _ => (
            "This ballot was received",
            "It is on the public board for good. It is checked within moments; come back then.",
        ),
    }
}

fn reason_of(reason: &str) -> &str {
    match reason {
        "proof" => "The proof of what is in it does not hold",
        "signature" => "It is not signed by its voter key",
        "token" => "Its voting token is not one that was given",
        "malformed" => "It is not a ballot of this election",
        other => other,
    }
}

/// In groups of four, as people read them out.
fn grouped(tracker: &str) -> String {
    let letters: Vec<char> = tracker.chars().collect();
    letters.chunks(4).map(String::from_iter).collect::<Vec<_>>().join(" ")
}

/// What may stand in the path of an address as it is.
fn in_path(word: &str) -> Result<&str, NoPage> {
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain.then_some(word).ok_or_else(nothing_here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_grouped() {
        assert_eq!(number(1_234_567), "1\u{2009}234\u{2009}567");
        assert_eq!(number(12), "12");
        assert_eq!(grouped("0123456789"), "0123 4567 89");
    }

    #[test]
    fn a_detail_becomes_a_sentence() {
        assert_eq!(sentence("there is no such election"), "There is no such election.");
        assert_eq!(sentence(""), "There is nothing here.");
    }

    #[test]
    fn nothing_that_would_change_an_address_gets_into_one() {
        assert!(in_path("0198-ab").is_ok());
        assert!(["", "..", "a/b", "a?b", "a b", "é"].iter().all(|word| in_path(word).is_err()));
    }
}
