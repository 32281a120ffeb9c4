//! Networks that are always let in, or never.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prefix_trie::PrefixMap;
use serde::Deserialize;

/// Lists of networks. One that stands in both is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworksConfig {
    /// Neither blocks nor limits hold for them.
    pub allowed: Vec<IpNet>,
    /// Nothing is taken from them.
    pub blocked: Vec<IpNet>,
}

/// What the lists say of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Allowed,
    Blocked,
    Unlisted,
}

/// The lists, each found in the time of an address's bits, however long it is.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    allowed: Tries<()>,
    blocked: Tries<()>,
}

impl Networks {
    pub(crate) fn new(config: &NetworksConfig) -> Self {
        let listed = |networks: &[IpNet]| {
            let mut tries = Tries::default();
            for network in networks {
                tries.insert(*network, ());
            }
            tries
        };
        Self { allowed: listed(&config.allowed), blocked: listed(&config.blocked) }
    }

    /// What the lists say; `blocked` is asked beside them.
    pub(crate) fn standing(&self, address: IpAddr, blocked: impl FnOnce() -> bool) -> Standing {
        if self.allowed.any(address, |()| true) {
            return Standing::Allowed;
        }
        let blocked = self.blocked.any(address, |()| true) || blocked();
        if blocked { Standing::Blocked } else { Standing::Unlisted }
    }
}

/// A value for each of many networks.
#[derive(Debug)]
pub(crate) struct Tries<T> {
    v4: PrefixMap<Ipv4Net, T>,
    v6: PrefixMap<Ipv6Net, T>,
}

impl<T> Default for Tries<T> {
    fn default() -> Self {
        Self { v4: PrefixMap::new(), v6: PrefixMap::new() }
    }
}

impl<T> Tries<T> {
    pub(crate) fn insert(&mut self, network: IpNet, value: T) -> Option<T> {
        match network.trunc() {
            IpNet::V4(network) => self.v4.insert(network, value),
            IpNet::V6(network) => self.v6.insert(network, value),
        }
    }

    pub(crate) fn remove(&mut self, network: IpNet) -> Option<T> {
        match network.trunc() {
            IpNet::V4(network) => self.v4.remove(&network),
            IpNet::V6(network) => self.v6.remove(&network),
        }
    }

    /// The value of exactly this network.
    pub(crate) fn get(&self, network: IpNet) -> Option<&T> {
        match network.trunc() {
            IpNet::V4(network) => self.v4.get(&network),
            IpNet::V6(network) => self.v6.get(&network),
        }
    }

    /// Is there a network around this address whose value is such?
    pub(crate) fn any(&self, address: IpAddr, wanted: impl Fn(&T) -> bool) -> bool {
        self.any_around(address.to_canonical().into(), wanted)
    }

    /// Is there one around all of this network?
    pub(crate) fn any_around(&self, network: IpNet, wanted: impl Fn(&T) -> bool) -> bool {
        match network {
            IpNet::V4(network) if !self.v4.is_empty() => {
                self.v4.cover(&network).any(|(_, value)| wanted(value))
            }
            IpNet::V6(network) if !self.v6.is_empty() => {
                self.v6.cover(&network).any(|(_, value)| wanted(value))
            }
            IpNet::V4(_) | IpNet::V6(_) => false,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (IpNet, &T)> {
        let v4 = self.v4.iter().map(|(network, value)| (IpNet::V4(network), value));
        v4.chain(self.v6.iter().map(|(network, value)| (IpNet::V6(network), value)))
    }

    pub(crate) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().expect("a network")).collect()
    }

    fn standing(networks: &Networks, address: &str) -> Standing {
        networks.standing(address.parse().expect("an address"), || false)
    }

    #[test]
    fn who_stands_in_both_lists_is_let_in() {
        let config = NetworksConfig {
            allowed: networks(&["192.0.2.7/32", "2001:db8:1::/48"]),
            blocked: networks(&["192.0.2.0/24", "2001:db8::/32"]),
        };
        let networks = Networks::new(&config);
        assert_eq!(standing(&networks, "192.0.2.7"), Standing::Allowed);
        assert_eq!(standing(&networks, "192.0.2.8"), Standing::Blocked);
        assert_eq!(standing(&networks, "::ffff:192.0.2.8"), Standing::Blocked);
        assert_eq!(standing(&networks, "192.0.3.8"), Standing::Unlisted);
        assert_eq!(standing(&networks, "2001:db8:1::5"), Standing::Allowed);
        assert_eq!(standing(&networks, "2001:db8:2::5"), Standing::Blocked);
        assert_eq!(standing(&networks, "2001:db9::1"), Standing::Unlisted);
    }

    proptest! {
        #[test]
        fn the_tries_say_what_a_search_of_the_lists_says(
            listed in prop::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            address in any::<u32>(),
        ) {
            let mut tries = Tries::default();
            let networks: Vec<IpNet> = listed
                .iter()
                .map(|(address, length)| Ipv4Net::new((*address).into(), *length).expect("a length").into())
                .collect();
            for network in &networks {
                tries.insert(*network, ());
            }
            let address = IpAddr::V4(address.into());
            prop_assert_eq!(
                tries.any(address, |()| true),
                networks.iter().any(|network| network.contains(&address))
            );
        }
    }
}
