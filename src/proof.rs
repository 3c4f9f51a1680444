//! What has to be proven of a host's mappings from here, and what probes and the host's counters prove.
//!
//! A counter proves something only because it counts our own marked packets; an answer proves something only
//! together with a counter. What cannot be told is *unverified*, with the reason, never taken for closed.

mod judge;
mod unattributed;
mod verdict;

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::firewall::Family;
use crate::mapping::{Mapping, MappingSet, PortRange, Protocol};
use crate::report::{DirectAccess, Mapped};

pub use verdict::{Verdict, summary};

/// What one attempt showed by itself; counters say the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Connected (TCP), or something answered (UDP).
    Connected,
    /// A reset, or port unreachable: from the host, or from somebody on the way.
    Refused,
    /// No answer in time.
    Silent,
    /// There is no path from here: what the system, or a bastion, said.
    NoPath(String),
    /// A proxy that does not tell whether it connected: nothing came over it. What it said.
    Untold(String),
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    Address(IpAddr),
    /// Behind a proxy, which resolves this name.
    Behind(String),
}

impl Place {
    /// The place with a port, as people write it.
    fn with(&self, port: u16) -> String {
        match self {
            Self::Address(address) => SocketAddr::new(*address, port).to_string(),
            Self::Behind(name) if name.contains(':') => format!("[{name}]:{port}"),
            Self::Behind(name) => format!("{name}:{port}"),
        }
    }

    /// Whether everything goes through a proxy.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Behind(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Behind(name) => f.write_str(name),
        }
    }
}

/// From where one family of a host is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vantage {
    /// Which family.
    pub family: Family,
    /// Where the host is.
    pub host: Place,
    /// Our address as the host sees it, where known: a bastion's, if there is one.
    pub here: Option<IpAddr>,
    /// Whether the family has a nat table; without one there are no mappings, only the guard.
    pub nat: bool,
    /// Whether the operator named this address. One that only the host told of may well not be reachable.
    pub named: bool,
    /// Why nothing of this family can be looked at from here.
    pub blind: Option<String>,
}

/// How the host was logged in to: proven by the login itself, so that sshd sees at most one bare connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Management {
    /// Over which family.
    pub family: Family,
    /// Through which port.
    pub port: u16,
}

/// When a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Old and new ways in are both open: do the new ones work?
    Loosened,
    /// The new rules alone.
    Tightened,
}

/// Which side of a mapping a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The mapped port.
    Mapped,
    /// The target port, past the mapping.
    Direct,
}

/// One thing to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    mapping: usize,
    /// Over which family, as far as counters go.
    pub family: Family,
    side: Side,
    /// Where to connect.
    pub to: Place,
    /// To which port.
    pub at: u16,
    /// Over what.
    pub protocol: Protocol,
    port: PortRange,
    to_port: u16,
    named: bool,
    /// The new login will come this way: without it there is none.
    way_in: bool,
    /// Decided without a probe.
    pub known: Option<Verdict>,
}

/// The checks of a phase, in the order of the mappings.
///
/// `login` is a login that has been made, or will be, over exactly that way; in [`Phase::Loosened`] it gets the one
/// bare connection that sshd sees, in [`Phase::Tightened`] the login is the proof.
#[must_use]
pub fn checks(set: &MappingSet, vantages: &[Vantage], login: Option<Management>, phase: Phase) -> Vec<Check> {
    let mut checks = Vec::new();
    for (index, mapping) in set.mappings().iter().enumerate() {
        for vantage in vantages {
            for (port, to_port) in ends(mapping) {
                let check = |side, at: u16| Check {
                    mapping: index,
                    family: vantage.family,
                    side,
                    to: vantage.host.clone(),
                    at,
                    protocol: mapping.protocol,
                    port,
                    to_port,
                    named: vantage.named,
                    way_in: false,
                    known: unseen(mapping.protocol, side, vantage),
                };
                let mut mapped = check(Side::Mapped, port.first());
                let same_sshd = login.is_some_and(|login| leads_where(set, login.port) == (mapping.protocol, to_port));
                let is_login = login
                    == Some(Management {
                        family: vantage.family,
                        port: port.first(),
                    });
                mapped.way_in = is_login && mapping.protocol == Protocol::Tcp;
                mapped.known = mapped
                    .known
                    .or_else(|| excluded(mapping, vantage))
                    .or_else(|| (phase == Phase::Tightened && mapped.way_in).then(|| Verdict::mapped(Mapped::Open)));
                // Another family's way to the same sshd is looked at once, at the end.
                if phase == Phase::Tightened || !same_sshd || is_login {
                    checks.push(mapped);
                }
                if phase == Phase::Tightened {
                    checks.push(check(Side::Direct, to_port));
                }
            }
        }
    }
    checks
}

fn leads_where(set: &MappingSet, port: u16) -> (Protocol, u16) {
    let mut redirects = set
        .mappings()
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Tcp)
        .flat_map(Mapping::redirects);
    (
        Protocol::Tcp,
        redirects
            .find(|(ports, _)| ports.contains(port))
            .map_or(port, |(_, to)| to),
    )
}

/// The first and the last redirect of a range stand for all of it.
fn ends(mapping: &Mapping) -> Vec<(PortRange, u16)> {
    let redirects = mapping.redirects();
    match redirects.as_slice() {
        [] => Vec::new(),
        [only] => vec![*only],
        [first, .., last] => vec![*first, *last],
    }
}

/// What cannot be looked at through a proxy.
fn unseen(protocol: Protocol, side: Side, vantage: &Vantage) -> Option<Verdict> {
    let unverified = match side {
        Side::Mapped => Verdict::mapped(Mapped::Unverified),
        Side::Direct => Verdict::direct(DirectAccess::Unverified),
    };
    let datagrams =
        || (protocol == Protocol::Udp && vantage.host.is_behind()).then_some("no datagrams go through a proxy");
    let why = vantage.blind.as_deref().or_else(datagrams);
    why.map(|why| unverified.because(why))
}

fn excluded(mapping: &Mapping, vantage: &Vantage) -> Option<Verdict> {
    let unverified = Verdict::mapped(Mapped::Unverified);
    let family = vantage.family;
    if !vantage.nat {
        return Some(unverified.because(format!("the host has no {} nat table", family.name())));
    }
    if mapping.source.is_empty() {
        return None;
    }
    if !mapping.source.iter().any(|net| family.holds(net)) {
        return Some(unverified.because(format!("source names no {} network", family.name())));
    }
    match vantage.here {
        Some(here) if mapping.source.iter().any(|net| net.contains(&here)) => None,
        Some(here) => Some(unverified.because(format!("source does not include this machine ({here})"))),
        None => Some(unverified.because("it is not known whether source includes this machine")),
    }
}

#[cfg(test)]
mod tests;
