//! What is recorded of a change that an operator asks for, beside its route: to what it was set, in numbers and in words that we
//! have chosen. A reason that somebody wrote may say anything of anybody and stays out, and of a network stands the one around it, for an
//! entry is for ever.

use std::collections::BTreeMap;

use edge::Rooms;
use http::request::Parts;
use identity::network_around;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use waiting::Reason;

use crate::gateways::Gateways;

/// Who knows which names are ours.
pub(crate) struct Names {
    pub(crate) rooms: Rooms,
    pub(crate) gateways: Gateways,
}

impl Names {
    /// Nothing for what has nothing more to say than its route, and for what is no such change and will be refused.
    pub(crate) fn said(&self, route: &str, parts: &Parts, body: &[u8]) -> Option<Value> {
        let parameters = parameters(route, parts.uri.path());
        let room = || {
            let rooms = self.rooms.state();
            let named = parameters.first().and_then(|name| rooms.into_iter().find(|room| room.name == *name));
            named.map(|room| room.name)
        };
        match route {
            "/attack" => read(body, |Attack { mode }| json!({ "mode": mode })),
            "/blocks" => blocked(parts, body),
            "/waiting-rooms/{name}/open" => Some(json!({ "room": room()? })),
            "/waiting-rooms/{name}/close" => {
                read(body, |Closing { reason }| Some(json!({ "room": room()?, "reason": reason })))?
            }
            "/waiting-rooms/{name}/rate" => {
                read(body, |Rate { per_second }| Some(json!({ "room": room()?, "perSecond": per_second })))?
            }
            "/gateways/{number}/routes/{route}/weights" => {
                let [number, route] = parameters.try_into().ok()?;
                let number = number.parse().ok()?;
                let names = self.gateways.names(number)?;
                read(body, |moved: Moved| moved.said(number, route, |name| names.contains(name)))?
            }
            _ => None,
        }
    }
}

/// What stands in a path where its route has parameters.
fn parameters<'a>(route: &str, path: &'a str) -> Vec<&'a str> {
    // Before the route may stand where it is nested.
    let sides = route.rsplit('/').zip(path.rsplit('/'));
    let mut found: Vec<&str> =
        sides.filter(|(said, _)| said.starts_with('{')).map(|(_, asked)| asked).collect();
    found.reverse();
    found
}

/// Members that are not named here are not read, and not recorded.
#[derive(Deserialize)]
struct Attack {
    mode: edge::AttackMode,
}

#[derive(Deserialize)]
struct Blocked {
    network: IpNet,
    seconds: u64,
}

#[derive(Deserialize)]
struct Unblocked {
    network: IpNet,
}

#[derive(Deserialize)]
struct Closing {
    reason: Reason,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rate {
    per_second: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    weights: BTreeMap<String, u32>,
    over_ms: Option<u64>,
}

impl Moved {
    fn said(self, gateway: usize, route: &str, known: impl Fn(&str) -> bool) -> Option<Value> {
        let Self { weights, over_ms } = self;
        let ours = known(route) && weights.keys().all(|pool| known(pool));
        ours.then(|| json!({ "gateway": gateway, "route": route, "weights": weights, "overMs": over_ms }))
    }
}

fn blocked(parts: &Parts, body: &[u8]) -> Option<Value> {
    let around =
        |network: IpNet| json!({ "around": network_around(network), "prefixLength": network.prefix_len() });
    if parts.method == http::Method::DELETE {
        let asked: Unblocked = serde_urlencoded::from_str(parts.uri.query()?).ok()?;
        return Some(around(asked.network));
    }
    read(body, |Blocked { network, seconds }| {
        let mut said = around(network);
        said["seconds"] = seconds.into();
        said
    })
}

fn read<B: for<'b> Deserialize<'b>, S>(body: &[u8], said: impl FnOnce(B) -> S) -> Option<S> {
    serde_json::from_slice(body).ok().map(said)
}

#[cfg(test)]
mod tests {
    use clock::Clock;
    use telemetry::Metrics;

    use super::*;
    use crate::gateways::ConsoleConfig;

    /// Of a node with a room called `sale`, and with a gateway whose names nobody has looked at.
    fn names() -> Names {
        let room = "[[rooms]]\nname = \"sale\"\nroutes = [\"/none\"]\ncapacity = 1\nlet-in-max = 1\n";
        let config = toml::from_str(room).expect("settings");
        let rooms = Rooms::new(&config, [0; 32], &Clock::System, &Metrics::new(), None).expect("rooms");
        let config: ConsoleConfig = toml::from_str("gateways = [\"http://127.0.0.1:9\"]").expect("settings");
        Names { rooms, gateways: Gateways::open(&config).expect("gateways") }
    }

    #[track_caller]
    fn check((method, route): (&str, &str), uri: &str, body: &str, expected: &Value) {
        let request = http::Request::builder().method(method).uri(uri).body(()).expect("a request");
        let found = names().said(route, &request.into_parts().0, body.as_bytes());
        assert_eq!(found.unwrap_or_default(), *expected, "{method} {uri} {body}");
    }

    #[test]
    fn modes_rates_and_reasons_are_recorded() {
        check(("PUT", "/attack"), "/attack", r#"{"mode": "on"}"#, &json!({"mode": "on"}));
        let route = |last: &str| format!("/waiting-rooms/{{name}}/{last}");
        let close = json!({"room": "sale", "reason": "sold-out"});
        let sold_out = r#"{"reason": "sold-out"}"#;
        check(("POST", &route("close")), "/waiting-rooms/sale/close", sold_out, &close);
        let open = json!({"room": "sale"});
        check(("POST", &route("open")), "/waiting-rooms/sale/open", "", &open);
        for (rate, kept) in [(r#"{"perSecond": 2.5}"#, json!(2.5)), ("{}", Value::Null)] {
            let expected = json!({"room": "sale", "perSecond": kept});
            check(("PUT", &route("rate")), "/waiting-rooms/sale/rate", rate, &expected);
        }
    }

    #[test]
    fn weights_are_recorded_of_routes_and_pools_that_the_gateway_has() {
        let moved = || Moved { weights: [("new".to_owned(), 4)].into(), over_ms: Some(0) };
        let known = |names: &'static [&str]| move |name: &str| names.contains(&name);
        let recorded = json!({"gateway": 0, "route": "town", "weights": {"new": 4}, "overMs": 0});
        assert_eq!(moved().said(0, "town", known(&["new", "town"])), Some(recorded));
        assert_eq!(moved().said(0, "ada.lovelace", known(&["new", "town"])), None);
        assert_eq!(moved().said(0, "town", known(&["town"])), None);
    }

    #[test]
    fn a_block_is_recorded_without_the_address_and_without_what_somebody_wrote() {
        let body = r#"{"network": "192.0.2.77/32", "seconds": 60, "reason": "Ada's neighbour"}"#;
        let recorded = json!({"around": "192.0.2.0/24", "prefixLength": 32, "seconds": 60});
        check(("PUT", "/blocks"), "/blocks", body, &recorded);
        let recorded = json!({"around": "2001:db8:1::/48", "prefixLength": 64});
        check(("DELETE", "/blocks"), "/blocks?network=2001:db8:1:2::%2F64", "", &recorded);
    }

    #[test]
    fn what_is_no_change_or_says_nothing_more_is_recorded_by_its_route_alone() {
        let weights = "/gateways/{number}/routes/{route}/weights";
        for (route, uri, body) in [
            ("/reload", "/reload", "{}"),
            ("/hand-over", "/hand-over", ""),
            ("/attack", "/attack", r#"{"mode": "Ada Lovelace"}"#),
            ("/waiting-rooms/{name}/close", "/waiting-rooms/sale/close", r#"{"reason": "Ada Lovelace"}"#),
            ("/waiting-rooms/{name}/open", "/waiting-rooms/ada.lovelace/open", ""),
            (weights, "/gateways/0/routes/ada.lovelace/weights", r#"{"weights": {}}"#),
            (weights, "/gateways/7/routes/town/weights", r#"{"weights": {}}"#),
            (weights, "/gateways/ada/routes/town/weights", r#"{"weights": {}}"#),
            ("/blocks", "/blocks", "nothing"),
        ] {
            check(("POST", route), uri, body, &Value::Null);
        }
    }
}
