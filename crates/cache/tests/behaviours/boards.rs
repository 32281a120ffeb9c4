//! Lists that all nodes write on and go by.

use std::{collections::HashSet, time::Duration};

use cache::{Board, BoardRoom, Cache, Line, LineChange};
use clock::Clock;
use peers::Redis;
use telemetry::Metrics;

use crate::redis::at;

const ROOM: BoardRoom = BoardRoom { lines: 5, set_beyond: 2 };

fn node(redis: &Redis) -> Cache {
    Cache::open(Clock::System, &Metrics::new(), &at([redis.url()])).expect("threads can be started")
}

fn line(name: &str, ms: u64) -> Line {
    let until_ms = Clock::System.now().millis() + ms;
    Line { name: name.to_owned(), text: format!("about {name}"), until_ms }
}

async fn write(node: &Cache, changes: &[LineChange]) -> HashSet<String> {
    for _ in 0..2400 {
        if let Some(left) = node.write_board("test", changes, ROOM).await {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("Redis takes nothing");
}

async fn read(node: &Cache, known: &str) -> Option<Board> {
    for _ in 0..2400 {
        if let Some(told) = node.read_board("test", known, ROOM.all()).await {
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
    write(&one, &[LineChange::Prolong(long.clone()), LineChange::Prolong(short)]).await;
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
    write(&other, &[LineChange::TakeAway("long".to_owned())]).await;
    let board = read(&one, &board.version).await.expect("another version");
    assert_eq!(names(&board), [""; 0]);
}

#[tokio::test]
async fn a_board_has_room_for_so_many_lines_and_tells_for_which_it_has_none() {
    let redis = Redis::start().expect("Redis starts");
    let node = node(&redis);
    let named = |number: usize| line(&format!("line-{number}"), 3_600_000);
    let left =
        write(&node, &(0..9).map(|number| LineChange::Prolong(named(number))).collect::<Vec<_>>()).await;
    assert_eq!(left, (5..9).map(|number| format!("line-{number}")).collect());
    assert_eq!(read(&node, "").await.expect("a board").lines.len(), 5);
    let left = write(&node, &(7..12).map(|number| LineChange::Set(named(number))).collect::<Vec<_>>()).await;
    assert_eq!(
        left,
        (9..12).map(|number| format!("line-{number}")).collect(),
        "there is more room for these"
    );
    let longer = Line { text: "changed".to_owned(), ..line("line-0", 7_200_000) };
    assert!(write(&node, &[LineChange::Prolong(longer.clone())]).await.is_empty(), "it stands there already");
    let board = read(&node, "").await.expect("a board");
    assert_eq!((board.lines.len(), board.lines.first()), (ROOM.all(), Some(&longer)), "the longest first");
}

#[tokio::test]
async fn a_line_is_made_shorter_only_by_who_means_it() {
    let redis = Redis::start().expect("Redis starts");
    let node = node(&redis);
    let (long, short) = (line("a", 3_600_000), line("a", 60_000));
    write(&node, &[LineChange::Prolong(long.clone())]).await;
    assert!(write(&node, &[LineChange::Prolong(short.clone())]).await.is_empty());
    assert_eq!(read(&node, "").await.expect("a board").lines, [long]);
    write(&node, &[LineChange::Set(short.clone())]).await;
    assert_eq!(read(&node, "").await.expect("a board").lines, [short]);
}

#[tokio::test]
async fn a_line_that_is_kept_has_the_room_of_one_that_is_set_and_makes_none_shorter() {
    let redis = Redis::start().expect("Redis starts");
    let node = node(&redis);
    let named = |number: usize| line(&format!("line-{number}"), 3_600_000);
    write(&node, &(0..5).map(|number| LineChange::Prolong(named(number))).collect::<Vec<_>>()).await;
    let left = write(&node, &(5..8).map(|number| LineChange::Keep(named(number))).collect::<Vec<_>>()).await;
    assert_eq!(left, HashSet::from(["line-7".to_owned()]));
    let (short, long) = (line("line-5", 60_000), line("line-6", 7_200_000));
    write(&node, &[LineChange::Keep(short.clone()), LineChange::Keep(long.clone())]).await;
    let lines = read(&node, "").await.expect("a board").lines;
    assert!(lines.contains(&long) && !lines.contains(&short), "{lines:?}");
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_change() {
    let redis = Redis::start().expect("Redis starts");
    let (one, other) = (node(&redis), node(&redis));
    let _joined = read(&other, "").await;
    let waiting = tokio::spawn(async move { other.board_changed("test").await });
    for _ in 0..2400 {
        write(&one, &[LineChange::Prolong(line("a", 60_000))]).await;
        if waiting.is_finished() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nobody was told");
}
