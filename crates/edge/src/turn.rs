//! Turns that the tasks of one thread take.

use std::{future::poll_fn, task::Poll};

/// Waits until every task of this thread that could go on by now had its turn.
///
/// A thread hears of some dozens of sockets at once. Were each answered before the next is read, whoever listens at the other
/// end would wake for every single answer, and on a busy machine take the processor from this thread each time. Reading all
/// first lets the answers leave together.
pub async fn others_first() {
    let mut had_their_turn = false;
    poll_fn(|cx| {
        if had_their_turn {
            return Poll::Ready(());
        }
        had_their_turn = true;
        // A task that wakes itself goes behind those that wait for their turn already.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, rc::Rc};

    use tokio::task::LocalSet;

    use super::others_first;

    #[tokio::test]
    async fn everybody_who_is_ready_reads_before_the_first_answers() {
        let said = Rc::new(RefCell::new(Vec::new()));
        let tasks = LocalSet::new();
        for name in ["one", "two", "three"] {
            let said = said.clone();
            tasks.spawn_local(async move {
                said.borrow_mut().push((name, "reads"));
                others_first().await;
                said.borrow_mut().push((name, "answers"));
            });
        }
        tasks.await;
        let order: Vec<_> = said.borrow().iter().map(|(_, what)| *what).collect();
        assert_eq!(order, ["reads", "reads", "reads", "answers", "answers", "answers"]);
    }
}
