//! Lists that all nodes write on and go by.

use std::time::Duration;

use cache::{Board, Cache, Line};
use clock::Clock;
use peers::Redis;
use telemetry::Metrics;

use crate::redis::at;

const ROOM: usize = 5;

fn node(redis: &Redis) -> Cache {
    Cache::open(Clock::System, &Metrics::new(), &at([redis.url()])).expect("threads can be started")
}

fn line(name: &str, ms: u64) -> Line {
    let until_ms = Clock::System.now().millis() + ms;
    Line { name: name.to_owned(), text: format!("about {name}"), until_ms }
}

async fn write(node: &Cache, lines: &[Line], gone: &[&str]) {
    let gone: Vec<_> = gone.iter().map(|name| (*name).to_owned()).collect();
    for _ in 0..2400 {
        if node.write_board("test", lines, &gone, ROOM).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("Redis takes nothing");
}

async fn read(node: &Cache, known: &str) -> Option<Board> {
    for _ in 0..2400 {
        if let Some(told) = node.read_board("test", known, ROOM).await {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("Redis tells nothing");
}

fn names(board: &Board) -> Vec<&str> {
    board.lines.iter().map(|line| line.name.as_str()).collect()
}

#[tokio::test]
async fn what_one_node_writes_another_reads_until_it_is_over_or_taken_away() {
    let redis = Redis::start().expect("Redis starts");
    let (one, other) = (node(&redis), node(&redis));
    let nothing = read(&other, "").await.expect("a board");
    assert_eq!((nothing.version.as_str(), nothing.lines.len()), ("", 0));
    let (long, short) = (line("long", 3_600_000), line("short", 400));
    write(&one, &[long.clone(), short], &[]).await;
    let board = read(&other, "").await.expect("a board");
    assert_eq!(board.lines.iter().find(|found| found.name == "long"), Some(&long));
    assert_eq!(read(&other, &board.version).await, None, "it has not changed");
    let mut left = 2;
    for _ in 0..2400 {
        left = read(&other, "").await.expect("a board").lines.len();
        if left == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(left, 1, "what is over is gone");
    write(&other, &[], &["long"]).await;
    let board = read(&one, &board.version).await.expect("another version");
    assert_eq!(names(&board), [""; 0]);
}

#[tokio::test]
async fn a_board_has_room_for_so_many_lines_and_they_can_be_changed() {
    let redis = Redis::start().expect("Redis starts");
    let node = node(&redis);
    let lines: Vec<_> = (0..9).map(|number| line(&format!("line-{number}"), 3_600_000)).collect();
    write(&node, &lines, &[]).await;
    assert_eq!(read(&node, "").await.expect("a board").lines.len(), ROOM);
    let longer = Line { text: "changed".to_owned(), ..line("line-0", 7_200_000) };
    write(&node, std::slice::from_ref(&longer), &[]).await;
    let board = read(&node, "").await.expect("a board");
    assert_eq!((board.lines.len(), board.lines.first()), (ROOM, Some(&longer)), "the longest first");
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_change() {
    let redis = Redis::start().expect("Redis starts");
    let (one, other) = (node(&redis), node(&redis));
    let _joined = read(&other, "").await;
    let waiting = tokio::spawn(async move { other.board_changed("test").await });
    for _ in 0..2400 {
        write(&one, &[line("a", 60_000)], &[]).await;
        if waiting.is_finished() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody was told");
}
