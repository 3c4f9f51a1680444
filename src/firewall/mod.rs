//! Every iptables word in the program.
//!
//! Pure functions from text to values and from values to text: `iptables-save` output becomes a typed
//! [`Ruleset`], a mapping set becomes the rules that a host should have ([`standing`] compares the two), and
//! [`change`] writes the `iptables-restore` inputs that lead from the one to the other and back. Knows mappings;
//! knows nothing of hosts, SSH or batches, and runs nothing.

mod change;
mod check;
mod counters;
mod desired;
mod extensions;
mod file;
mod installed;
mod loosened;
mod names;
mod nft;
mod options;
mod parse;
mod place;
mod placing;
mod rule;
mod ruleset;
mod spec;
mod spelling;
mod staged;
mod standing;
pub mod trace;
mod undo;
mod values;
mod walk;
mod words;

pub use change::{Change, TableInput, change, fresh};
pub use counters::Counter;
pub use installed::{HookState, Installed, Jump, installed, redirects};
pub use names::{Generation, Hook, Owned};
pub use nft::{BaseChain, HOST_RULE, base_chains};
pub use parse::ParseError;
pub use rule::{Match, PortSpan, Rule, Side, Target};
pub use ruleset::{Chain, Ruleset, Table};
pub use standing::{Standing, standing};
pub use undo::{TableUndo, Undo};

use std::net::IpAddr;

use crate::mapping::Protocol;

/// The canonical text of a file of rules: what the kernel makes of both is the same. Rules keep their order, and comments
/// stay above what they stood above; without `counters` all counters are 0 or left out. The text of a canonical text is itself.
///
/// # Errors
/// As [`Ruleset::parse_file`].
pub fn format(text: &str, counters: bool) -> Result<String, ParseError> {
    Ok(file::File::parse(text)?.text(counters))
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "ipv4")]
    V4,
    /// IPv6.
    #[serde(rename = "ipv6")]
    V6,
}

impl Family {
    /// Whether an address is of this family.
    #[must_use]
    pub fn is_of(self, address: IpAddr) -> bool {
        (self == Self::V4) == address.to_canonical().is_ipv4()
    }

    /// Whether a network is of this family.
    #[must_use]
    pub fn holds(self, net: &ipnet::IpNet) -> bool {
        matches!(
            (self, net),
            (Self::V4, ipnet::IpNet::V4(_)) | (Self::V6, ipnet::IpNet::V6(_))
        )
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// What tells our probe's packets from everybody else's, for the counting rules. Every field that is given
/// narrows; with none that applies to a protocol, no counting rules are written for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The maximum segment size on the probe's SYN (`-m tcpmss --mss`, xtables `tcpmss` match), bytes.
    pub mss: Option<u16>,
    /// The layer-3 total length of the probe's datagram (`-m length --length`), bytes, headers included;
    /// over IPv6 that is 40 plus the payload length field.
    pub udp_length: Option<u16>,
    /// The source address that the host sees the probe come from.
    pub source: Option<IpAddr>,
}

/// One family's rules on a host, as observed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Which family.
    pub family: Family,
    /// All tables of the family, from `iptables-save` or `ip6tables-save`.
    pub ruleset: Ruleset,
    /// Whether the family has a nat table. Without one only the guard is managed.
    pub nat: bool,
}

impl View {
    /// Whether rules of others could let a new TCP connection to this port in. `false`: an accept of ours alone does.
    #[must_use]
    pub fn lets_in_without_us(&self, port: u16) -> bool {
        place::could_enter(&self.ruleset, Protocol::Tcp, port)
    }

    /// The hooks that this family can have.
    pub(crate) fn hooks(&self) -> &'static [Hook] {
        if self.nat { &Hook::ALL } else { &[Hook::Guard] }
    }
}

#[cfg(test)]
pub(crate) mod tests;
