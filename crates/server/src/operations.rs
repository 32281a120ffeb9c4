//! What is recorded of a change that an operator asks for, beside its route: to what it was set, in numbers and in words that we
//! have chosen. A reason that somebody wrote may say anything of anybody and stays out, and of a network stands the one around it, for an
//! entry is for ever.

use std::collections::BTreeMap;

use http::request::Parts;
use identity::network_around;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use waiting::Reason;

/// Pools that one change of weights names at most, and letters of a name.
const POOLS_MAX: usize = 20;
const NAME_BYTES_MAX: usize = 40;

/// Nothing for what has nothing more to say than its route, and for what is no such change and will be refused.
pub(crate) fn said(parts: &Parts, body: &[u8]) -> Option<Value> {
    let route: Vec<&str> = parts.uri.path().trim_start_matches('/').split('/').collect();
    match route.as_slice() {
        ["attack"] => read(body, |Attack { mode }| json!({ "mode": mode })),
        ["blocks"] => blocked(parts, body),
        ["waiting-rooms", _, "close"] => read(body, |Closing { reason }| json!({ "reason": reason })),
        ["waiting-rooms", _, "rate"] => read(body, |Rate { per_second }| json!({ "perSecond": per_second })),
        ["gateways", _, "routes", _, "weights"] => read(body, Moved::said)?,
        _ => None,
    }
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
    fn said(self) -> Option<Value> {
        let Self { weights, over_ms } = self;
        let plain = |name: &String| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            name.len() <= NAME_BYTES_MAX && name.bytes().all(letter)
        };
        let fits = weights.len() <= POOLS_MAX && weights.keys().all(plain);
        fits.then(|| json!({ "weights": weights, "overMs": over_ms }))
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
    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, body: &str, expected: &Value) {
        let request = http::Request::builder().method(method).uri(uri).body(()).expect("a request");
        let found = said(&request.into_parts().0, body.as_bytes());
        assert_eq!(found.unwrap_or_default(), *expected, "{method} {uri} {body}");
    }

    #[test]
    fn modes_rates_reasons_and_weights_are_recorded() {
        check("PUT", "/attack", r#"{"mode": "on"}"#, &json!({"mode": "on"}));
        let (close, rate) = ("/waiting-rooms/sale/close", "/waiting-rooms/sale/rate");
        check("POST", close, r#"{"reason": "sold-out"}"#, &json!({"reason": "sold-out"}));
        check("PUT", rate, r#"{"perSecond": 2.5}"#, &json!({"perSecond": 2.5}));
        check("PUT", rate, "{}", &json!({"perSecond": null}));
        let weights = json!({"weights": {"new": 4, "old": 1}, "overMs": 0});
        check("PUT", "/gateways/0/routes/town/weights", &weights.to_string(), &weights);
    }

    #[test]
    fn a_block_is_recorded_without_the_address_and_without_what_somebody_wrote() {
        let body = r#"{"network": "192.0.2.77/32", "seconds": 60, "reason": "Ada's neighbour"}"#;
        let recorded = json!({"around": "192.0.2.0/24", "prefixLength": 32, "seconds": 60});
        check("PUT", "/blocks", body, &recorded);
        let recorded = json!({"around": "2001:db8:1::/48", "prefixLength": 64});
        check("DELETE", "/blocks?network=2001:db8:1:2::%2F64", "", &recorded);
    }

    #[test]
    fn what_is_no_change_or_says_nothing_more_is_recorded_by_its_route_alone() {
        for (uri, body) in [
            ("/reload", "{}"),
            ("/hand-over", ""),
            ("/attack", r#"{"mode": "Ada Lovelace"}"#),
            ("/waiting-rooms/sale/close", r#"{"reason": "Ada Lovelace"}"#),
            ("/gateways/0/routes/town/weights", r#"{"weights": {"Ada Lovelace": 1}}"#),
            ("/blocks", "nothing"),
        ] {
            check("POST", uri, body, &Value::Null);
        }
    }
}
