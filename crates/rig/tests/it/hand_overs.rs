//! A new process goes on where the old one ends, and callers notice nothing.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rig::{Server, ServerOptions};
use serde_json::json;

use crate::{Folder, MANY_COME, PASSWORD};

/// Asks again and again over connections that stay open as long as the server lets them, as HTTP clients do: whoever
/// is told that a connection ends makes another. Returns how many requests were answered.
pub(crate) fn ask_on_and_on(address: SocketAddr, over: &AtomicBool) -> Result<usize, String> {
    let connect = || {
        let stream = TcpStream::connect(address).map_err(|error| format!("refused: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| error.to_string())?;
        Ok::<_, String>(BufReader::new(stream))
    };
    let mut stream = connect()?;
    let mut answered = 0;
    while !over.load(Relaxed) {
        let said = stream.get_mut().write_all(b"GET /health HTTP/1.1\r\nhost: holdfast\r\n\r\n");
        said.map_err(|error| format!("not heard: {error}"))?;
        let (mut length, mut ends) = (0, false);
        for number in 0.. {
            let mut line = String::new();
            let read = stream.read_line(&mut line).map_err(|error| format!("not answered: {error}"))?;
            if read == 0 {
                return Err("the connection was closed before the answer".to_owned());
            }
            if number == 0 && !line.starts_with("HTTP/1.1 200") {
                return Err(line);
            }
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().map_err(|_| line.clone())?;
            }
            ends |= line == "connection: close";
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).map_err(|error| format!("half an answer: {error}"))?;
        answered += 1;
        if ends {
            stream = connect()?;
        }
    }
    Ok(answered)
}

#[tokio::test]
async fn a_new_process_goes_on_and_no_request_fails() {
    let folder = Folder::new();
    let options = ServerOptions { settings: MANY_COME.to_owned(), ..ServerOptions::default() };
    let mut server = Server::start_with(&folder.data(), &options).expect("it starts");
    server.client().register("ada", PASSWORD).await.expect("an answer");
    let ada = server.client().sign_in("ada", PASSWORD).await.expect("signed in");
    let operator = server.operator();
    let block = json!({"network": "192.0.2.0/24", "seconds": 3600, "reason": "operator"});
    assert_eq!(operator.put("/blocks", &block).await.expect("an answer").status, 204);
    let over = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (address, over) = (server.public, over.clone());
            thread::spawn(move || ask_on_and_on(address, &over))
        })
        .collect();
    let registered = Arc::new(AtomicUsize::new(0));
    let (client, ended, count) = (server.client(), over.clone(), registered.clone());
    let registering = tokio::spawn(async move {
        while !ended.load(Relaxed) {
            let name = format!("person-{}", count.load(Relaxed));
            let answer = client.register(&name, PASSWORD).await.expect("an answer");
            assert_eq!(answer.status, 201, "{:?}", answer.json());
            count.fetch_add(1, Relaxed);
        }
    });
    for _ in 0..2 {
        server.hand_over().await.expect("another goes on");
        let session = ada.get("/api/v1/session").await.expect("an answer");
        assert_eq!(session.status, 200, "a session outlives the process");
        let front = server.operator().get("/front").await.expect("an answer").json();
        assert_eq!(front["blocks"][0]["network"], "192.0.2.0/24", "so does a block");
    }
    over.store(true, Relaxed);
    registering.await.expect("all were registered");
    for asking in asking {
        let answered = asking.join().expect("nobody panicked").expect("no request failed");
        assert!(answered > 0);
    }
    assert!(registered.load(Relaxed) > 0);
    let last = format!("person-{}", registered.load(Relaxed) - 1);
    server.client().sign_in(&last, PASSWORD).await.expect("whoever was registered is known");
    server.stop().expect("the new process stops in order");
}

#[tokio::test]
async fn a_process_goes_on_itself_if_no_other_can() {
    let folder = Folder::new();
    let server = Server::start(&folder.data()).expect("it starts");
    let pid = server.operator().get("/process").await.expect("an answer").json()["pid"].clone();
    server.write_settings("this is no settings file").expect("written");
    let asked = server.operator().post("/hand-over", &json!({})).await.expect("an answer");
    assert_eq!(asked.status, 202);
    // Long enough for the other process to find that out; if it took longer the answer would still be ours.
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.operator().get("/process").await.expect("an answer").json()["pid"], pid);
    }
    server.stop().expect("it stops in order");
}

#[tokio::test]
async fn a_process_that_holds_too_much_memory_hands_over() {
    let folder = Folder::new();
    let settings = "[memory]\nreplace-mib = 1\nreplace-age-s-min = 5\n".to_owned();
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let mut server = Server::start_with(&folder.data(), &options).expect("it starts");
    let waited = tokio::time::timeout(Duration::from_secs(60), server.handed_over()).await;
    waited.expect("it hands over by itself").expect("another goes on");
    assert_eq!(server.client().get("/health").await.expect("an answer").status, 200);
    server.stop().expect("the new process stops in order");
}
