//! Matches that a `!` does not simply turn round, since they fail a packet that they cannot judge.

use super::device::Physdev;
use super::{Facts, Holds, Test, protocol};
use crate::firewall::trace::State;

/// What such a match looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Special {
    /// `mac`: only Ethernet has addresses (`xt_mac.c`).
    Mac,
    /// `physdev`: through which port of a bridge (`xt_physdev.c`).
    Physdev(Physdev),
    /// `owner`: only packets that this host sends have one (`xt_owner.c`).
    Owner,
    /// `helper`: only connections that another one announced have one (`xt_helper.c`).
    Helper,
    /// `ah`, `esp`, `ipcomp`, `mh`, `frag`, `rt`, …: a header that only packets of this protocol have.
    Header(u8),
    /// `connbytes`: what conntrack counted.
    Bytes,
    /// `connlabel`: a packet without a connection has none.
    Label,
    /// `cgroup`: only packets of a socket have one.
    Cgroup,
}

impl Special {
    pub fn test(self, negated: bool) -> Test {
        Test::Special { about: self, negated }
    }

    pub fn holds(&self, negated: bool, facts: &Facts) -> Holds<'static> {
        match self {
            Self::Mac => mac(facts),
            Self::Physdev(physdev) => physdev.holds(negated, facts),
            Self::Owner if is_sent_here(facts) => Holds::Maybe("owner: who sends the packet is not told"),
            Self::Helper => helper(facts).turned(negated),
            Self::Header(number) => header(facts, *number),
            Self::Bytes if facts.is_tracked() => Holds::Maybe("connbytes: what the connection carried is not told"),
            Self::Label if facts.is_tracked() => Holds::Maybe("connlabel: the connection's labels are not told"),
            Self::Cgroup if is_sent_here(facts) || facts.state == State::Established => {
                Holds::Maybe("cgroup: the socket's group is not told")
            }
            Self::Owner | Self::Label => Holds::when(negated),
            Self::Bytes | Self::Cgroup => Holds::No,
        }
    }
}

fn is_on_loop(facts: &Facts) -> bool {
    facts.in_interface.as_deref() == Some("lo")
}

/// Whether the packet may have a socket as its origin.
fn is_sent_here(facts: &Facts) -> bool {
    facts.hook == "OUTPUT" || (facts.hook == "POSTROUTING" && facts.in_interface.as_deref().is_none_or(str::is_empty))
}

fn mac(facts: &Facts) -> Holds<'static> {
    if is_on_loop(facts) {
        return Holds::No;
    }
    Holds::Maybe("mac: the sender's hardware address is not told")
}

/// Connections that stand may have been announced once.
fn helper(facts: &Facts) -> Holds<'static> {
    match facts.state {
        State::Related | State::Established if facts.is_tracked() => {
            Holds::Maybe("helper: what announced the connection is not told")
        }
        _ => Holds::No,
    }
}

fn header(facts: &Facts, number: u8) -> Holds<'static> {
    match facts.protocol {
        Some(protocol) if protocol == number => Holds::Maybe("what the packet's headers say is not told"),
        Some(_) => Holds::No,
        None => Holds::Maybe(protocol::NOT_TOLD),
    }
}
