//! A port to measure: a session-like answer on the spot at `/session`, the same through the router at
//! `/routed`. Arguments: the port, and the number of threads.

mod http;

use std::num::NonZeroUsize;

use ::http::{Method, header};
use clock::Clock;
use edge::{
    Answer, Direct, Edge, EdgeConfig, Fields, Front, FrontConfig, Identify, LimitsConfig, ListenConfig,
    Traffic, serve,
};
use telemetry::Metrics;

const SESSION: &str = r#"{"session":"019a5f3c-7e21-7cc3-98c4-dc0c0c07398f","person":"019a5f3c-7e21-7cc3-98c4-dc0c0c073990","kind":"citizen","roles":["support"],"ends":"2026-03-01"}"#;

/// As much as looking up a session in memory asks of the header section.
fn session(fields: Fields<'_>) -> Option<Vec<u8>> {
    let field = std::str::from_utf8(fields.get(&header::AUTHORIZATION)?).ok()?;
    let token = field.strip_prefix("Bearer ")?;
    (token.len() > 20).then(|| SESSION.as_bytes().to_vec())
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).map_while(|word| word.parse::<u16>().ok());
    let port = arguments.next().unwrap_or(8080);
    let threads = arguments.next().and_then(|count| NonZeroUsize::new(usize::from(count)));
    telemetry::start_logs(&telemetry::LogConfig::default()).map_err(std::io::Error::other)?;
    let metrics = Metrics::new();
    // No limits: whoever measures is one address.
    let limits = LimitsConfig { rules: Vec::new(), ..LimitsConfig::default() };
    let front = Front::new(
        &FrontConfig { limits, ..FrontConfig::default() },
        &Clock::System,
        &metrics,
        None,
        [0; 32],
    );
    let front = front.map_err(std::io::Error::other)?;
    let traffic = Traffic::new(&metrics);
    let edge = Edge::new(EdgeConfig::default(), Clock::System, traffic, Identify::nobody(), front);
    let config = ListenConfig { address: ([127, 0, 0, 1], port).into(), threads, ..ListenConfig::default() };
    let direct = Direct::none().route(Method::GET, "/session", |ask| session(ask.fields).map(Answer::json));
    let _handle = serve(&config, &edge, &http::routes(), &direct)?;
    loop {
        std::thread::park();
    }
}
