//! What kind an address is in the routing tables' eyes (`xt_addrtype.c`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::words::Choice;
use super::{Facts, Holds, Test};
use crate::firewall::trace::Host;
use crate::firewall::trace::routing::is_subnet_router;
use crate::firewall::{Family, Side};

/// Kinds, as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kinds(u16);

const UNSPEC: Kinds = Kinds(1);
const UNICAST: Kinds = Kinds(1 << 1);
const LOCAL: Kinds = Kinds(1 << 2);
const BROADCAST: Kinds = Kinds(1 << 3);
const ANYCAST: Kinds = Kinds(1 << 4);
const MULTICAST: Kinds = Kinds(1 << 5);
const UNREACHABLE: Kinds = Kinds(1 << 7);

impl Kinds {
    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The options of one `-m addrtype`.
pub(super) fn together(choices: &[Choice<'_>], family: Family) -> Option<Test> {
    let has = |name: &str| choices.iter().any(|choice| choice.name == name);
    let limit = match (has("--limit-iface-in"), has("--limit-iface-out")) {
        (false, false) => Limit::Anywhere,
        (true, false) => Limit::Incoming,
        (false, true) => Limit::Outgoing,
        (true, true) => return None,
    };
    let mut tests = Vec::new();
    for choice in choices {
        let side = match choice.name {
            "--src-type" => Side::Source,
            "--dst-type" => Side::Destination,
            "--limit-iface-in" | "--limit-iface-out" => continue,
            _ => return None,
        };
        let test = match test(side, choice.value().split(','), family) {
            Test::AddressTypes(types) => Test::AddressTypes(AddressTypes { limit, ..types }),
            other => other,
        };
        tests.push(test.turned(choice.negated));
    }
    Some(Test::All(tests))
}

/// Where addresses have to be for `--limit-iface-in` and `--limit-iface-out`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Anywhere,
    Incoming,
    Outgoing,
}

/// `--src-type` or `--dst-type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddressTypes {
    side: Side,
    wanted: Kinds,
    limit: Limit,
    family: Family,
}

/// Which kinds are asked for.
pub(super) fn test<'a>(side: Side, names: impl Iterator<Item = &'a str>, family: Family) -> Test {
    let mut wanted = Kinds(0);
    for name in names {
        let kind = match name.to_ascii_uppercase().as_str() {
            "UNSPEC" => UNSPEC,
            "UNICAST" => UNICAST,
            "LOCAL" => LOCAL,
            "BROADCAST" => BROADCAST,
            "ANYCAST" => ANYCAST,
            "MULTICAST" => MULTICAST,
            "BLACKHOLE" => Kinds(1 << 6),
            "UNREACHABLE" => UNREACHABLE,
            "PROHIBIT" => Kinds(1 << 8),
            "THROW" => Kinds(1 << 9),
            "NAT" => Kinds(1 << 10),
            "XRESOLVE" => Kinds(1 << 11),
            _ => return Test::Unknown(format!("addrtype {name}")),
        };
        wanted = wanted.and(kind);
    }
    Test::AddressTypes(AddressTypes {
        side,
        wanted,
        limit: Limit::Anywhere,
        family,
    })
}

/// Where an address has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where<'a> {
    Anywhere,
    /// At an interface that is not told.
    Somewhere,
    On(&'a str),
}

impl<'a> Where<'a> {
    fn on(interface: Option<&'a str>) -> Self {
        interface.map_or(Self::Somewhere, Self::On)
    }

    fn may_be(self, name: &str) -> bool {
        !matches!(self, Self::On(other) if other != name)
    }
}

/// An address, as far as it is told.
enum End {
    /// It is this one, which may be ours although no interface is told.
    At(IpAddr, Ours),
    /// One of ours, whichever.
    Ours,
    /// One out there, whichever.
    Elsewhere,
    Unknown,
}

/// Whether an address is the host's own, where that does not follow from its interfaces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    Yes,
    No,
    Unknown,
}

impl AddressTypes {
    pub fn hold(&self, facts: &Facts, host: &Host) -> Holds<'static> {
        let end = if self.side == Side::Source {
            source(facts)
        } else {
            destination(facts)
        };
        let interface = match self.limit {
            Limit::Anywhere => Where::Anywhere,
            Limit::Incoming => Where::on(facts.in_interface.as_deref()),
            Limit::Outgoing => Where::on(facts.out_interface.as_deref()),
        };
        match self.family {
            Family::V4 => self.hold4(kinds4(&end, host, interface)),
            Family::V6 => self.hold6(&end, host, interface),
        }
    }

    fn hold4(&self, possible: Kinds) -> Holds<'static> {
        if !self.wanted.has(possible) {
            Holds::No
        } else if possible.0 & !self.wanted.0 == 0 {
            Holds::Yes
        } else {
            Holds::Maybe(NOT_TOLD)
        }
    }

    /// Every class asked for must be the address's (of multicast and unicast none can be both); then one of the routes.
    fn hold6(&self, end: &End, host: &Host, interface: Where<'_>) -> Holds<'static> {
        let class = |kind: Kinds, test: fn(Ipv6Addr) -> bool, otherwise: Option<bool>| match end {
            _ if !self.wanted.has(kind) => Holds::Yes,
            End::At(IpAddr::V6(address), _) => Holds::when(test(*address)),
            _ => Holds::told(otherwise, NOT_TOLD),
        };
        let known = !matches!(end, End::Unknown);
        let classes = class(MULTICAST, |one| one.is_multicast(), known.then_some(false))
            .and(class(UNICAST, is_unicast, known.then_some(true)))
            .and(class(UNSPEC, |one| one.is_unspecified(), known.then_some(false)));
        let routed = LOCAL.and(ANYCAST).and(UNREACHABLE);
        if classes == Holds::No || !self.wanted.has(routed) {
            return classes;
        }
        classes.and(self.hold4(routes6(end, host, interface)))
    }
}

const NOT_TOLD: &str = "addrtype: the kind of the address is not told";

/// What comes in with one of our addresses as its source is dropped by the routing decision, but for `lo`.
fn source(facts: &Facts) -> End {
    let loops = facts.in_interface.as_deref() == Some("lo");
    match facts.source {
        Some(address) => End::At(address, if loops { Ours::Yes } else { Ours::No }),
        None if loops => End::Ours,
        None => End::Elsewhere,
    }
}

fn destination(facts: &Facts) -> End {
    let ours = match facts.to_us {
        Some(true) => Ours::Yes,
        Some(false) => Ours::No,
        None if facts.destination == facts.original_destination => Ours::Yes,
        None => Ours::Unknown,
    };
    match (facts.destination, ours) {
        (Some(address), ours) => End::At(address, ours),
        (None, Ours::Yes) => End::Ours,
        (None, Ours::No) => End::Elsewhere,
        (None, Ours::Unknown) => End::Unknown,
    }
}

/// Whether an address is one of the host's, as its interfaces have it, or else as `ours` says. With an interface, only
/// those of it count;
fn is_local(address: IpAddr, ours: Ours, host: &Host, interface: Where<'_>) -> Option<bool> {
    let of = |name: &str| interface.may_be(name);
    let has = |nets: &[IpNet]| nets.iter().any(|net| net.addr() == address);
    let loopback = address.is_loopback() && of("lo");
    if host.interfaces.is_empty() {
        return match (ours, interface) {
            _ if loopback && interface == Where::Anywhere => Some(true),
            (Ours::Yes, Where::Anywhere) => Some(true),
            (Ours::No, _) => Some(false),
            _ => None,
        };
    }
    let found = loopback || host.interfaces.iter().any(|(name, nets)| of(name) && has(nets));
    if found && interface == Where::Somewhere {
        None
    } else {
        Some(found)
    }
}

/// Kinds that an IPv4 address may be of; local tables know of no others.
fn kinds4(end: &End, host: &Host, interface: Where<'_>) -> Kinds {
    match end {
        End::At(IpAddr::V4(address), ours) => of_ipv4(*address, *ours, host, interface),
        End::Ours if interface == Where::Anywhere => LOCAL,
        End::Ours => LOCAL.and(UNICAST),
        End::Elsewhere => UNICAST,
        End::At(IpAddr::V6(_), _) | End::Unknown => UNICAST.and(LOCAL).and(BROADCAST).and(MULTICAST),
    }
}

fn of_ipv4(address: Ipv4Addr, ours: Ours, host: &Host, interface: Where<'_>) -> Kinds {
    if address.is_broadcast() || address.is_unspecified() {
        return BROADCAST;
    }
    if address.is_multicast() {
        return MULTICAST;
    }
    match is_local(address.into(), ours, host, interface) {
        Some(true) => LOCAL,
        Some(false) if host.interfaces.is_empty() => UNICAST,
        None if host.interfaces.is_empty() && ours == Ours::Unknown => UNICAST.and(LOCAL).and(BROADCAST),
        Some(false) if !is_broadcast(address, host, interface) => UNICAST,
        Some(false) if interface == Where::Somewhere => BROADCAST.and(UNICAST),
        Some(false) => BROADCAST,
        None => LOCAL.and(UNICAST),
    }
}

/// Whether it is the last address of one of the host's networks.
fn is_broadcast(address: Ipv4Addr, host: &Host, interface: Where<'_>) -> bool {
    let of = |name: &str| interface.may_be(name);
    let is = |net: &IpNet| net.prefix_len() < 31 && net.broadcast() == IpAddr::V4(address);
    host.interfaces
        .iter()
        .filter(|(name, _)| of(name))
        .any(|(_, nets)| nets.iter().any(is))
}

/// What routes say of an IPv6 address; without any of these bits: a route to somewhere else.
fn routes6(end: &End, host: &Host, interface: Where<'_>) -> Kinds {
    let elsewhere = UNICAST.and(UNREACHABLE);
    match end {
        End::Ours if interface == Where::Anywhere => LOCAL,
        End::Ours => LOCAL.and(elsewhere),
        End::Elsewhere => elsewhere,
        End::Unknown => elsewhere.and(LOCAL).and(ANYCAST),
        End::At(address, ours) => match is_local(*address, *ours, host, interface) {
            Some(true) => LOCAL,
            Some(false) if is_subnet_router(*address, host) => elsewhere.and(ANYCAST),
            Some(false) => elsewhere,
            None => elsewhere.and(LOCAL).and(ANYCAST),
        },
    }
}

/// Of `ipv6_addr_type`: neither multicast, nor the unspecified address, nor a mapped IPv4 one.
fn is_unicast(address: Ipv6Addr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && address.to_ipv4_mapped().is_none()
}
