//! The routing decision: to this host, on to another, or nowhere.
//!
//! Forwarding is taken to be on, and every destination that is not the host's to have a route; of interfaces, the one whose
//! network holds it, or the default one. Reverse path filtering (`rp_filter`) is taken to be off, policy routing by marks not to
//! be there. What the kernel drops in any case, it drops here (`ip_route_input_slow`, `ip6_rcv_core`, `ip6_forward`): loopback
//! addresses on other interfaces, sources that are this host's, that are no single host's, or of a link that is left.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::Host;
use super::condition::Facts;

/// Where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Road {
    Local,
    Forward,
    /// The kernel drops it; the reason.
    Lost(&'static str),
    /// The kernel tells its sender that there is no way; the reason.
    Refused(&'static str),
    /// What becomes of it the routing tables decide, of which too little is told; the reason.
    Unclear(&'static str),
    /// To this host, if it has joined that group, else nowhere.
    Group,
}

pub(super) const GROUP: &str = "whether the host has joined that multicast group is not told";
const LOOPBACK: &str = "a loopback address does not come in by another interface";
const SOURCE: &str = "its source is no address that a packet may come from";
const NOWHERE: &str = "its destination is no address that a packet may go to";
const LINK: &str = "a packet from an address of the link is not forwarded";

/// What the kernel drops before any rule sees it.
pub(super) fn refused(facts: &Facts) -> Option<&'static str> {
    let loops = facts.in_interface.as_deref() == Some("lo");
    let source = facts.source.filter(IpAddr::is_ipv6);
    let destination = facts.destination.filter(IpAddr::is_ipv6);
    let is_loopback = |address: Option<IpAddr>| address.is_some_and(|address| address.is_loopback());
    if source.is_some_and(|address| address.is_multicast()) {
        return Some(SOURCE);
    }
    (!loops && (is_loopback(source) || is_loopback(destination))).then_some(LOOPBACK)
}

/// Where the packet goes now.
pub(super) fn road(facts: &Facts, host: &Host) -> Road {
    match (facts.destination, facts.to_us) {
        _ if facts.in_interface.as_deref() == Some("lo") => Road::Local,
        (Some(IpAddr::V4(destination)), to_us) => road4(destination, to_us, facts, host),
        (Some(IpAddr::V6(destination)), to_us) => road6(destination, to_us, facts, host),
        (None, to_us) => {
            let lost = facts.source.and_then(|source| unbelieved(source, host));
            match lost {
                Some(reason) => Road::Lost(reason),
                None if to_us == Some(false) => onward(facts, host),
                None => Road::Local,
            }
        }
    }
}

fn road4(destination: Ipv4Addr, to_us: Option<bool>, facts: &Facts, host: &Host) -> Road {
    let source = match facts.source {
        Some(IpAddr::V4(source)) => Some(source),
        _ => None,
    };
    if source.is_some_and(|source| source.is_multicast() || source.is_broadcast()) {
        return Road::Lost(SOURCE);
    }
    // Who has no address yet may speak to all.
    let nobody = source.is_some_and(|source| source.is_unspecified());
    if destination.is_broadcast() || destination.is_multicast() || nobody && destination.is_unspecified() {
        let reason = source
            .filter(|_| !nobody)
            .and_then(|source| unbelieved(source.into(), host));
        return match reason {
            Some(reason) => Road::Lost(reason),
            None if destination.is_multicast() => group(to_us, destination == Ipv4Addr::new(224, 0, 0, 1)),
            None => Road::Local,
        };
    }
    if let Some(reason) = source.and_then(|source| unbelieved(source.into(), host)) {
        return Road::Lost(reason);
    }
    if destination.is_unspecified() {
        return Road::Lost(NOWHERE);
    }
    if destination.is_loopback() {
        return Road::Lost(LOOPBACK);
    }
    if to_us.unwrap_or_else(|| has(host, destination.into()) || is_broadcast(host, destination)) {
        return Road::Local;
    }
    Road::Forward
}

/// Why no packet for one machine may come from there.
fn unbelieved(source: IpAddr, host: &Host) -> Option<&'static str> {
    let IpAddr::V4(source) = source else { return None };
    if source.is_loopback() {
        return Some(LOOPBACK);
    }
    let wrong = source.is_multicast() || source.is_broadcast() || source.is_unspecified() || has(host, source.into());
    wrong.then_some(SOURCE)
}

fn road6(destination: Ipv6Addr, to_us: Option<bool>, facts: &Facts, host: &Host) -> Road {
    if destination.is_multicast() {
        return group(to_us, destination == Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    }
    if destination.is_unspecified() {
        return Road::Lost(NOWHERE);
    }
    let ours = || has(host, destination.into()) || is_subnet_router(destination.into(), host);
    if destination.is_loopback() {
        // Rewritten to that on the way. It is looked up among the routes of the incoming interface alone.
        return Road::Unclear(LOOPBACK);
    }
    if to_us.unwrap_or_else(ours) {
        return Road::Local;
    }
    onward(facts, host)
}

fn group(to_us: Option<bool>, everybody: bool) -> Road {
    if everybody || to_us == Some(true) {
        Road::Local
    } else {
        Road::Group
    }
}

/// A source that no packet may be forwarded from is looked for only where the packet leaves by another interface than it
/// came in by (`ip6_forward`).
fn onward(facts: &Facts, host: &Host) -> Road {
    if facts.in_interface.is_some() && facts.in_interface == way_out(facts, host) {
        return Road::Forward;
    }
    match facts.source {
        Some(IpAddr::V6(source)) if source.is_unicast_link_local() => Road::Refused(LINK),
        Some(IpAddr::V6(source)) if source.is_unspecified() => Road::Lost(SOURCE),
        _ => Road::Forward,
    }
}

pub(super) fn has(host: &Host, address: IpAddr) -> bool {
    nets(host).any(|(_, net)| net.addr() == address)
}

fn is_broadcast(host: &Host, address: Ipv4Addr) -> bool {
    nets(host).any(|(_, net)| net.prefix_len() < 31 && net.broadcast() == IpAddr::V4(address))
}

/// Whether it is the first address of one of the host's IPv6 networks, which routers have as an anycast one.
pub(super) fn is_subnet_router(address: IpAddr, host: &Host) -> bool {
    address.is_ipv6() && nets(host).any(|(_, net)| net.prefix_len() < 127 && net.network() == address)
}

fn nets(host: &Host) -> impl Iterator<Item = (&str, &IpNet)> {
    host.interfaces
        .iter()
        .flat_map(|(name, nets)| nets.iter().map(move |net| (name.as_str(), net)))
}

/// The interface by which a packet leaves that goes on to somebody else.
pub(super) fn way_out(facts: &Facts, host: &Host) -> Option<String> {
    let destination = facts.destination?;
    let near = nets(host).filter(|(_, net)| net.contains(&destination));
    let name = near
        .max_by_key(|(_, net)| net.prefix_len())
        .map(|(name, _)| name.to_owned());
    name.or_else(|| host.default_interface.clone())
}
