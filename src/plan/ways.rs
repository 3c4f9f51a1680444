//! The ports by which operators reach sshd, before a change and after it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::mapping::{Direct, Mapping, MappingSet, Protocol};

/// Ports by which sshd may be reached before and after, the likeliest first: the one that ssh itself would use,
/// mapped ports that lead to it, where it leads itself, and those that the operator named.
#[must_use]
pub fn ways_in(management: u16, set: &MappingSet, previous: &[u16]) -> Vec<u16> {
    let redirects: Vec<_> = tcp(set).flat_map(Mapping::redirects).collect();
    let to_it = redirects
        .iter()
        .filter(|(_, to)| *to == management)
        .map(|(port, _)| port.first());
    let from_it = redirects
        .iter()
        .filter(|(port, _)| port.contains(management))
        .map(|(_, to)| *to);
    let mut ways: Vec<u16> = vec![management];
    for way in to_it.chain(from_it).chain(previous.iter().copied()) {
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// The port by which operators reach sshd from now on.
#[must_use]
pub fn way_after(management: u16, set: &MappingSet, here: Option<IpAddr>) -> u16 {
    let leads = tcp(set).flat_map(|mapping| mapping.redirects().into_iter().map(move |redirect| (mapping, redirect)));
    let within = |nets: &[IpNet]| here.is_some_and(|here| nets.iter().any(|net| net.contains(&here)));
    let closing = leads.filter(|(mapping, (_, to))| {
        *to == management && mapping.direct != Direct::Allow && !within(&mapping.direct_source)
    });
    let closing: Vec<_> = closing.collect();
    let usable = closing
        .iter()
        .find(|(mapping, _)| mapping.source.is_empty() || within(&mapping.source));
    // With none that we may use the change will not be proven, and so not stay.
    usable
        .or(closing.first())
        .map_or(management, |(_, (port, _))| port.first())
}

fn tcp(set: &MappingSet) -> impl Iterator<Item = &Mapping> {
    set.mappings()
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Tcp)
}
