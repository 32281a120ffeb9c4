//! Pages that a script fills, because what they do has to happen on the person's own device.

use axum::{Router, extract::Path, response::Response, routing::get};
use maud::html;

use super::layout::{Page, bare, page};

/// A page that is nothing without its script, and why.
struct Shell {
    title: &'static str,
    script: &'static str,
    why: &'static str,
}

const BOOTH: Shell = Shell {
    title: "Vote",
    script: "booth",
    why: "Your ballot is encrypted on your own device, so that nobody else ever sees how you vote. That needs a script.",
};
const CHECK: Shell = Shell {
    title: "Check an opened ballot",
    script: "check",
    why: "What the ballot says is computed on your own device. That needs a script. The command holdfast verify-election does the same for whole elections.",
};
const VERIFY: Shell = Shell {
    title: "Verify this election",
    script: "verify",
    why: "The whole election is checked on your own device. That needs a script. The command holdfast verify-election does the same without a browser.",
};
const TRUSTEE: Shell = Shell {
    title: "Trustee",
    script: "trustee",
    why: "Your part of the key is made on your own device. That needs a script. The command holdfast trustee does the same without a browser.",
};
const OFFICER: Shell = Shell {
    title: "Elections",
    script: "officer",
    why: "This page speaks to the server by a script. Everything that it does is also possible with the API.",
};

pub(super) fn routes() -> Router {
    Router::new()
        .route("/elections/{election}/vote", get(async |Path(id): Path<String>| shell(&BOOTH, &id)))
        .route("/elections/{election}/check", get(async |Path(id): Path<String>| shell(&CHECK, &id)))
        .route("/elections/{election}/verify", get(async |Path(id): Path<String>| shell(&VERIFY, &id)))
        .route("/elections/{election}/trustee", get(async |Path(id): Path<String>| shell(&TRUSTEE, &id)))
        .route("/officer/elections", get(async || shell(&OFFICER, "")))
        .route("/officer/elections/{election}", get(async |Path(id): Path<String>| shell(&OFFICER, &id)))
}

fn shell(shell: &Shell, election: &str) -> Response {
    let main = html! {
        div data-app data-election=(election) class="column" {
            noscript {
                h1 class="govuk-heading-l" { (shell.title) }
                p class="govuk-body" { (shell.why) }
            }
        }
    };
    page(&Page { script: Some(shell.script), ..Page::new(shell.title) }, &main)
}

/// The operators' page. Whoever sees it has signed in by its script.
pub(super) fn console() -> Response {
    let main = html! {
        div data-app {
            noscript { p { "The console follows the process by a script. The numbers are also under /metrics." } }
        }
    };
    bare("Console", "console", &main)
}
