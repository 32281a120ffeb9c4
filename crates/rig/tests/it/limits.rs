//! What all callers together may take.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use clock::Clock;
use rig::{Server, ServerOptions};

use crate::Folder;

/// Sends the head of a request and the beginning of its body, as slow callers do.
fn begin(server: &Server, length: usize, begun: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.public).expect("it listens");
    let head = format!(
        "POST /api/v1/authenticate HTTP/1.1\r\nhost: town\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("it is read");
    stream.write_all(&vec![b' '; begun]).expect("it is read");
    stream
}

#[test]
fn bodies_that_arrive_slowly_do_not_fill_the_memory() {
    let folder = Folder::new();
    let settings = "[edge]\nbodies-bytes-max = 100000".to_owned();
    let options = ServerOptions { settings, ..ServerOptions::default() };
    let server = Server::start_with(&folder.data(), &options).expect("it starts");
    let slow = begin(&server, 90_000, 80_000);
    let mut refused = String::new();
    // The first may still be on its way, for as long as a busy machine takes.
    let waiting = Clock::System.stopwatch();
    while waiting.elapsed() < Duration::from_secs(20) {
        let mut answer = [0; 2048];
        let read = begin(&server, 50_000, 50_000).read(&mut answer).expect("it answers");
        refused = String::from_utf8_lossy(&answer[..read]).into_owned();
        if refused.contains("edge/too-many-bodies") {
            break;
        }
    }
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"), "{refused}");
    drop(slow);
    let taken = (0..1000).any(|_| {
        let mut answer = [0; 2048];
        let read = begin(&server, 50_000, 50_000).read(&mut answer).expect("it answers");
        // Spaces are no JSON, and that is found out by reading all of them.
        answer[..read].starts_with(b"HTTP/1.1 400")
    });
    assert!(taken, "the room is not given back");
}
