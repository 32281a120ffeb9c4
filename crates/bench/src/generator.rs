//! The load generator of the drill, beside wrk against the same nginx.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use ::load::{
    Live, Load, Phase, Ran, Shape, Spacing, history::Commands, journey::Journey, people::People,
    target::Target,
};

use crate::{
    figures::{Figures, median},
    peer::{self, Nginx},
};

const PATH: &str = "/api/v1/session";
const JOURNEY: &str = "name = \"ask\"\ntitle = \"Ask\"\npeople = \"nobody\"\n[[steps]]\nmethod = \"GET\"\n\
                       path = \"/api/v1/session\"\nexpect = [200]\n";
const BODY: &str =
    "{\"kind\": \"citizen\", \"roles\": [], \"assurance\": {\"level\": 1, \"factors\": [\"password\"]}}";
/// As wrk is run: so many threads and connections.
const THREADS: usize = 2;
const CONNECTIONS: usize = 64;

pub(crate) fn run(quick: bool) -> anyhow::Result<Figures> {
    let (runs, seconds) = if quick { (3, 2) } else { (7, 4) };
    let nginx = Nginx::start(BODY)?;
    let (mut ratios, mut rates, mut pipelined, mut lags) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        // One after the other, so that what the machine does meanwhile falls on both.
        let peer = peer::wrk(nginx.address, PATH, "", seconds, 1)?;
        let own = per_s(&once(&nginx, closed(seconds), 1)?);
        rates.push(own);
        ratios.push(own / peer);
        let peer = peer::wrk(nginx.address, PATH, "", seconds, 16)?;
        pipelined.push(per_s(&once(&nginx, closed(seconds), 16)?) / peer);
        let open = Shape::Open {
            phases: vec![Phase::constant(own / 4.0, ::load::float(seconds))],
            spacing: Spacing::Poisson,
        };
        lags.push(once(&nginx, open, 1)?.record.lag_ms(99.0));
    }
    let mut figures = Figures::new("generator");
    figures.add("requests_per_s", median(rates), "64 keep-alive connections, closed loop, every answer read");
    figures.add(
        "ratio_to_wrk",
        median(ratios),
        "of wrk on the same server, which shares the cores with both",
    );
    figures.add(
        "pipelined_ratio_to_wrk",
        median(pipelined),
        "the same with 16 requests at once on each connection",
    );
    figures.add(
        "open_lag_p99_ms",
        median(lags),
        "how late it is itself with callers of their own pace, at a quarter of that",
    );
    Ok(figures)
}

const fn closed(seconds: u64) -> Shape {
    Shape::Closed { seconds: ::load::float(seconds) }
}

fn per_s(ran: &Ran) -> f64 {
    ::load::float(ran.record.counts.good) / ran.took.as_secs_f64()
}

fn once(nginx: &Nginx, shape: Shape, depth: usize) -> anyhow::Result<Ran> {
    let load = Load {
        target: Target::at(nginx.address),
        journeys: vec![(Arc::new(Journey::read(JOURNEY)?), 1)],
        people: Arc::new(People::default()),
        shape,
        threads: THREADS,
        connections_max: CONNECTIONS,
        depth,
        http2: false,
        patience: Duration::from_secs(10),
        seed: 1,
        names: "bench".to_owned(),
        election: String::new(),
        history: None,
        commands: Commands::default(),
        from: Vec::<Ipv4Addr>::new(),
    };
    let ran = ::load::run(&load, &Arc::new(Live::default()))?;
    let counts = ran.record.counts;
    anyhow::ensure!(
        counts.good == counts.offered,
        "not every answer was 200: {counts:?} {:?}",
        ran.record.wrong
    );
    Ok(ran)
}
