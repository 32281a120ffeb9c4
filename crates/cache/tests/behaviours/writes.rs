//! No reader ever sees a value older than its own last write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use cache::{Cache, RedisConfig, RoomConfig};
use clock::Clock;
use telemetry::Metrics;

use crate::library::{Library, tag};

/// Writers write their own books, and read theirs back at once; everybody reads everything meanwhile.
#[expect(clippy::disallowed_methods, reason = "a test waits on its own thread")]
pub(crate) fn hammer(library: &Arc<Library>, books: &str, threads: u64, time: Duration) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let newest: Arc<Vec<AtomicU64>> = Arc::new((0..threads).map(|_| AtomicU64::new(0)).collect());
    let writers: Vec<_> = (0..threads)
        .map(|own| {
            let (library, stop, newest) = (Arc::clone(library), Arc::clone(&stop), Arc::clone(&newest));
            let books = books.to_owned();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let write = write_and_read(&library, &books, own, &newest, &stop);
                runtime.expect("a runtime starts").block_on(write)
            })
        })
        .collect();
    std::thread::sleep(time);
    stop.store(true, Ordering::SeqCst);
    writers.into_iter().map(|writer| writer.join().expect("nothing older was seen")).sum()
}

async fn write_and_read(
    library: &Library,
    books: &str,
    own: u64,
    newest: &[AtomicU64],
    stop: &AtomicBool,
) -> u64 {
    let (mut edition, mut reads) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        edition += 1;
        library.put(&format!("{books}-{own}"), edition);
        newest[usize::try_from(own).expect("few")].store(edition, Ordering::SeqCst);
        for (book, newest) in newest.iter().enumerate() {
            // Whoever has been told of an edition sees no older one.
            let told = newest.load(Ordering::SeqCst);
            let seen = library.edition(&format!("{books}-{book}")).await.unwrap_or(0);
            assert!(seen >= told, "book {book}: edition {seen} after {told}");
            reads += 1;
        }
    }
    reads
}

#[test]
fn no_reader_ever_sees_a_value_older_than_its_own_last_write() {
    let cache = Cache::open(Clock::System, &Metrics::new(), &RedisConfig::default()).expect("threads start");
    let library = Library::with(cache, Clock::System, RoomConfig::default(), Arc::default());
    assert!(hammer(&Arc::new(library), "novel", 16, Duration::from_secs(2)) > 1000);
}

#[tokio::test]
async fn a_reading_that_began_before_a_drop_is_thrown_away() {
    let library = Library::new(RoomConfig::default());
    library.shelves.put("ulysses", 1);
    library.shelves.slow_ms.store(100, Ordering::SeqCst);
    let early = library.edition("ulysses");
    let late = async {
        library.until_reads(1).await;
        library.put("ulysses", 2);
        // It does not join the reading that is under way.
        library.edition("ulysses").await
    };
    assert_eq!(tokio::join!(early, late), (Some(1), Some(2)));
    assert_eq!(library.edition("ulysses").await, Some(2));
}

#[tokio::test]
async fn other_tags_stay() {
    let library = Library::new(RoomConfig::default());
    library.edition("ulysses").await;
    library.cache.drop_tags(&[tag("dubliners")]);
    assert!(library.room.peek("ulysses").is_some());
    library.cache.drop_tags(&[tag("ulysses")]);
    assert!(library.room.peek("ulysses").is_none());
}
