//! The connection's keeper: joins Redis, watches over the connection, and joins again.

use std::{sync::atomic::Ordering, time::Duration};

use clock::Clock;
use futures_util::StreamExt;
use redis::{aio::PubSubStream, cmd};

use super::{Link, LinkError, Redis, owed::Due};
use store::Breaker;

/// How often an idle connection is asked whether the servers are still the same.
const WATCH_EVERY: Duration = Duration::from_millis(250);

/// Tags given new numbers at once.
const DUE_MAX: usize = 512;

impl Redis {
    /// Keeps a connection for as long as it is polled.
    pub(super) async fn keep(&self) {
        let mut known = None;
        let mut quiet = false;
        loop {
            let joining = tokio::time::timeout(self.0.config.connect_timeout() * 2, self.join(&mut known));
            match joining.await.unwrap_or(Err(LinkError::Slow)) {
                Ok((link, heard)) => {
                    tracing::info!(code = "cache/redis-joined", "Redis is asked and told");
                    quiet = false;
                    let error = self.attend(link, heard, &mut known).await;
                    self.leave();
                    tracing::warn!(code = "cache/redis-left", %error, "this node goes on without Redis");
                }
                Err(error) => {
                    if !quiet {
                        tracing::warn!(code = "cache/redis-away", %error, "this node goes on without Redis");
                    }
                    quiet = true;
                }
            }
            tokio::time::sleep(self.0.config.reset()).await;
        }
    }

    fn leave(&self) {
        self.0.up.store(false, Ordering::Release);
        self.0.instruments.up.set(0);
        self.set_link(None);
    }

    /// Connects, sees to the era, and says what is owed; only then is Redis asked.
    async fn join(&self, known: &mut Option<String>) -> Result<(Link, PubSubStream), LinkError> {
        let (mut link, mut subscription) = Link::connect(&self.0.config).await?;
        subscription.subscribe(self.channel()).await?;
        subscription.subscribe(self.board_channel()).await?;
        self.see_to_the_era(&mut link, known).await?;
        while self.pay_some(&mut link).await? {}
        if let Ok(mut breaker) = self.0.breaker.lock() {
            *breaker = Breaker::new(self.0.config.breaker);
        }
        self.set_link(Some(link.clone()));
        self.0.instruments.connections.inc();
        self.0.instruments.up.set(1);
        self.0.up.store(true, Ordering::Release);
        Ok((link, subscription.into_on_message()))
    }

    /// A new era begins when this is not the server that the era was begun on, or not the one that this node
    /// knew: drops may be lost.
    async fn see_to_the_era(&self, link: &mut Link, known: &mut Option<String>) -> Result<(), LinkError> {
        let identity = link.identity().await?;
        let mut get = cmd("GET");
        get.arg(self.era_key());
        let era: Option<String> =
            redis::from_redis_value(link.send(&get).await?).map_err(redis::RedisError::from)?;
        let begun_here = era.is_some_and(|era| era.split(' ').next() == Some(&*identity));
        if !begun_here || known.as_ref().is_some_and(|known| *known != identity) {
            let number = u64::from_le_bytes(Clock::System.random());
            let mut set = cmd("SET");
            set.arg(self.era_key()).arg(format!("{identity} {number:x}"));
            link.send(&set).await?;
        }
        *known = Some(identity);
        Ok(())
    }

    /// Attends to a connection until it is of no use.
    async fn attend(&self, mut link: Link, mut heard: PubSubStream, known: &mut Option<String>) -> LinkError {
        let mut watch = tokio::time::interval(WATCH_EVERY);
        loop {
            let outcome = tokio::select! {
                () = self.0.broken.notified() => Ok(()),
                told = heard.next() => match told {
                    Some(told) => {
                        let payload = told.get_payload_bytes();
                        if told.get_channel_name() == self.board_channel() {
                            self.hear_of_board(payload);
                        } else {
                            self.hear(payload);
                        }
                        Ok(())
                    }
                    None => return LinkError::Slow,
                },
                () = self.0.owed.grown.notified() => self.pay_all(&mut link).await,
                _ = watch.tick() => self.look_after(&mut link, known).await,
            };
            if let Err(error) = outcome {
                return error;
            }
            if !self.is_up() {
                return LinkError::Slow;
            }
        }
    }

    async fn pay_all(&self, link: &mut Link) -> Result<(), LinkError> {
        while self.pay_some(link).await? {}
        Ok(())
    }

    /// Pays some of what is owed; tells whether there was any.
    async fn pay_some(&self, link: &mut Link) -> Result<bool, LinkError> {
        let due: Due = self.0.owed.due(DUE_MAX);
        if due.is_empty() {
            return Ok(false);
        }
        let paying = tokio::time::timeout(self.0.config.connect_timeout(), self.pay(link, &due));
        paying.await.map_err(|_| LinkError::Slow)??;
        Ok(true)
    }

    /// Looks whether anybody answers, and whether they are whom they were.
    async fn look_after(&self, link: &mut Link, known: &mut Option<String>) -> Result<(), LinkError> {
        let looking = async {
            let identity = link.identity().await?;
            if known.as_ref() != Some(&identity) {
                self.see_to_the_era(link, known).await?;
            }
            Ok(())
        };
        tokio::time::timeout(self.0.config.connect_timeout() / 2, looking)
            .await
            .unwrap_or(Err(LinkError::Slow))
    }
}
