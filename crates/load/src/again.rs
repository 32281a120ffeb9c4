//! A connection that was lost once is no end of a run: what it cannot go on without is asked again, a few times.

use std::time::Duration;

use crate::ending;

/// How often in all, and after how long.
const TRIES: usize = 4;
const AFTER: Duration = Duration::from_millis(250);

/// Does something until it is done, or was tried often enough; it is told which try this is.
///
/// # Errors
/// As the last try.
pub async fn again<T>(mut work: impl AsyncFnMut(usize) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut number = 0;
    loop {
        ending::go_on()?;
        let done = work(number).await;
        number += 1;
        match done {
            Err(_) if number < TRIES => tokio::time::sleep(AFTER).await,
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[tokio::test]
    async fn one_lost_connection_is_no_end_and_many_are() {
        let tried = async |lost: usize| {
            again(async |number| if number < lost { bail!("the connection was lost") } else { Ok(number) })
                .await
                .ok()
        };
        assert_eq!(
            [tried(0).await, tried(1).await, tried(3).await, tried(4).await],
            [Some(0), Some(1), Some(3), None]
        );
    }
}
