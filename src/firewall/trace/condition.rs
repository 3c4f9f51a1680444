//! Whether a rule's conditions hold for a packet at the point of its way where it is.

use std::net::IpAddr;

use super::{Host, State};
use crate::firewall::{Family, Match};

/// Whether something holds for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may: the reason names what depends on luck, on time or on what is not told (a rate, a set, an unknown source).
    Maybe(String),
    /// The condition is not modelled; the reason names it.
    Unknown(String),
}

/// A packet at a point of its way: what conditions can look at. `None` is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub family: Family,
    /// By name, as [`Match::Protocol`] has it.
    pub protocol: String,
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// Empty or `None` before it is known.
    pub in_interface: Option<String>,
    pub out_interface: Option<String>,
    /// The table that it is in, and the built-in chain through which it came there.
    pub table: &'static str,
    pub hook: &'static str,
    pub state: State,
    /// Destination and source before any rewriting, as conntrack remembers them.
    pub original_destination: Option<IpAddr>,
    pub original_destination_port: Option<u16>,
    pub original_source: Option<IpAddr>,
    pub original_source_port: Option<u16>,
    /// Whether its destination, its source was rewritten to something else (`--ctstate DNAT`, `SNAT`).
    pub dnat: bool,
    pub snat: bool,
    /// The packet's mark and its connection's; `None`: not known.
    pub mark: Option<u32>,
    pub connmark: Option<u32>,
}

/// A condition, read once and asked for many packets.
#[derive(Debug)]
pub(super) struct Condition;

impl Condition {
    /// Reads a match of a rule of `family`.
    pub fn read(one: &Match, family: Family) -> Self {
        let _ = (one, family);
        Self
    }

    /// Whether it holds.
    pub fn holds(&self, facts: &Facts, host: &Host) -> Holds {
        let _ = (facts, host);
        Holds::Unknown("nothing is modelled yet".to_owned())
    }
}
