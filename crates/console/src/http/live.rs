//! A stream of all series: everything at first, then every second what has changed.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use clock::Clock;
use edge::Caller;
use futures_util::stream;
use problem::Problem;
use serde::Serialize;

use super::Look;
use crate::{
    Console,
    sample::{Sample, changes},
};

const EVERY: Duration = Duration::from_secs(1);
/// A stream ends after so many seconds, and whoever still looks asks again, with a token that still holds.
const SECONDS_MAX: u32 = 600;
/// When one of as many may be over, for whoever is one too many.
const AGAIN: Duration = Duration::from_secs(10);

/// One moment.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Moment<'m> {
    /// Milliseconds since 1970.
    at_ms: u64,
    /// Series that are new or have changed.
    series: BTreeMap<&'m str, f64>,
    /// Series that are gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<&'m str>,
}

pub(super) async fn follow(
    State(console): State<Console>,
    Caller(actor): Caller,
) -> Result<Response, Problem> {
    let _ = actor.permit(Look)?;
    let full = |_| {
        let detail = "as many follow this process as may: close a console that nobody looks at";
        Problem::unavailable("console/too-many-followers", detail, AGAIN)
    };
    let seat = console.0.seats.clone().try_acquire_owned().map_err(full)?;
    let begin = (console, seat, Arc::new(Sample::new()), 0);
    let moments = stream::unfold(begin, async |(console, seat, before, count)| {
        if count == SECONDS_MAX {
            return None;
        }
        if count > 0 {
            tokio::time::sleep(EVERY).await;
        }
        let now = console.0.sampler.sample(|| console.0.identity.measure());
        let (series, gone) = changes(&before, &now);
        let moment = Moment { at_ms: Clock::System.now().millis(), series, gone };
        // Every value is finite or a text of it: a moment has a form.
        let text = serde_json::to_string(&moment).unwrap_or_default();
        let event = Ok::<_, Infallible>(Event::default().event("moment").data(text));
        Some((event, (console, seat, now, count + 1)))
    });
    Ok(Sse::new(moments).into_response())
}
