//! The ways of two packets through netfilter, stage by stage: one to a mapped port, and one straight to the port behind it.
//!
//! All that is said of them is read off their traces; nothing here knows what ought to happen.

mod stages;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use super::after;
use super::change::change;
use super::names::Generation;
use super::trace::{Host, Packet, State, Tracer, Verdict};
use super::{Chain, Family, Mark, Ruleset, Table, View};
use crate::mapping::{Mapping, MappingSet};

pub use stages::{End, Note, Role, Stage, StageKind};

/// Two packets and their ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Whose rules.
    pub family: Family,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The port that is mapped.
    pub port: u16,
    /// The port that it is mapped to.
    pub to_port: u16,
    /// The packet to the mapped port.
    pub mapped: Lane,
    /// The packet to the port behind it.
    pub direct: Lane,
}

/// One packet's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The port that it is sent to.
    pub port: u16,
    /// Where it came by, in order; those after its end are left out.
    pub stages: Vec<Stage>,
    /// What becomes of it.
    pub end: End,
}

/// What the two packets have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Their family.
    pub family: Family,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The mapped port.
    pub port: u16,
    /// The port behind it.
    pub to_port: u16,
    /// Where they come from; `None`: anywhere.
    pub source: Option<IpAddr>,
    /// Where they go; `None`: to an address of the host.
    pub destination: Option<IpAddr>,
    /// The interface that they come in by; `None`: the host's default one.
    pub interface: Option<String>,
}

impl Call {
    /// To the first port of a mapping, or to `port` if that is one of its ports, from somebody who may use it. `None`:
    /// nobody may in this family, or it is none of its ports.
    #[must_use]
    pub fn to(mapping: &Mapping, family: Family, port: Option<u16>) -> Option<Self> {
        let port = port.unwrap_or(mapping.port.first());
        let redirects = mapping.redirects();
        let (_, to_port) = redirects.iter().find(|(ports, _)| ports.contains(port))?;
        let of_family = mapping.source.iter().find(|net| family.holds(net));
        if !mapping.source.is_empty() && of_family.is_none() {
            return None;
        }
        let first = of_family.map(|net| net.hosts().next().unwrap_or_else(|| net.addr()));
        Some(Self {
            family,
            protocol: mapping.protocol.to_string(),
            port,
            to_port: *to_port,
            source: first,
            destination: None,
            interface: mapping.interface.clone(),
        })
    }
}

/// The ways of both packets through a rule set.
#[must_use]
pub fn explain(ruleset: &Ruleset, host: &Host, call: &Call) -> Picture {
    let tracer = Tracer::new(ruleset, host);
    let lane = |port: u16| {
        let packet = Packet {
            family: call.family,
            protocol: call.protocol.clone(),
            source: call.source,
            destination: call.destination,
            source_port: None,
            destination_port: Some(port),
            in_interface: call.interface.clone(),
            state: State::New,
        };
        let trace = tracer.trace(&packet);
        Lane {
            port,
            stages: stages::stages(ruleset, &packet, &trace),
            end: End::of(&trace),
        }
    };
    Picture {
        family: call.family,
        protocol: call.protocol.clone(),
        port: call.port,
        to_port: call.to_port,
        mapped: lane(call.port),
        direct: lane(call.to_port),
    }
}

/// What INPUT does with what no rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Drops it.
    #[default]
    Drop,
    /// Accepts it.
    Accept,
}

/// The rules that a host without others has once these mappings are deployed to it.
#[must_use]
pub fn made(set: &MappingSet, family: Family, policy: Policy) -> Ruleset {
    let chain = |name: &str, policy: &str| Chain {
        name: name.to_owned(),
        policy: Some(policy.to_owned()),
        counters: (0, 0),
        rules: Arc::default(),
    };
    let input = match policy {
        Policy::Drop => "DROP",
        Policy::Accept => "ACCEPT",
    };
    let table = |name: &str, chains| Table {
        name: name.to_owned(),
        chains,
    };
    let nat = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map(|name| chain(name, "ACCEPT"));
    let filter = [("INPUT", input), ("FORWARD", "ACCEPT"), ("OUTPUT", "ACCEPT")];
    let filter = filter.map(|(name, policy)| chain(name, policy));
    let view = View {
        family,
        ruleset: Ruleset {
            tables: vec![table("nat", nat.into()), table("filter", filter.into())],
            ..Ruleset::default()
        },
        nat: true,
    };
    after(&view, &change(&view, set, Generation(1), &Mark::default()))
}

/// Whether a packet got to this host's own service.
impl Lane {
    /// The port that it was delivered to.
    #[must_use]
    pub fn delivered(&self) -> Option<u16> {
        match self.end {
            End::Delivered { port } => Some(port),
            _ => None,
        }
    }
}

impl From<Verdict> for Role {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accept => Self::LetsIn,
            Verdict::Drop | Verdict::Reject => Self::Closes,
            Verdict::Unknown => Self::Maybe,
        }
    }
}
