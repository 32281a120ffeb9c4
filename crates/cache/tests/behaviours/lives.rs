//! How long entries are served, and how.

use std::{sync::atomic::Ordering, time::Duration};

use cache::{How, RoomConfig, Warmed};

use crate::library::{Closed, Library};

fn library() -> Library {
    let library = Library::new(RoomConfig { jitter_percent: 0, ..RoomConfig::default() });
    library.shelves.put("emma", 1);
    library
}

#[tokio::test]
async fn what_was_read_is_not_read_again_while_it_is_fresh() {
    let library = library();
    library.edition("emma").await;
    library.seconds_pass(59);
    assert_eq!(library.edition("emma").await, Some(1));
    assert_eq!(library.shelves.reads(), 1);
}

#[tokio::test]
async fn past_its_time_it_is_served_at_once_and_read_anew_by_one() {
    let library = library();
    library.edition("emma").await;
    library.shelves.put("emma", 2);
    library.seconds_pass(61);
    let found = library.get("emma").await.expect("it is there");
    assert_eq!(
        (found.how, found.age, found.value.as_deref()),
        (How::Stale, Duration::from_secs(61), Some(&1))
    );
    library.until_reads(2).await;
    while library.how("emma").await != Some(How::Fresh) {
        tokio::task::yield_now().await;
    }
    assert_eq!((library.edition("emma").await, library.shelves.reads()), (Some(2), 2));
}

#[tokio::test]
async fn long_past_its_time_whoever_asks_waits_for_the_reading() {
    let library = library();
    library.edition("emma").await;
    library.shelves.put("emma", 2);
    library.seconds_pass(71);
    assert_eq!(library.edition("emma").await, Some(2));
}

#[tokio::test]
async fn when_it_cannot_be_read_the_old_is_served_and_says_so() {
    let library = library();
    library.edition("emma").await;
    library.shelves.closed.store(true, Ordering::SeqCst);
    library.seconds_pass(120);
    let found = library.get("emma").await.expect("the old is left");
    assert_eq!((found.how, found.age), (How::StaleOnError, Duration::from_secs(120)));
    // For a second nobody else tries.
    library.get("emma").await.expect("the old is left");
    assert_eq!(library.shelves.reads(), 2);
    library.seconds_pass(2);
    library.shelves.closed.store(false, Ordering::SeqCst);
    assert_eq!(library.how("emma").await, Some(How::Fresh));
}

#[tokio::test]
async fn the_old_is_not_served_for_ever() {
    let library = library();
    library.edition("emma").await;
    library.shelves.closed.store(true, Ordering::SeqCst);
    library.seconds_pass(661);
    let error = library.get("emma").await.expect_err("it is too old");
    assert!(matches!(error, cache::Unloaded::Failed(error) if *error == Closed));
}

#[tokio::test]
async fn what_was_dropped_is_not_served_even_when_nothing_can_be_read() {
    let library = library();
    library.edition("emma").await;
    library.shelves.closed.store(true, Ordering::SeqCst);
    library.put("emma", 2);
    assert!(library.get("emma").await.is_err());
}

#[tokio::test]
async fn what_is_not_there_is_remembered_shorter() {
    let library = library();
    assert_eq!(library.edition("persuasion").await, None);
    library.seconds_pass(4);
    assert_eq!(library.edition("persuasion").await, None);
    assert_eq!(library.shelves.reads(), 1);
    library.seconds_pass(2);
    library.shelves.put("persuasion", 1);
    assert_eq!(library.edition("persuasion").await, Some(1));
}

#[tokio::test]
async fn what_appears_is_seen_at_once_when_its_tag_is_dropped() {
    let library = library();
    assert_eq!(library.edition("persuasion").await, None);
    library.put("persuasion", 1);
    assert_eq!(library.edition("persuasion").await, Some(1));
}

#[tokio::test]
async fn where_asked_a_hit_makes_an_entry_fresh_again() {
    let library = Library::new(RoomConfig { jitter_percent: 0, renew_on_get: true, ..RoomConfig::default() });
    library.shelves.put("emma", 1);
    for _ in 0..10 {
        assert_eq!(library.how("emma").await, Some(How::Fresh));
        library.seconds_pass(50);
    }
    assert_eq!(library.shelves.reads(), 1);
}

#[tokio::test]
async fn warmed_keys_are_there_before_anybody_asks() {
    let library = library();
    let warmed = library.room.warm(["emma".to_owned(), "persuasion".to_owned()], 4).await;
    assert_eq!(warmed, Warmed { read: 2, failed: 0 });
    assert!(library.room.peek("emma").is_some());
    assert_eq!(library.shelves.reads(), 2);
}

#[tokio::test]
async fn a_room_holds_no_more_than_its_bytes() {
    let config = RoomConfig { bytes_max: 20_000.try_into().expect("positive"), ..RoomConfig::default() };
    let library = Library::new(config);
    for book in 0..2000 {
        library.edition(&format!("volume-{book}")).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let kept = (0..2000).filter(|book| library.room.peek(&format!("volume-{book}")).is_some()).count();
    assert!((1..200).contains(&kept), "{kept} entries of about 170 bytes");
}
