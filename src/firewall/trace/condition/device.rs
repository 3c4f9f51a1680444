//! Interfaces: `-i` and `-o`, ports of bridges, and how packets come by them.

use std::net::IpAddr;

use super::words::Choice;
use super::{Facts, Holds, Test};
use crate::firewall::trace::Host;

/// A name, or what names begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    incoming: bool,
    name: String,
    prefix: bool,
}

impl Interface {
    pub fn incoming(name: &str) -> Self {
        Self::new(true, name)
    }

    pub fn outgoing(name: &str) -> Self {
        Self::new(false, name)
    }

    fn new(incoming: bool, name: &str) -> Self {
        let stem = name.strip_suffix('+');
        Self {
            incoming,
            name: stem.unwrap_or(name).to_owned(),
            prefix: stem.is_some(),
        }
    }

    fn is(&self, name: &str) -> bool {
        if self.prefix {
            name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }

    pub fn holds(&self, facts: &Facts) -> Holds<'static> {
        let (name, reason) = if self.incoming {
            (&facts.in_interface, "the incoming interface is not told")
        } else {
            (&facts.out_interface, "the outgoing interface is not known")
        };
        match name {
            Some(name) => Holds::when(self.is(name)),
            None if self.prefix && self.name.is_empty() => Holds::Yes,
            None if self.incoming && !self.prefix && self.name == "lo" => Holds::No,
            None => Holds::Maybe(reason),
        }
    }
}

/// What `physdev` asks of a packet that came through a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physdev {
    /// `--physdev-in`, `--physdev-is-in`.
    In,
    /// `--physdev-out`: a packet that is routed, not bridged, has none, whatever is asked.
    Out,
    /// `--physdev-is-out`, `--physdev-is-bridged`.
    Bridged,
}

impl Physdev {
    pub fn option(choice: &Choice<'_>) -> Option<Self> {
        Some(match choice.name {
            "--physdev-in" | "--physdev-is-in" => Self::In,
            "--physdev-out" => Self::Out,
            "--physdev-is-out" | "--physdev-is-bridged" => Self::Bridged,
            _ => return None,
        })
    }

    /// A packet that came through no bridge matches what is turned round, and nothing else.
    pub fn holds(self, negated: bool, facts: &Facts) -> Holds<'static> {
        match (self, may_be_bridge(facts)) {
            (Self::Bridged, _) | (_, false) => Holds::when(negated),
            (Self::Out, true) if !negated => Holds::No,
            _ => Holds::Maybe("physdev: the port of the bridge is not told"),
        }
    }
}

/// Whether the incoming interface is named as bridges are.
fn may_be_bridge(facts: &Facts) -> bool {
    facts.in_interface.as_deref().is_none_or(|name| {
        name.contains("br")
            || ["docker", "cni", "podman", "xapi", "lxc", "ovs"]
                .iter()
                .any(|start| name.starts_with(start))
    })
}

/// `pkttype`: for whom the packet came off the wire, which is told by where it went at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PacketType {
    Unicast,
    Broadcast,
    Multicast,
    Other,
}

impl PacketType {
    pub fn option(choice: &Choice<'_>) -> Option<Test> {
        let kind = match choice.value().to_ascii_lowercase().as_str() {
            "unicast" | "host" => Self::Unicast,
            "broadcast" => Self::Broadcast,
            "multicast" => Self::Multicast,
            "otherhost" | "outgoing" | "loopback" => Self::Other,
            _ => return None,
        };
        (choice.name == "--pkt-type").then(|| Test::PacketType(kind).turned(choice.negated))
    }

    pub fn holds(self, facts: &Facts, host: &Host) -> Holds<'static> {
        Holds::when(self == came_as(facts.original_destination, host))
    }
}

fn came_as(address: Option<IpAddr>, host: &Host) -> PacketType {
    let is_broadcast = |address: IpAddr| {
        let mut nets = host.interfaces.iter().flat_map(|(_, nets)| nets);
        address.is_ipv4() && nets.any(|net| net.prefix_len() < 31 && net.broadcast() == address)
    };
    match address {
        Some(address) if address.is_multicast() => PacketType::Multicast,
        Some(IpAddr::V4(address)) if address.is_broadcast() => PacketType::Broadcast,
        Some(address) if is_broadcast(address) => PacketType::Broadcast,
        _ => PacketType::Unicast,
    }
}
