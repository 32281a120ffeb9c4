//! What was done against networks that flood or attack: the ledger remembers it, aggregated, and no address.

use authz::{Actor, By, Guarded};
use clock::Timestamp;
use edge::{Incident, IncidentKind};
use ids::Id;
use ledger::{Applied, Command};
use problem::Problem;
use serde::{Deserialize, Serialize};
use store::{Keys, StoreError, Tx};

/// Incidents in one entry; of more only the number is recorded.
pub const INCIDENTS_MAX: usize = 100;

/// Bits of a network that stand in an entry at most: an entry is for ever, and nobody's address.
const BITS_MAX_V4: u8 = 24;
const BITS_MAX_V6: u8 = 48;

/// Records what happened in some time, each kind and network once with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordIncidents {
    pub incidents: Vec<RecordedIncident>,
    /// How many more there were than are recorded.
    pub more: u64,
}

/// Something that was done, once or often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedIncident {
    pub kind: RecordedKind,
    /// The network around the one that it was done against.
    pub network: Option<String>,
    /// A word of ours: a rule's name, or who decided.
    pub reason: String,
    /// The person who did it, if one did and could prove it.
    pub by: Option<Id<authz::Person>>,
    pub count: u64,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
}

/// What was done; the words are for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordedKind {
    LimitBlocked,
    RequestInspected,
    NetworkBlocked,
    NetworkUnblocked,
    AttackBegan,
    AttackOver,
    MemoryShort,
    MemoryOut,
}

impl From<IncidentKind> for RecordedKind {
    fn from(kind: IncidentKind) -> Self {
        match kind {
            IncidentKind::LimitBlocked => Self::LimitBlocked,
            IncidentKind::RequestInspected => Self::RequestInspected,
            IncidentKind::NetworkBlocked => Self::NetworkBlocked,
            IncidentKind::NetworkUnblocked => Self::NetworkUnblocked,
            IncidentKind::AttackBegan => Self::AttackBegan,
            IncidentKind::AttackOver => Self::AttackOver,
            IncidentKind::MemoryShort => Self::MemoryShort,
            IncidentKind::MemoryOut => Self::MemoryOut,
        }
    }
}

/// Why incidents were not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordIncidentsError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RecordIncidents {
    /// Of these, the most frequent first. What operators wrote in their own words stays out.
    #[must_use]
    pub fn of(incidents: &[Incident]) -> Self {
        let mut sorted: Vec<_> = incidents.iter().collect();
        // What somebody did by hand is never left out for what came often by itself.
        sorted.sort_by_key(|incident| (incident.by.is_none(), std::cmp::Reverse(incident.count)));
        let more = sorted.len().saturating_sub(INCIDENTS_MAX);
        let recorded = sorted.into_iter().take(INCIDENTS_MAX).map(RecordedIncident::from);
        Self { incidents: recorded.collect(), more: u64::try_from(more).unwrap_or(u64::MAX) }
    }
}

/// The network around one, as it may stand in an entry.
#[must_use]
pub fn network_around(network: ipnet::IpNet) -> String {
    let max = if network.addr().is_ipv4() { BITS_MAX_V4 } else { BITS_MAX_V6 };
    let around = ipnet::IpNet::new(network.addr(), network.prefix_len().min(max));
    around.map_or_else(|_| String::new(), |around| around.trunc().to_string())
}

impl From<&Incident> for RecordedIncident {
    fn from(incident: &Incident) -> Self {
        let by = incident.by.as_deref().and_then(|by| by.parse::<By>().ok());
        let network = incident.network.map(network_around);
        Self {
            kind: incident.kind.into(),
            network,
            reason: if incident.by.is_some() { "operator".to_owned() } else { incident.reason.clone() },
            by: by.and_then(|by| by.person()),
            count: incident.count,
            since: incident.since,
            until: incident.until,
        }
    }
}

impl Guarded for RecordIncidents {
    /// Only this deployment itself gives it.
    fn allows(&self, actor: &Actor) -> bool {
        actor.is_service()
    }
}

impl Command for RecordIncidents {
    const NAME: &'static str = "identity/record-incidents";
    type Done = ();
    type Refused = RecordIncidentsError;

    fn reads(&self, _keys: &mut Keys<'_>) {}

    fn apply(self, _by: &By, _tx: &mut Tx<'_>, _at: Timestamp) -> Result<Applied<()>, RecordIncidentsError> {
        Ok(Applied::new(()))
    }
}

impl From<RecordIncidentsError> for Problem {
    fn from(error: RecordIncidentsError) -> Self {
        match error {
            RecordIncidentsError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(network: &str, by: Option<&str>, count: u64) -> Incident {
        Incident {
            kind: IncidentKind::NetworkBlocked,
            network: network.parse().ok(),
            reason: "the neighbours of Ada".to_owned(),
            by: by.map(str::to_owned),
            until: None,
            count,
            since: Timestamp::from_millis(1000),
        }
    }

    #[test]
    fn an_entry_holds_the_network_around_an_address_and_nobodys_own_words() {
        let recorded = RecordIncidents::of(&[
            incident("192.0.2.77/32", Some("anonymous at 127.0.0.1"), 1),
            incident("2001:db8:1:2::/64", Some("anonymous"), 1),
            incident("10.0.0.0/8", Some("anonymous"), 1),
        ]);
        let networks: Vec<_> = recorded.incidents.iter().flat_map(|one| one.network.as_deref()).collect();
        assert_eq!(networks, ["192.0.2.0/24", "2001:db8:1::/48", "10.0.0.0/8"]);
        assert!(recorded.incidents.iter().all(|one| one.reason == "operator" && one.by.is_none()));
    }

    #[test]
    fn what_was_done_by_hand_is_recorded_before_what_came_often() {
        let mut many: Vec<_> = (0..500).map(|count| incident("192.0.2.0/24", None, count)).collect();
        many.push(incident("10.0.0.0/8", Some("anonymous"), 1));
        let recorded = RecordIncidents::of(&many);
        assert_eq!((recorded.incidents.len(), recorded.more), (INCIDENTS_MAX, 401));
        assert_eq!((recorded.incidents[0].reason.as_str(), recorded.incidents[1].count), ("operator", 499));
        let bytes = serde_json::to_vec(&recorded).expect("it has a form");
        assert!(bytes.len() < 64 << 10, "{} bytes", bytes.len());
    }
}
