//! What targets of the nat table make of a packet, and to which packets the nat table is asked at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::condition::{Facts, protocol};
use super::effect::Effect;
use super::way::Way;
use super::{Host, State, routing};
use crate::firewall::{Family, PortSpan};

pub(super) const TPROXY: &str = "TPROXY: whether something listens at its port is not told";
const SAME: &str = "whether the packet goes where it is sent anyway is not told";

/// Whether the nat table is asked: for the first packet of a connection alone, and on `lo` on the way out.
pub(super) fn is_asked(way: &Way<'_>) -> bool {
    let facts = &way.facts;
    if way.loops() {
        return false;
    }
    let announced_by_icmp = matches!(facts.protocol, Some(protocol::ICMP | protocol::ICMPV6));
    match facts.state {
        State::New => true,
        State::Related => !announced_by_icmp,
        State::Established | State::Invalid | State::Untracked => false,
    }
}

/// Whether a target rewrites addresses or ports, which ends the nat table.
pub(super) fn is_rewriting(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Redirect { .. } | Effect::Dnat { .. } | Effect::Snat { .. } | Effect::Netmap(_) | Effect::Masquerade
    )
}

/// The packet as rewritten; none: it is dropped.
pub(super) fn rewrite<'t>(way: &Way<'t>, effect: &Effect, host: &Host) -> Vec<Way<'t>> {
    let facts = &way.facts;
    match effect {
        Effect::Redirect { ports, random } => {
            let port = new_port(facts, *ports, None, *random);
            redirect(way, port, host)
        }
        Effect::Dnat {
            addresses,
            ports,
            base,
            random,
        } => {
            let port = new_port(facts, *ports, *base, *random);
            dnat(way, *addresses, port, host)
        }
        Effect::Netmap(net) if facts.hook == "PREROUTING" || facts.hook == "OUTPUT" => {
            let address = facts.destination.and_then(|address| mapped(address, *net));
            let port = facts.destination_port;
            match address {
                Some(address) => headed(way, Some(address), port, is_ours(address, way, host), host),
                None => some_address(way, (net.network(), net.broadcast()), port, host),
            }
        }
        Effect::Snat { addresses, .. } => {
            let source = addresses.map_or(facts.source, |(first, last)| (first == last).then_some(first));
            vec![with_source(way, source)]
        }
        Effect::Netmap(net) => {
            let source = facts.source.and_then(|address| mapped(address, *net));
            vec![with_source(way, source)]
        }
        Effect::Masquerade => vec![with_source(way, None)],
        _ => vec![way.clone()],
    }
}

/// The port after rewriting to some of `ports`: the packet's own where it is one of them, else the first. With `base` the
/// ports are mapped one to one from there on.
fn new_port(facts: &Facts, ports: Option<PortSpan>, base: Option<u16>, random: bool) -> Option<u16> {
    let current = facts.destination_port;
    let Some(ports) = ports.filter(|_| facts.protocol.is_none_or(protocol::has_ports)) else {
        return current;
    };
    if ports.first == ports.last {
        return Some(ports.first);
    }
    if random {
        return None;
    }
    match (current?, base) {
        (current, None) if ports.contains(current) => Some(current),
        (_, None) => Some(ports.first),
        (current, Some(base)) => {
            let length = u32::from(ports.last - ports.first) + 1;
            let shift = u32::from(current.wrapping_sub(base)) % length;
            u16::try_from(u32::from(ports.first) + shift).ok()
        }
    }
}

/// The address that REDIRECT takes.
enum Own {
    Address(IpAddr),
    None,
    Unknown,
}

fn redirect<'t>(way: &Way<'t>, port: Option<u16>, host: &Host) -> Vec<Way<'t>> {
    match own_address(&way.facts, host) {
        Own::Address(address) => headed(way, Some(address), port, Some(true), host),
        Own::None => Vec::new(),
        Own::Unknown => headed(way, None, port, Some(true), host),
    }
}

fn own_address(facts: &Facts, host: &Host) -> Own {
    if facts.hook == "OUTPUT" {
        return Own::Address(match facts.family {
            Family::V4 => Ipv4Addr::LOCALHOST.into(),
            Family::V6 => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let Some(name) = facts.in_interface.as_deref().filter(|_| !host.interfaces.is_empty()) else {
        return Own::Unknown;
    };
    let Some((_, nets)) = host.interfaces.iter().find(|(other, _)| other == name) else {
        return Own::Unknown;
    };
    let address = match facts.family {
        Family::V4 => nets.iter().map(IpNet::addr).find(IpAddr::is_ipv4),
        Family::V6 => primary6(nets, facts.destination),
    };
    address.map_or(Own::None, Own::Address)
}

/// The kernel keeps IPv6 addresses by scope, the widest first, and among equals the one added last first
/// (`ipv6_link_dev_addr`). For a destination of a narrower scope than the whole world, a group's too, only addresses of that
/// scope will do (`nf_nat_redirect_ipv6`).
fn primary6(nets: &[IpNet], destination: Option<IpAddr>) -> Option<IpAddr> {
    let wanted = match destination {
        Some(IpAddr::V6(address)) if address.is_multicast() => {
            u8::try_from(address.segments()[0] & 15).unwrap_or(WORLD)
        }
        Some(IpAddr::V6(address)) => scope(address),
        _ => WORLD,
    };
    let addresses = nets.iter().filter_map(|net| match net.addr() {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    addresses
        .filter(|address| !matches!(wanted, 1 | 2 | 5) || scope(*address) == wanted)
        .max_by_key(|address| scope(*address))
        .map(IpAddr::V6)
}

/// The scope of most addresses (RFC 4291).
const WORLD: u8 = 14;

/// `ipv6_addr_src_scope`.
fn scope(address: Ipv6Addr) -> u8 {
    let site = address.segments()[0] & 0xffc0 == 0xfec0;
    match address {
        one if one.is_unicast_link_local() || one.is_loopback() => 2,
        _ if site => 5,
        _ => WORLD,
    }
}

fn dnat<'t>(way: &Way<'t>, addresses: Option<(IpAddr, IpAddr)>, port: Option<u16>, host: &Host) -> Vec<Way<'t>> {
    let facts = &way.facts;
    match addresses {
        None if port == facts.destination_port => vec![way.clone()],
        None if facts.destination_port.is_some() && port.is_some() => {
            vec![changed(way, facts.destination, port, facts.to_us)]
        }
        None => headed(way, facts.destination, port, facts.to_us, host),
        Some((first, last)) if first == last => headed(way, Some(first), port, is_ours(first, way, host), host),
        Some(range) => some_address(way, range, port, host),
    }
}

const WHICH: &str = "which address of several the destination becomes is not told";

/// Where some addresses of a range are this host's and some are not, both ways are possible.
fn some_address<'t>(way: &Way<'t>, (first, last): (IpAddr, IpAddr), port: Option<u16>, host: &Host) -> Vec<Way<'t>> {
    if first.is_loopback() && last.is_loopback() {
        return headed(way, Some(first), port, is_ours(first, way, host), host);
    }
    let nets = host.interfaces.iter().flat_map(|(_, nets)| nets);
    let own: Vec<IpAddr> = nets.map(IpNet::addr).chain(way.facts.original_destination).collect();
    let mut ways = vec![changed(way, None, port, Some(false))];
    if own.iter().any(|address| (first..=last).contains(address)) {
        let mut ours = headed(way, None, port, Some(true), host);
        ours.iter_mut().for_each(|one| one.parted(WHICH, true));
        ways[0].parted(WHICH, false);
        ways.extend(ours);
    }
    ways
}

/// Whether an address is the host's; `None`: as its interfaces have it.
fn is_ours(address: IpAddr, way: &Way<'_>, host: &Host) -> Option<bool> {
    let told = !host.interfaces.is_empty();
    let same = way.facts.original_destination == Some(address) || address.is_loopback();
    (!told).then_some(same)
}

/// With this destination: another one, the same, or, where too little is told, either.
fn headed<'t>(
    way: &Way<'t>,
    address: Option<IpAddr>,
    port: Option<u16>,
    to_us: Option<bool>,
    host: &Host,
) -> Vec<Way<'t>> {
    let facts = &way.facts;
    let same_port = port == facts.destination_port;
    if address.is_some() && address == facts.destination && same_port {
        return vec![way.clone()];
    }
    let mut other = changed(way, address, port, to_us);
    let may_be_it = match (facts.destination, address) {
        (Some(before), Some(after)) => before == after,
        (Some(_), None) => facts.to_us != Some(false) && to_us == Some(true),
        (None, Some(after)) => host.interfaces.is_empty() || routing::has(host, after),
        (None, None) => true,
    };
    if !may_be_it || !(same_port || port.is_none() || facts.destination_port.is_none()) {
        return vec![other];
    }
    // Then nothing is rewritten.
    let mut same = way.clone();
    same.facts.destination = facts.destination.or(address);
    same.facts.destination_port = facts.destination_port.or(port);
    same.parted(SAME, false);
    other.parted(SAME, true);
    vec![same, other]
}

/// With another destination.
fn changed<'t>(way: &Way<'t>, address: Option<IpAddr>, port: Option<u16>, to_us: Option<bool>) -> Way<'t> {
    let mut way = way.clone();
    way.facts.dnat = true;
    way.facts.destination = address;
    way.facts.destination_port = port;
    way.facts.to_us = to_us;
    way.forget_passing();
    way
}

fn with_source<'t>(way: &Way<'t>, source: Option<IpAddr>) -> Way<'t> {
    let mut way = way.clone();
    way.facts.snat = true;
    way.facts.source = source;
    way.forget();
    way
}

/// The network's part of an address replaced (`NETMAP`).
fn mapped(address: IpAddr, net: IpNet) -> Option<IpAddr> {
    match (address, net) {
        (IpAddr::V4(address), IpNet::V4(net)) => {
            let bits = (address.to_bits() & net.hostmask().to_bits()) | net.network().to_bits();
            Some(Ipv4Addr::from_bits(bits).into())
        }
        (IpAddr::V6(address), IpNet::V6(net)) => {
            let bits = (address.to_bits() & net.hostmask().to_bits()) | net.network().to_bits();
            Some(Ipv6Addr::from_bits(bits).into())
        }
        _ => None,
    }
}
