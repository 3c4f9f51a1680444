//! Walks a packet through a family's rules and says what becomes of it, and by which rules.
//!
//! The way is that of a packet that comes in by an interface, as netfilter has it: raw, mangle and nat PREROUTING, the
//! routing decision, then mangle, filter, security and nat INPUT for this host's own addresses, or mangle, filter and
//! security FORWARD and mangle and nat POSTROUTING for others. Answers are three-valued: where a match or a target that
//! is not modelled could change what becomes of the packet, that is [`Verdict::Unknown`], never a guess.
//!
//! What is not told of a packet (a `None`) is not known: a match on it goes both ways.

mod condition;
mod effect;
mod journey;
mod memory;
mod nat;
mod program;
mod routing;
mod walk;
mod way;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use ipnet::IpNet;

use super::{Family, Rule, Ruleset};
use program::Program;

/// What is known of a packet that comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its family.
    pub family: Family,
    /// Its protocol, by the name that rules have it under (`tcp`, `udp`, `icmp`, `ipv6-icmp`, `sctp`, …) or by number.
    pub protocol: String,
    /// Where it comes from; `None`: from anywhere.
    pub source: Option<IpAddr>,
    /// Where it goes; `None`: to one of this host's addresses, whichever.
    pub destination: Option<IpAddr>,
    /// The port that it comes from.
    pub source_port: Option<u16>,
    /// The port that it goes to.
    pub destination_port: Option<u16>,
    /// The interface that it comes in by; `None`: the host's default one, where there is one, else any but `lo`.
    pub in_interface: Option<String>,
    /// What conntrack takes it for.
    pub state: State,
}

/// What conntrack takes a packet for when it comes in (`--ctstate` of iptables-extensions(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum State {
    /// The first of its connection.
    #[default]
    New,
    /// Of a connection that has seen packets both ways.
    Established,
    /// The first of a connection that another one announced.
    Related,
    /// Of no connection, and cannot begin one.
    Invalid,
    /// Conntrack does not look at it.
    Untracked,
}

/// What is known of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Its interfaces with their addresses, each in the order in which they were added.
    pub interfaces: Vec<(String, Vec<IpNet>)>,
    /// The interface by which packets come in that do not say.
    pub default_interface: Option<String>,
    /// The members of its sets (ipset(8)), as `ipset save` writes them; a set that is not here has unknown members.
    pub sets: BTreeMap<String, Vec<String>>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// It is delivered to this host, or forwarded.
    Accept,
    /// It vanishes.
    Drop,
    /// It vanishes, and its sender is told.
    Reject,
    /// It depends on something that is not modelled, or not known.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
            Self::Reject => "reject",
            Self::Unknown => "unknown",
        })
    }
}

/// A packet's way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace<'a> {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The address that it is delivered to, where that is known.
    pub destination: Option<IpAddr>,
    /// The port that it is delivered to, where that is known.
    pub destination_port: Option<u16>,
    /// Whether it goes to this host itself; `None`: not known, or it never gets that far.
    pub local: Option<bool>,
    /// The rules that matched, or might, and the policies that decided, in the order of the way.
    pub steps: Vec<Step<'a>>,
    /// Why nothing is known: which match or target stands in the way.
    pub reason: Option<String>,
}

/// A rule, or a policy, on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// `filter`, `nat`, …
    pub table: &'a str,
    /// The chain.
    pub chain: &'a str,
    /// Which rule of the chain, from 1; 0: the policy.
    pub number: usize,
    /// The rule; `None`: the policy.
    pub rule: Option<&'a Rule>,
    /// The policy, where that is what decided.
    pub policy: Option<&'a str>,
    /// How many chains deep: 0 in built-in ones.
    pub depth: usize,
    /// Whether the rule applies to the packet for certain.
    pub certain: bool,
    /// Whether it decides what becomes of the packet.
    pub decides: bool,
}

/// Walks packets through one family's rules.
#[derive(Debug)]
pub struct Tracer<'a> {
    /// For each family, made when a packet of it first comes.
    programs: [OnceLock<Program>; 2],
    ruleset: &'a Ruleset,
    host: &'a Host,
}

impl<'a> Tracer<'a> {
    /// For these rules on this host.
    #[must_use]
    pub fn new(ruleset: &'a Ruleset, host: &'a Host) -> Self {
        Self {
            programs: [OnceLock::new(), OnceLock::new()],
            ruleset,
            host,
        }
    }

    /// What becomes of a packet.
    #[must_use]
    pub fn trace(&self, packet: &Packet) -> Trace<'a> {
        self.trace_on(self.host, packet)
    }

    /// What would become of a packet on another host with the same rules.
    #[must_use]
    pub fn trace_on(&self, host: &Host, packet: &Packet) -> Trace<'a> {
        let [four, six] = &self.programs;
        let program = if packet.family == Family::V4 { four } else { six };
        let program = program.get_or_init(|| Program::new(self.ruleset, packet.family));
        journey::trace(program, self.ruleset, host, packet)
    }
}

#[cfg(test)]
mod tests;
