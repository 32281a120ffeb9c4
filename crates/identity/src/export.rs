//! Everything this service holds about a person, for them to take away (GDPR, articles 15 and 20).

use authz::Actor;
use ids::Id;
use problem::Problem;
use serde_json::{Value, json};

use crate::{Identity, authenticate::open_text, person::Person, sql};

/// Sessions that an export lists.
const SESSIONS_MAX: u32 = 1000;
/// Entries that one answer lists.
const ENTRIES_MAX: u32 = 1000;

impl Identity {
    /// The person's data, in the clear. Of the ledger's entries it lists a page, from `from` on.
    ///
    /// # Errors
    /// When there is no such person.
    pub(crate) async fn export(&self, id: Id<authz::Person>, from: i64) -> Result<Value, Problem> {
        let person = self.person(id).await?;
        let key = self.key_of(id).await?;
        let now = self.clock().now();
        let read = self.ledger().readers().read(move |snapshot| {
            let person = snapshot.get::<Person>(&id)?;
            let sessions = person
                .map_or(Ok(Vec::new()), |person| sql::sessions_of(snapshot, &person, now, SESSIONS_MAX))?;
            let entries = sql::entries_about(snapshot, id, from, ENTRIES_MAX + 1)?;
            Ok((sessions, sql::device_keys_of(snapshot, id)?, sql::known_places_of(snapshot, id)?, entries))
        });
        let (sessions, device_keys, places, mut entries) = read.await?;
        let more = entries.len() > ENTRIES_MAX as usize;
        entries.truncate(ENTRIES_MAX as usize);
        let text = |field: &str, sealed: Option<&[u8]>| match sealed {
            Some(sealed) => open_text(&key, field, id, sealed).map(|text| Value::from(text.as_str())),
            None => Ok(Value::Null),
        };
        let mut keys = Vec::new();
        for device_key in &device_keys {
            keys.push(json!({
                "keyId": device_key.id,
                "label": text("device-label", device_key.label.content())?,
                "algorithm": device_key.algorithm,
                "createdAt": device_key.created_at,
            }));
        }
        let sessions: Vec<_> = sessions
            .iter()
            .map(|session| json!({"sessionId": session.id, "expiresAt": session.expires_at, "factor": session.assurance.factor()}))
            .collect();
        let places: Vec<_> = places
            .iter()
            .map(|place| {
                let since = clock::Timestamp::from_millis(place.id.unix_ms());
                json!({"kind": place.kind, "since": since, "seenAt": place.seen_at})
            })
            .collect();
        let next = entries.last().map(|(index, ..)| *index).filter(|_| more);
        let entries: Vec<_> = entries
            .iter()
            .map(|(index, at, command)| json!({"index": index, "at": at, "command": command}))
            .collect();
        Ok(json!({
            "personId": person.id,
            "userId": text("name", person.name.content())?,
            "kind": person.kind,
            "roles": person.roles,
            "disabled": person.disabled,
            "hasPassword": person.password.is_some(),
            "createdAt": person.created_at,
            "deviceKeys": keys,
            "sessions": sessions,
            "knownPlaces": places,
            "ledgerEntries": entries,
            // What to send as `after` for the entries behind these; null if there are none.
            "nextLedgerEntries": next,
        }))
    }

    /// Hands out the export to those who may have it.
    ///
    /// # Errors
    /// When there is no such person, or the actor may not.
    pub async fn export_for(
        &self,
        actor: &Actor,
        id: Id<authz::Person>,
        after: Option<i64>,
    ) -> Result<Value, Problem> {
        may_look_at(actor, id)?;
        self.export(id, after.unwrap_or(-1).saturating_add(1)).await
    }
}

/// May this actor see what is known of this person?
pub(crate) fn may_look_at(actor: &Actor, id: Id<authz::Person>) -> Result<(), Problem> {
    let _ = actor.permit(LookAt(id))?;
    Ok(())
}

/// Looking at what is known of a person.
struct LookAt(Id<authz::Person>);

impl authz::Guarded for LookAt {
    fn allows(&self, actor: &Actor) -> bool {
        actor.is(self.0) || actor.has(authz::Role::Support) || actor.has(authz::Role::Administrator)
    }
}
