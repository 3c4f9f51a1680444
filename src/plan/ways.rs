//! The ports by which operators reach sshd, before a change and after it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::mapping::{Direct, Mapping, MappingSet, Protocol};

/// The most ports that are tried: each costs a connection to every address of the host.
const MOST_WAYS: usize = 64;

/// Ports by which sshd may be reached before and after, the likeliest first: the one that ssh itself would use,
/// mapped ports that lead to it, where it leads itself, and `more`: those that are remembered, those that the operator named.
#[must_use]
pub fn ways_in(management: u16, set: &MappingSet, more: impl IntoIterator<Item = u16>) -> Vec<u16> {
    let redirects: Vec<_> = tcp(set).flat_map(Mapping::redirects).collect();
    let to_it = redirects
        .iter()
        .filter(|(_, to)| *to == management)
        .map(|(port, _)| port.first());
    let from_it = redirects
        .iter()
        .filter(|(port, _)| port.contains(management))
        .map(|(_, to)| *to);
    let ways = [management].into_iter().chain(to_it).chain(from_it);
    distinct(ways.chain(more))
}

/// The ports worth remembering of a host that runs these mappings: the one that proved itself, those that lead to
/// where its sshd listens, and that port itself, which is the way in again when the rules are gone.
#[must_use]
pub fn ways_now(proven: u16, sshd: Option<u16>, set: &MappingSet) -> Vec<u16> {
    let redirects = tcp(set).flat_map(Mapping::redirects);
    let leading = redirects
        .filter(|(_, to)| Some(*to) == sshd)
        .map(|(port, _)| port.first());
    distinct([proven].into_iter().chain(leading).chain(sshd))
}

/// How a port led to sshd before a change.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// The port.
    pub port: u16,
    /// Whether it was by a mapping of ours. If not, sshd itself listens there, or somebody before the host sends it on.
    pub mapped: bool,
    /// Where sshd listens on the host.
    pub sshd: Option<u16>,
}

/// Whether a change to these mappings leaves that port without a way to sshd.
#[must_use]
pub fn takes_away(before: Before, set: &MappingSet, here: Option<IpAddr>) -> bool {
    let redirects = || tcp(set).flat_map(Mapping::redirects);
    if let Some((_, to)) = redirects().find(|(port, _)| port.contains(before.port)) {
        return before.sshd.is_some_and(|sshd| sshd != to);
    }
    before.mapped || closing(before.sshd.unwrap_or(before.port), set, here).next().is_some()
}

/// Whether a TCP mapping takes what comes to this port.
#[must_use]
pub fn is_mapped(port: u16, set: &MappingSet) -> bool {
    tcp(set)
        .flat_map(Mapping::redirects)
        .any(|(ports, _)| ports.contains(port))
}

fn distinct(ports: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut ways = Vec::new();
    for port in ports {
        if !ways.contains(&port) && ways.len() < MOST_WAYS {
            ways.push(port);
        }
    }
    ways
}

/// The port by which operators reach sshd from now on.
#[must_use]
pub fn way_after(management: u16, set: &MappingSet, here: Option<IpAddr>) -> u16 {
    let closing: Vec<_> = closing(management, set, here).collect();
    let usable = closing
        .iter()
        .find(|(mapping, _)| mapping.source.is_empty() || within(&mapping.source, here));
    // With none that we may use the change will not be proven, and so not stay.
    usable.or(closing.first()).map_or(management, |(_, port)| *port)
}

/// Mappings that close direct access from here to this port, each with its own first port that leads there.
fn closing(to: u16, set: &MappingSet, here: Option<IpAddr>) -> impl Iterator<Item = (&Mapping, u16)> {
    let leads = tcp(set).flat_map(|mapping| mapping.redirects().into_iter().map(move |redirect| (mapping, redirect)));
    let closing = leads.filter(move |(mapping, (_, target))| {
        *target == to && mapping.direct != Direct::Allow && !within(&mapping.direct_source, here)
    });
    closing.map(|(mapping, (port, _))| (mapping, port.first()))
}

fn within(nets: &[IpNet], here: Option<IpAddr>) -> bool {
    here.is_some_and(|here| nets.iter().any(|net| net.contains(&here)))
}

fn tcp(set: &MappingSet) -> impl Iterator<Item = &Mapping> {
    set.mappings()
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Tcp)
}
