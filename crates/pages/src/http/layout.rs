//! What all pages have: head, header, main part, footer, and the policy that lets them load only what is ours.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;

/// Only from here, and nothing inline; addresses of data are for files that a page offers and images.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A blade of kelp that holds on to a stone.
const MARK: &str = r##"<svg class="page-header__mark" viewBox="0 0 26 30" aria-hidden="true" focusable="false"><g fill="none" stroke="#fff" stroke-width="2.4" stroke-linecap="round"><path d="M13 24C10 19 16 15 13 10S15 3 13 1"/><path d="M12.6 18C8 18 5 15 4.5 11"/><path d="M13.4 13c4.600 0 7.600-3 8.100-7"/><path d="M13 24c-1 3-4 4-7 4.500M13 24c1 3 4 4 7 4.500M13 24v5"/></g></svg>"##;

/// A page, as it is told to `page`.
pub(super) struct Page<'p> {
    pub(super) title: &'p str,
    /// The script that the page loads, by its name without its end.
    pub(super) script: Option<&'p str>,
    /// Whether search engines may show it.
    pub(super) listed: bool,
    pub(super) status: StatusCode,
}

impl<'p> Page<'p> {
    pub(super) const fn new(title: &'p str) -> Self {
        Self { title, script: None, listed: false, status: StatusCode::OK }
    }
}

/// Lays a page out.
pub(super) fn page(page: &Page<'_>, main: &Markup) -> Response {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (page.title) " – Holdfast" }
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                @if !page.listed { meta name="robots" content="noindex"; }
                meta name="theme-color" content="#0b3d3a";
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::path("pages.css"));
                @if let Some(script) = page.script {
                    script type="module" src=(assets::path(&format!("{script}.js"))) {}
                }
            }
            body class="govuk-body" {
                a href="#main" class="govuk-skip-link" { "Skip to main content" }
                header class="page-header" {
                    div class="govuk-width-container page-header__row" {
                        a class="page-header__name" href="/" { (PreEscaped(MARK)) "Holdfast" }
                        nav aria-label="Services" {
                            ul {
                                li { a href="/elections" { "Elections" } }
                                li { a href="/officer/elections" { "For officers" } }
                            }
                        }
                    }
                }
                div class="govuk-width-container" {
                    main class="govuk-main-wrapper" id="main" { (main) }
                }
                footer class="page-footer" {
                    div class="govuk-width-container" {
                        p class="govuk-body-s" {
                            "Every change here is in a ledger that others can check. "
                            a class="govuk-link" href="/openapi.json" { "The API" }
                        }
                    }
                }
            }
        }
    };
    sent(page.status, body)
}

/// A page without the citizens' header and styles, with styles and a script of its own of the same name.
pub(super) fn bare(title: &str, name: &str, main: &Markup) -> Response {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) " – Holdfast" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                link rel="stylesheet" href=(assets::path(&format!("{name}.css")));
                script type="module" src=(assets::path(&format!("{name}.js"))) {}
            }
            body { (main) }
        }
    };
    sent(StatusCode::OK, body)
}

fn sent(status: StatusCode, body: Markup) -> Response {
    let mut response = (status, body.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
