//! Every way of asking, against a server that answers all of them.

use std::{net::SocketAddr, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use load::{
    Live, Load, Phase, Ran, Shape, Spacing,
    history::{Acknowledgement, BYTES, Commands},
    journey::Journey,
    people::People,
    target::Target,
};
use tokio::net::TcpListener;

const JOURNEY: &str = "name = \"ask\"\ntitle = \"Ask\"\npeople = \"nobody\"\n[[steps]]\nmethod = \"POST\"\n\
    path = \"/first\"\nbody = \"{fresh}\"\nexpect = [201]\nkeep = { word = \"/word\" }\n\
    [[steps]]\nmethod = \"GET\"\npath = \"/second/{word}\"\nexpect = [200]\nacknowledges = \"a/b\"\n";

/// Answers over HTTP/1.1 and HTTP/2: the first question with a word, the second with a receipt if the word comes back.
fn serve() -> SocketAddr {
    let (sender, address) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody waits");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    // Whoever goes away is no failure.
                    builder
                        .serve_connection(TokioIo::new(stream), service_fn(answer))
                        .await
                        .unwrap_or_default();
                });
            }
        });
    });
    address.recv().expect("it listens")
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let (status, body) = match request.uri().path() {
        "/first" => (201, "{\"word\": \"kelp\"}"),
        "/second/kelp" => (
            200,
            "{\"receipt\": {\"index\": 7, \"leafHash\": \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}}",
        ),
        "/busy" => (503, "{}"),
        _ => (404, "{}"),
    };
    Ok(Response::builder().status(status).body(Full::from(body)).expect("an answer"))
}

fn run(journey: &str, change: impl FnOnce(&mut Load)) -> Ran {
    let mut load = Load {
        target: Target::at(serve()),
        journeys: vec![(Arc::new(Journey::read(journey).expect("a journey")), 1)],
        people: Arc::new(People::default()),
        shape: Shape::Open { phases: vec![Phase::constant(500.0, 1.0)], spacing: Spacing::Poisson },
        threads: 2,
        connections_max: 16,
        depth: 1,
        http2: false,
        patience: Duration::from_secs(30),
        seed: 3,
        names: "answers".to_owned(),
        election: String::new(),
        history: None,
        commands: Commands::of(["a/b"]),
        from: Vec::new(),
    };
    change(&mut load);
    load::run(&load, &Arc::new(Live::default())).expect("it runs")
}

#[test]
fn every_journey_is_walked_to_its_end_over_both_versions_of_http_alone_and_in_rows() {
    let _alone = crate::alone();
    for (http2, depth) in [(false, 1), (false, 16), (true, 8)] {
        let ran = run(JOURNEY, |load| {
            load.http2 = http2;
            load.depth = depth;
        });
        let counts = ran.record.counts;
        assert!(counts.offered > 300 && counts.good == counts.offered, "{counts:?} {:?}", ran.record.wrong);
        assert_eq!(ran.record.requests, counts.offered * 2);
    }
}

#[test]
fn callers_of_a_closed_loop_come_again_until_it_is_over() {
    let _alone = crate::alone();
    for http2 in [false, true] {
        let ran = run(JOURNEY, |load| {
            load.http2 = http2;
            load.shape = Shape::Closed { seconds: 0.5 };
        });
        let counts = ran.record.counts;
        assert!(counts.offered > 32 && counts.good == counts.offered, "{counts:?} {:?}", ran.record.wrong);
    }
}

#[test]
fn refusals_and_wrong_answers_are_told_apart() {
    let _alone = crate::alone();
    let second = "path = \"/second/{word}\"";
    for http2 in [false, true] {
        let refused = run(&JOURNEY.replace(second, "path = \"/busy\""), |load| load.http2 = http2);
        let counts = refused.record.counts;
        assert!(counts.offered > 300 && counts.refused == counts.offered, "{counts:?}");
        let wrong = run(&JOURNEY.replace(second, "path = \"/nowhere\""), |load| load.http2 = http2);
        let counts = wrong.record.counts;
        assert!(counts.offered > 300 && counts.wrong == counts.offered, "{counts:?}");
        assert!(wrong.record.wrong[0].contains("404"), "{:?}", wrong.record.wrong);
    }
}

#[test]
fn what_is_acknowledged_is_kept() {
    let _alone = crate::alone();
    for http2 in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let ran = run(JOURNEY, |load| {
            load.http2 = http2;
            load.history = Some(folder.path().to_owned());
        });
        let files = std::fs::read_dir(folder.path()).expect("it was made");
        let files = files.map(|file| std::fs::read(file.expect("a file").path()).expect("it can be read"));
        let bytes: Vec<u8> = files.flatten().collect();
        let (kept, rest) = bytes.as_chunks::<BYTES>();
        assert!(rest.is_empty());
        assert_eq!(kept.len() as u64, ran.record.counts.good);
        assert!(kept.iter().all(|one| Acknowledgement::from_bytes(one).index == Some(7)));
    }
}

#[test]
fn whoever_gets_no_answer_may_have_been_heard() {
    let _alone = crate::alone();
    // It takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let ran = run(&JOURNEY.replace("expect = [201]", "expect = [201]\nacknowledges = \"a/b\""), |load| {
        load.target = Target::at(silent.local_addr().expect("an address"));
        load.shape = Shape::Open { phases: vec![Phase::constant(8.0, 1.0)], spacing: Spacing::Constant };
        load.patience = Duration::from_millis(300);
        load.history = Some(folder.path().to_owned());
    });
    assert_eq!((ran.record.counts.unknown, ran.record.counts.offered), (8, 8), "{:?}", ran.record.wrong);
    let files = std::fs::read_dir(folder.path()).expect("it was made");
    let bytes: usize =
        files.map(|file| std::fs::read(file.expect("a file").path()).expect("read").len()).sum();
    assert_eq!(bytes, 8 * BYTES, "each is kept as unknown");
}
