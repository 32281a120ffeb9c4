//! What happened, as CloudEvents 1.0 in JSON.

use clock::Clock;
use edge::Incident;
use serde_json::{Value, json};

/// Only for its identifiers.
enum Event {}

/// Of one incident: what it says of anybody is a network.
pub(crate) fn event(incident: &Incident, source: &str, clock: &Clock) -> Value {
    let mut data = json!(incident);
    if let Some(data) = data.as_object_mut() {
        data.remove("kind");
        // Who it was, auditors read in the ledger.
        if incident.by.is_some() {
            data.insert("by".to_owned(), "operator".into());
        }
    }
    let subject = incident.network.map(|network| network.to_string());
    let mut event = json!({
        "specversion": "1.0",
        "id": clock.id::<Event>().to_string(),
        "source": source,
        "type": format!("holdfast.front.{}", incident.kind.word()),
        "time": clock.now(),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let (Some(event), Some(subject)) = (event.as_object_mut(), subject) {
        event.insert("subject".to_owned(), subject.into());
    }
    event
}

/// Several, as one message.
pub(crate) fn batch(events: &[Value]) -> Vec<u8> {
    json!(events).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clock::Timestamp;
    use edge::IncidentKind;

    #[test]
    fn an_event_has_what_cloud_events_ask_for() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000), 1);
        let now = Incident::now(IncidentKind::LimitBlocked, "address", &clock);
        let incident = Incident { network: "192.0.2.1/32".parse().ok(), count: 7, ..now };
        let event = event(&incident, "//town.example/holdfast", &clock);
        for (name, value) in [
            ("specversion", "1.0"),
            ("source", "//town.example/holdfast"),
            ("type", "holdfast.front.limit-blocked"),
            ("subject", "192.0.2.1/32"),
            ("datacontenttype", "application/json"),
        ] {
            assert_eq!(event[name], value, "{event}");
        }
        assert_eq!((&event["data"]["count"], &event["data"]["reason"]), (&json!(7), &json!("address")));
        assert!(event["data"].get("kind").is_none() && event["id"].as_str().is_some_and(|id| id.len() == 36));
    }
}
