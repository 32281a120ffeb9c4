//! One reading a key, for all who ask at the same time.

use std::sync::{Arc, Barrier, atomic::Ordering};

use cache::{RoomConfig, Unloaded};

use crate::library::Library;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

/// 10,000 callers on 20 threads ask at once.
fn ten_thousand_ask(library: &Arc<Library>) -> Vec<Result<Option<u64>, bool>> {
    let together = Arc::new(Barrier::new(20));
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let (library, together) = (Arc::clone(library), Arc::clone(&together));
            std::thread::spawn(move || {
                together.wait();
                let ask = async || match library.get("moby-dick").await {
                    Ok(found) => Ok(found.value.as_deref().copied()),
                    Err(error) => Err(matches!(error, Unloaded::Panicked)),
                };
                runtime().block_on(futures_util::future::join_all((0..500).map(|_| ask())))
            })
        })
        .collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("no caller panics")).collect()
}

fn slow_library() -> Arc<Library> {
    let library = Library::new(RoomConfig::default());
    library.shelves.put("moby-dick", 3);
    library.shelves.slow_ms.store(200, Ordering::SeqCst);
    Arc::new(library)
}

#[test]
fn ten_thousand_simultaneous_misses_make_one_read() {
    let library = slow_library();
    let answers = ten_thousand_ask(&library);
    assert_eq!(answers.len(), 10_000);
    assert!(answers.iter().all(|answer| *answer == Ok(Some(3))));
    assert_eq!(library.shelves.reads(), 1);
}

#[test]
fn a_reading_that_panics_answers_all_who_wait_and_is_not_repeated_for_each() {
    let library = slow_library();
    library.shelves.panics.store(true, Ordering::SeqCst);
    let answers = ten_thousand_ask(&library);
    assert!(answers.iter().all(|answer| *answer == Err(true)));
    assert!(library.shelves.reads() < 20, "{} readings", library.shelves.reads());
    library.shelves.panics.store(false, Ordering::SeqCst);
    assert_eq!(runtime().block_on(library.edition("moby-dick")), Some(3));
}

#[test]
fn a_failed_reading_fails_all_who_wait_once() {
    let library = slow_library();
    library.shelves.closed.store(true, Ordering::SeqCst);
    let answers = ten_thousand_ask(&library);
    assert!(answers.iter().all(|answer| *answer == Err(false)));
    assert!(library.shelves.reads() < 20, "{} readings", library.shelves.reads());
}

#[test]
fn whoever_asked_first_may_leave() {
    let library = slow_library();
    // The first caller leaves, and so does the runtime it asked on.
    runtime().block_on(async {
        let first = library.get("moby-dick");
        let left = tokio::time::timeout(std::time::Duration::from_millis(20), first).await;
        assert!(left.is_err());
    });
    assert_eq!(runtime().block_on(library.edition("moby-dick")), Some(3));
    assert_eq!(library.shelves.reads(), 1);
}

#[test]
fn it_needs_no_runtime_of_the_callers() {
    let library = Library::new(RoomConfig::default());
    library.shelves.put("moby-dick", 3);
    let asked = library.edition("moby-dick");
    let mut asked = std::pin::pin!(asked);
    let waker = std::task::Waker::noop();
    let edition = loop {
        let mut context = std::task::Context::from_waker(waker);
        if let std::task::Poll::Ready(edition) = asked.as_mut().poll(&mut context) {
            break edition;
        }
        std::thread::yield_now();
    };
    assert_eq!(edition, Some(3));
}
