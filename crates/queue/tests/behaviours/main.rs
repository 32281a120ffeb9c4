//! What queues do, on both engines.

mod line;
mod pier;
mod timetable;
mod work;

/// A behaviour that queues must have on both engines: a test on each.
macro_rules! on_both_engines {
    ($(async fn $name:ident($pier:ident) $body:block)+) => {$(
        mod $name {
            use super::*;

            async fn holds($pier: Pier) $body

            #[tokio::test]
            async fn on_sqlite() {
                holds(Pier::new()).await;
            }

            #[tokio::test]
            async fn on_postgres() {
                holds(Pier::on_postgres()).await;
            }
        }
    )+};
}

pub(crate) use on_both_engines;
