//! One address, with the network that it is in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use minijinja::Value;

/// An address, and how many of its first bits name its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Network {
    is_6: bool,
    pub value: u128,
    prefix: u32,
    /// Whether the prefix was written.
    pub has_prefix: bool,
}

/// Networks whose addresses are not for the whole internet (the registries of special addresses of the IANA).
const SPECIAL: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "fc00::/7",
    "fe80::/10",
];

impl Network {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text
            .split_once('/')
            .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let (is_6, value) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(u32::from(address))),
            IpAddr::V6(address) => (true, u128::from(address)),
        };
        let bits = if is_6 { 128 } else { 32 };
        Some(Self {
            is_6,
            value,
            prefix: prefix.map_or(Some(bits), |prefix| prefix_length(prefix, bits))?,
            has_prefix: prefix.is_some(),
        })
    }

    pub fn of_number(value: u128) -> Option<Self> {
        let is_6 = u32::try_from(value).is_err();
        (value > 0).then_some(Self {
            is_6,
            value,
            prefix: if is_6 { 128 } else { 32 },
            has_prefix: false,
        })
    }

    pub fn version(&self) -> u8 {
        if self.is_6 { 6 } else { 4 }
    }

    pub fn bits(&self) -> u32 {
        if self.is_6 { 128 } else { 32 }
    }

    pub fn prefix(&self) -> u32 {
        self.prefix
    }

    fn all(&self) -> u128 {
        u128::MAX >> (128 - self.bits())
    }

    pub fn hostmask(&self) -> u128 {
        self.all().checked_shr(self.prefix).unwrap_or_default()
    }

    pub fn netmask(&self) -> u128 {
        self.all() ^ self.hostmask()
    }

    pub fn first(&self) -> u128 {
        self.value & self.netmask()
    }

    pub fn last(&self) -> u128 {
        self.value | self.hostmask()
    }

    /// How many addresses it has; none for all of version 6, which is beyond numbers.
    pub fn size(&self) -> Option<u128> {
        self.hostmask().checked_add(1)
    }

    pub fn usable_size(&self) -> u128 {
        match self.hostmask() {
            0 => 0,
            1 => 2,
            mask => mask - 1,
        }
    }

    pub fn is_first(&self) -> bool {
        self.value == self.first()
    }

    pub fn is_last(&self) -> bool {
        self.value == self.last()
    }

    /// Whether it names a host: any but a network's first address, which in version 6 is a host's as well.
    pub fn is_host(&self) -> bool {
        self.hostmask() <= 1 || !self.is_first()
    }

    /// Whether it is an address with the network around it.
    pub fn is_beside_first(&self) -> bool {
        self.hostmask() == 1 || !self.is_first()
    }

    /// The first and last address that hosts may have.
    pub fn usable(&self) -> Option<(u128, u128)> {
        match self.hostmask() {
            0 => None,
            1 => Some((self.first(), self.last())),
            _ => Some((self.first() + 1, self.last() - 1)),
        }
    }

    pub fn is_address(&self, value: u128) -> bool {
        value <= self.all()
    }

    /// An address of this version as text.
    pub fn at(&self, value: u128) -> String {
        match u32::try_from(value) {
            Ok(value) if !self.is_6 => Ipv4Addr::from(value).to_string(),
            _ => Ipv6Addr::from(value).to_string(),
        }
    }

    pub fn address(&self) -> String {
        self.at(self.value)
    }

    pub fn with_prefix(&self) -> String {
        format!("{}/{}", self.address(), self.prefix)
    }

    pub fn as_written(&self) -> String {
        if self.has_prefix {
            self.with_prefix()
        } else {
            self.address()
        }
    }

    pub fn subnet(&self) -> String {
        format!("{}/{}", self.at(self.first()), self.prefix)
    }

    pub fn wrapped(&self) -> String {
        match (self.is_6, self.has_prefix) {
            (false, _) => self.as_written(),
            (true, false) => format!("[{}]", self.address()),
            (true, true) => format!("[{}]/{}", self.address(), self.prefix),
        }
    }

    /// The address as a number; with its prefix where that was written.
    pub fn number(&self) -> Value {
        if self.has_prefix {
            return Value::from(format!("{}/{}", self.value, self.prefix));
        }
        i64::try_from(self.value).map_or_else(|_| Value::from(self.value), Value::from)
    }

    /// The address of an index, from the end where it is negative.
    pub fn nth(&self, index: i128) -> Option<u128> {
        let from = if index < 0 {
            self.last().checked_add(1)?
        } else {
            self.first()
        };
        let value = from.checked_add_signed(index)?;
        (self.first()..=self.last()).contains(&value).then_some(value)
    }

    /// The address of an index with the prefix; a single address whatever the index.
    pub fn indexed(&self, index: i128) -> Option<String> {
        if self.hostmask() == 0 {
            return Some(self.as_written());
        }
        Some(format!("{}/{}", self.at(self.nth(index)?), self.prefix))
    }

    pub fn holds(&self, other: &Self) -> bool {
        self.is_6 == other.is_6 && self.first() <= other.first() && other.last() <= self.last()
    }

    /// Whether the address lies in a network written here.
    pub fn is_in(&self, network: &str) -> bool {
        let host = Self {
            prefix: self.bits(),
            ..*self
        };
        Self::parse(network).is_some_and(|network| network.holds(&host))
    }

    pub fn is_global(&self) -> bool {
        let anycast = self.is_in("192.0.0.9/32") || self.is_in("192.0.0.10/32");
        anycast || !SPECIAL.iter().any(|network| self.is_in(network))
    }

    pub fn is_multicast(&self) -> bool {
        self.is_in("224.0.0.0/4") || self.is_in("ff00::/8")
    }

    /// Whether the address is a mask: ones and then zeros, or zeros and then ones.
    pub fn is_mask(&self) -> bool {
        let ends = |value: u128| value & (value.wrapping_add(1)) == 0;
        ends(self.value) || ends(self.value ^ self.all())
    }

    /// An address of version 6 that stands for one of version 4, as that; others stay.
    pub fn as_version_4(&self) -> Option<String> {
        if !self.is_6 {
            return Some(self.as_written());
        }
        let mapped = Ipv6Addr::from(self.value).to_ipv4_mapped()?;
        Some(format!("{mapped}/{}", self.prefix.saturating_sub(96)))
    }

    /// An address of version 4 as one of version 6.
    pub fn as_version_6(&self) -> String {
        format!("::ffff:{}/{}", self.address(), self.prefix + 96)
    }

    pub fn reverse_name(&self) -> String {
        if self.is_6 {
            let digits = format!("{:032x}", self.value);
            let parts: Vec<String> = digits.chars().rev().map(String::from).collect();
            return format!("{}.ip6.arpa.", parts.join("."));
        }
        let address = self.address();
        let parts: Vec<&str> = address.rsplit('.').collect();
        format!("{}.in-addr.arpa.", parts.join("."))
    }

    /// How many networks of a prefix it has; none where it is itself smaller.
    pub fn subnets(&self, prefix: u32) -> Option<u128> {
        let bits = prefix
            .checked_sub(self.prefix)
            .filter(|bits| *bits > 0 || self.hostmask() > 0)?;
        1_u128.checked_shl(bits)
    }

    /// The network of a shorter prefix around it.
    pub fn widened(&self, prefix: u32) -> Self {
        Self { prefix, ..*self }
    }

    pub fn nth_subnet(&self, prefix: u32, index: i128, count: u128) -> Option<String> {
        let index = if index < 0 {
            count.checked_add_signed(index)?
        } else {
            u128::try_from(index).ok()?
        };
        let offset = index.checked_shl(self.bits() - prefix).filter(|_| index < count)?;
        Some(format!("{}/{prefix}", self.at(self.first() + offset)))
    }
}

/// A prefix as a number, a netmask or a hostmask.
fn prefix_length(text: &str, bits: u32) -> Option<u32> {
    if let Ok(length) = text.parse::<u32>() {
        return (length <= bits).then_some(length);
    }
    let mask = u32::from(text.parse::<Ipv4Addr>().ok().filter(|_| bits == 32)?);
    let ones = mask.leading_ones();
    if mask == u32::MAX.checked_shl(32 - ones).unwrap_or_default() {
        return Some(ones);
    }
    let zeros = mask.leading_zeros();
    (mask == u32::MAX.checked_shr(zeros).unwrap_or_default()).then_some(zeros)
}

/// The fewest networks that hold the same addresses.
pub(super) fn merged(mut networks: Vec<Network>) -> Vec<Network> {
    for network in &mut networks {
        network.value = network.first();
    }
    networks.sort_unstable_by_key(|network| (network.is_6, network.value, network.prefix));
    let mut merged: Vec<Network> = Vec::new();
    for network in networks {
        if merged.last().is_some_and(|last| last.holds(&network)) {
            continue;
        }
        merged.push(network);
        while let [.., left, right] = merged.as_slice() {
            let Some(around) = sibling(left, right) else { break };
            merged.truncate(merged.len() - 2);
            merged.push(around);
        }
    }
    merged
}

/// The network of two that are its halves.
fn sibling(left: &Network, right: &Network) -> Option<Network> {
    let around = left.widened(left.prefix.checked_sub(1)?);
    let halves = left.prefix == right.prefix && left.is_6 == right.is_6 && around.first() == left.value;
    (halves && around.holds(right) && left.value != right.value).then_some(around)
}

/// The smallest network that holds all.
pub(super) fn spanning(networks: &[Network]) -> Option<Network> {
    let first = networks.first()?;
    let holds_all = |prefix: &u32| networks.iter().all(|network| first.widened(*prefix).holds(network));
    (0..=first.prefix)
        .rev()
        .find(holds_all)
        .map(|prefix| first.widened(prefix))
}
