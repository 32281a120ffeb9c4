//! For whom a request was sent: whoever is at the other end of the connection, or whom a trusted proxy names.

use std::net::IpAddr;

use http::{HeaderName, header::FORWARDED};
use ipnet::IpNet;
use serde::Deserialize;

use crate::Fields;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses in a field that are looked at, the last first.
const HOPS_MAX: usize = 16;

/// Whose word about addresses is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientsConfig {
    /// Networks of proxies of ours: what they say of whom they speak for is believed, and nobody else's word.
    pub trusted_proxies: Vec<IpNet>,
    /// The field they say it in.
    pub forwarded_in: ForwardedIn,
}

/// A field that names the addresses a request has passed, the first of them first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedIn {
    #[default]
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl ClientsConfig {
    pub(crate) fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted_proxies.iter().any(|network| network.contains(&peer))
    }

    /// For whom `peer` sent a request with these fields. What a trusted proxy did not say so that it can be read is
    /// held against the proxy itself.
    pub(crate) fn client(&self, peer: IpAddr, fields: Fields<'_>) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let name = match self.forwarded_in {
            ForwardedIn::XForwardedFor => X_FORWARDED_FOR,
            ForwardedIn::Forwarded => FORWARDED,
        };
        // Each proxy adds whom it heard: read from the end, everything up to the first that is none of ours was
        // written by one of ours.
        let mut nearest = peer;
        let values = fields.last::<HOPS_MAX>(&name);
        for hop in values.iter().flat_map(|value| value.rsplit(|byte| *byte == b',')).take(HOPS_MAX) {
            let Some(address) = self.read(hop) else { return nearest };
            nearest = address.to_canonical();
            if !self.trusts(nearest) {
                return nearest;
            }
        }
        nearest
    }

    fn read(&self, hop: &[u8]) -> Option<IpAddr> {
        let hop = std::str::from_utf8(hop).ok()?.trim();
        match self.forwarded_in {
            ForwardedIn::XForwardedFor => read_address(hop),
            ForwardedIn::Forwarded => hop.split(';').find_map(|pair| {
                let (name, value) = pair.split_once('=')?;
                name.trim()
                    .eq_ignore_ascii_case("for")
                    .then(|| read_address(value.trim().trim_matches('"')))?
            }),
        }
    }
}

/// An address with or without a port, IPv6 with or without brackets.
fn read_address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    text.parse().ok().or_else(|| text.split_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;

    fn client(forwarded_in: ForwardedIn, peer: &str, values: &[&str]) -> IpAddr {
        let trusted_proxies = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        let config = ClientsConfig { trusted_proxies: trusted_proxies.into(), forwarded_in };
        let name = if forwarded_in == ForwardedIn::Forwarded { FORWARDED } else { X_FORWARDED_FOR };
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(&name, HeaderValue::from_str(value).expect("a value"));
        }
        config.client(address(peer), (&fields).into())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_stranger_speaks_for_nobody_else() {
        assert_eq!(client(ForwardedIn::XForwardedFor, "192.0.2.7", &["198.51.100.1"]), address("192.0.2.7"));
    }

    #[test]
    fn behind_proxies_of_ours_the_last_stranger_counts() {
        for (values, expected) in [
            (&["203.0.113.9, 198.51.100.1, 10.1.1.1"][..], "198.51.100.1"),
            (&["203.0.113.9", "198.51.100.1", "10.1.1.1"], "198.51.100.1"),
            (&["198.51.100.1:4711"], "198.51.100.1"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]:443"], "2001:db8::1"),
            (&["::ffff:198.51.100.1"], "198.51.100.1"),
            (&["10.9.9.9"], "10.9.9.9"),
            (&["198.51.100.1, unknown"], "10.0.0.1"),
            (&["198.51.100.1, unknown, 10.2.2.2"], "10.2.2.2"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(
                client(ForwardedIn::XForwardedFor, "10.0.0.1", values),
                address(expected),
                "{values:?}"
            );
        }
    }

    #[test]
    fn the_standard_field_is_read_too() {
        let value = "for=203.0.113.9, For=\"[2001:db8::17]:4711\";proto=https, for=10.4.3.2;by=10.0.0.1";
        assert_eq!(client(ForwardedIn::Forwarded, "10.0.0.1", &[value]), address("2001:db8::17"));
    }

    proptest! {
        #[test]
        fn any_words_lead_to_some_address(value in "[ -~]{0,80}", standard in any::<bool>()) {
            let forwarded_in = if standard { ForwardedIn::Forwarded } else { ForwardedIn::XForwardedFor };
            client(forwarded_in, "10.0.0.1", &[&value]);
        }
    }
}
