//! What is asked of Redis.

use std::{sync::Arc, time::Duration};

use clock::Clock;
use redis::{Value, cmd};

use super::{Asked, Link, LinkError, Redis, Stamp, Stored, owed::Due};
use crate::tag::Tag;

/// Tags that other nodes are told of.
pub(super) const CHANNEL: &str = "drops";

impl Redis {
    /// What Redis has of a key. Nothing if it cannot be asked, or must not be believed.
    pub(crate) async fn read(&self, key: &str, tags: &[Tag]) -> Option<Asked> {
        let mut link = self.link()?;
        if self.0.owed.owes(tags) {
            return None;
        }
        let keys = self.keys_of(key, tags);
        self.within(async {
            let mut values = get(&mut link, &keys).await?;
            if values.get(1).is_none_or(Option::is_none) {
                return Err(LinkError::Emptied);
            }
            if values[2..].contains(&None) {
                self.number(&mut link, &keys[2..], &values[2..]).await?;
                values = get(&mut link, &keys).await?;
            }
            let numbers: Option<Vec<&[u8]>> = values[1..].iter().map(Option::as_deref).collect();
            let stamp = Stamp::of(numbers.ok_or(LinkError::Emptied)?);
            let stored = values[0].as_deref().and_then(Stored::decode).filter(|stored| stored.stamp == stamp);
            Ok(Asked { stamp, stored })
        })
        .await
    }

    /// Puts there what was just read; nobody waits for it.
    pub(crate) async fn write(&self, key: &str, stamp: Stamp, text: Option<Vec<u8>>, life: Duration) {
        let Some(mut link) = self.link() else { return };
        let stored = Stored { stamp, made_at_ms: self.millis_now(), text };
        let mut set = cmd("SET");
        set.arg(self.key("entry", key)).arg(stored.encode());
        set.arg("PX").arg(u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1));
        drop(self.within(async { Ok(link.send(&set).await?) }).await);
    }

    /// The key of an entry, that of the era, and those of its tags' numbers.
    fn keys_of(&self, key: &str, tags: &[Tag]) -> Vec<String> {
        let tags = tags.iter().map(|tag| self.number_key(*tag));
        [self.key("entry", key), self.era_key()].into_iter().chain(tags).collect()
    }

    fn number_key(&self, tag: Tag) -> String {
        self.key("tag", &tag.place().to_string())
    }

    pub(super) fn era_key(&self) -> String {
        self.key("era", "now")
    }

    pub(super) fn channel(&self) -> String {
        self.key("channel", CHANNEL)
    }

    /// Gives a number to tags that have none: they are new, or Redis made room.
    async fn number(
        &self,
        link: &mut Link,
        keys: &[String],
        values: &[Option<Vec<u8>>],
    ) -> Result<(), LinkError> {
        for (key, _) in keys.iter().zip(values).filter(|(_, value)| value.is_none()) {
            let mut set = cmd("SET");
            set.arg(key).arg(&Clock::System.random::<16>()[..]).arg("NX");
            link.send(&set).await?;
        }
        Ok(())
    }

    /// Gives dropped tags new numbers, and tells the other nodes.
    pub(super) async fn pay(&self, link: &mut Link, due: &Due) -> Result<(), LinkError> {
        let mut set = cmd("MSET");
        let mut told = self.0.node.to_vec();
        for (tag, _) in due {
            set.arg(self.number_key(*tag)).arg(&Clock::System.random::<16>()[..]);
            told.extend_from_slice(&tag.place().to_le_bytes());
        }
        link.send(&set).await?;
        self.0.owed.paid(due);
        let mut publish = cmd("PUBLISH");
        publish.arg(self.channel()).arg(told);
        link.send(&publish).await?;
        Ok(())
    }

    /// Another node tells of drops. It is a hint: what must be known is heard from the ledger.
    pub(super) fn hear(&self, told: &[u8]) {
        let Some((node, places)) = told.split_first_chunk::<8>() else { return };
        if *node == self.0.node {
            return;
        }
        let tags: Arc<[Tag]> = places
            .chunks_exact(4)
            .filter_map(|place| Tag::at(u32::from_le_bytes(place.try_into().ok()?)))
            .collect();
        self.0.instruments.hints.inc();
        self.0.drops.drop_tags(&tags);
    }
}

async fn get(link: &mut Link, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, LinkError> {
    let mut get = cmd("MGET");
    get.arg(keys);
    let Value::Array(values) = link.send(&get).await? else { return Err(LinkError::Emptied) };
    let text = |value| if let Value::BulkString(text) = value { Some(text) } else { None };
    let values: Vec<_> = values.into_iter().map(text).collect();
    if values.len() == keys.len() { Ok(values) } else { Err(LinkError::Emptied) }
}
