//! What a valid mapping is. Knows nothing of hosts, rules or files.
//!
//! Mappings are read from YAML values ([`MappingSet::parse`]), whose places it keeps for its messages. A
//! [`MappingSet`] is valid as a whole: what it holds can be turned into rules without asking again. Hosts keep them as
//! text of one a line ([`MappingSet::to_text`]).

mod conflict;
mod long;
mod parse;
mod port;
mod text;
mod value;

use std::fmt;

use ipnet::IpNet;

use crate::problem::Problem;
use crate::yaml::Node;

pub use long::KEYS;
pub(crate) use port::port;

/// The most mappings that one host may have.
pub const MAX_MAPPINGS: usize = 1024;
/// The most ports that a mapping of a range to an equally long range may have: it takes a rule per port.
pub const MAX_RANGE: u32 = 1024;
/// The most redirects that all of a host's mappings may come to.
pub const MAX_REDIRECTS: usize = 4096;

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Ports from `first` to `last`, both included; never empty, never port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// `None` for port 0 and for ranges that run backwards.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (first > 0 && first <= last).then_some(Self { first, last })
    }
    /// The lowest port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }
    /// The highest port.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }
    /// How many ports.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.last - self.first) + 1
    }
    /// Whether `port` is one of them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
    /// Whether any port is in both.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// `22`, or `8000-8010`.
impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// What happens to new connections from outside to `to_port` itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direct {
    /// Dropped without an answer.
    #[default]
    Drop,
    /// Answered with a reset (TCP) or port unreachable (UDP).
    Reject,
    /// Left to the host's other rules.
    Allow,
}

/// One mapping, `port` to `to_port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// A name for people.
    pub name: Option<String>,
    /// The port(s) that clients connect to.
    pub port: PortRange,
    /// The port(s) that the service listens on: one, or as many as `port` has.
    pub to_port: PortRange,
    /// TCP unless said otherwise.
    pub protocol: Protocol,
    /// Who may use the mapping; empty: anyone.
    pub source: Vec<IpNet>,
    /// The incoming interface; `None`: any.
    pub interface: Option<String>,
    /// What direct access gets.
    pub direct: Direct,
    /// Who may still connect directly.
    pub direct_source: Vec<IpNet>,
    /// Whether what the host sends to itself is redirected too.
    pub loopback: bool,
}

impl Mapping {
    /// The redirects that make up this mapping: ports and the one port that they lead to. A range to one port
    /// is one redirect; a range to an equally long range is one a port (REDIRECT would not keep the order).
    #[must_use]
    pub fn redirects(&self) -> Vec<(PortRange, u16)> {
        if self.to_port.count() == 1 {
            return vec![(self.port, self.to_port.first())];
        }
        (self.port.first()..=self.port.last())
            .zip(self.to_port.first()..=self.to_port.last())
            .filter_map(|(port, to)| Some((PortRange::new(port, port)?, to)))
            .collect()
    }
}

/// A host's mappings, valid together: none overlaps another, none leads to another's `port`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MappingSet(pub(crate) Vec<Mapping>);

impl MappingSet {
    /// Reads the value of `portmap`: a list of mappings in short or long form. An empty list is an empty set.
    ///
    /// # Errors
    /// Everything that is wrong with any of the mappings or between them, each at its place.
    pub fn parse(node: &Node) -> Result<Self, Vec<Problem>> {
        let (written, mut problems) = parse::list(node);
        problems.extend(conflict::find(&written));
        if problems.is_empty() {
            Ok(Self(written.into_iter().map(|one| one.mapping).collect()))
        } else {
            Err(problems)
        }
    }

    /// The mappings in the order they were written.
    #[must_use]
    pub fn mappings(&self) -> &[Mapping] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
