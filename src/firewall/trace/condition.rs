//! Whether a rule's conditions hold for a packet at the point of its way where it is.
//!
//! What a match looks at is what the kernel's own modules look at (`net/netfilter/xt_*.c`, iptables-extensions(8)). The packets
//! in question are whole and ordinary: of tcp a SYN whose options are not told, of udp a datagram, of icmp an echo
//! request, each of a length, a lifetime and a class of service that are not told; without IPv6 extension headers, IP
//! options or `IPsec`.

mod address;
mod addrtype;
mod chance;
mod conntrack;
mod device;
mod grouped;
mod icmp;
mod module;
mod packet;
mod ports;
pub(super) mod protocol;
mod reverse;
mod set;
mod special;
mod words;

use std::net::IpAddr;

use super::{Host, State};
use crate::firewall::{Family, Match, Rule, Side};

use address::Nets;
pub(super) use address::of_family;
use addrtype::AddressTypes;
use conntrack::Conntrack;
use device::{Interface, PacketType};
use packet::Text;
use ports::Ports;
pub(super) use ports::service_span;
use reverse::ReversePath;
use set::SetMatch;
use special::Special;
pub(super) use words::{Choice, choices, masked, number};

/// Whether something holds for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds<'a> {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It may: the reason names what depends on luck, on time or on what is not told (a rate, a set, an unknown source).
    Maybe(&'a str),
    /// The condition is not modelled; the reason names it.
    Unknown(&'a str),
}

impl<'a> Holds<'a> {
    /// Of what is certain.
    pub fn when(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    /// Of what is not told where it is `None`.
    pub fn told(yes: Option<bool>, otherwise: &'a str) -> Self {
        yes.map_or(Self::Maybe(otherwise), Self::when)
    }

    /// The opposite.
    pub fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            other => other,
        }
    }

    /// The opposite where a `!` stands.
    pub fn turned(self, negated: bool) -> Self {
        if negated { self.not() } else { self }
    }

    /// Whether both hold. One that certainly does not decides.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, one) | (one, Self::Yes) => one,
            (Self::Maybe(_), Self::Unknown(_)) => other,
            _ => self,
        }
    }

    /// Whether one of them holds.
    pub fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

/// A packet at a point of its way: what conditions can look at. `None` is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Facts {
    pub family: Family,
    /// The protocol's number, as [`protocol::of_packet`] reads it.
    pub protocol: Option<u8>,
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    /// Whether the destination is one of this host's own addresses; `None`: as the [`Host`]'s addresses have it. Without
    /// those, and without this, a destination that was never rewritten is the host's own.
    pub to_us: Option<bool>,
    pub source_port: Option<u16>,
    pub destination_port: Option<u16>,
    /// Empty where the packet has none at this point (no `-i` matches in POSTROUTING of a packet of our own); `None`: some
    /// interface other than `lo`.
    pub in_interface: Option<String>,
    /// Empty where the packet has none at this point (in PREROUTING and INPUT); `None`: some interface.
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
    /// Sets that rules on its way added something to, or took something out of.
    pub changed_sets: Vec<String>,
}

impl Facts {
    /// Whether conntrack has a connection for the packet. It looks after the raw table; a packet on `lo` has passed it on
    /// its way out already.
    pub fn is_tracked(&self) -> bool {
        !matches!(self.state, State::Invalid | State::Untracked)
            && (self.table != "raw" || self.in_interface.as_deref() == Some("lo"))
    }
}

/// A condition, read once and asked for many packets.
#[derive(Debug)]
pub(super) struct Condition(Test);

/// What a condition asks.
#[derive(Debug)]
enum Test {
    /// True of every packet of ours, or of none.
    Fixed(bool),
    /// Both ways possible; the reason.
    Maybe(&'static str),
    /// Not modelled; the reason.
    Unknown(String),
    Not(Box<Self>),
    /// All of them hold.
    All(Vec<Self>),
    Protocol(u8),
    Nets(Side, Nets),
    AddressTypes(AddressTypes),
    Interface(Interface),
    Ports(Ports),
    TcpFlags {
        mask: u8,
        set: u8,
    },
    Conntrack(Conntrack),
    /// One `-m conntrack` with both; without a connection the states decide.
    Connection {
        states: Vec<Self>,
        entries: Vec<Self>,
    },
    /// `(mark & mask) == value`.
    Mark {
        value: u32,
        mask: u32,
    },
    Length {
        first: u16,
        last: u16,
    },
    Text(Text),
    /// Of a packet that has its protocol's header and no other.
    Plain(bool),
    PacketType(PacketType),
    ReversePath(ReversePath),
    InSet(SetMatch),
    Special {
        about: Special,
        negated: bool,
    },
}

impl Condition {
    /// The conditions of a rule of `family`, all of which must hold.
    pub fn of(rule: &Rule, family: Family) -> Vec<Self> {
        grouped::conditions(rule, family)
    }

    /// Reads one match of a rule of `family`.
    pub fn read(one: &Match, family: Family) -> Self {
        Self(test(one, family))
    }

    /// Whether it holds.
    pub fn holds(&self, facts: &Facts, host: &Host) -> Holds<'_> {
        self.0.holds(facts, host)
    }
}

/// What a match of a rule asks.
fn test(one: &Match, family: Family) -> Test {
    match one {
        Match::Not(inner) => test(inner, family).turned(true),
        Match::Protocol(name) => protocol::number(name).map_or_else(
            || Test::Unknown(format!("protocol {name}")),
            |number| {
                if number == 0 {
                    Test::Fixed(true)
                } else {
                    Test::Protocol(number)
                }
            },
        ),
        Match::Address(side, net) => Test::Nets(*side, Nets::from(*net)),
        Match::InInterface(name) => Test::Interface(Interface::incoming(name)),
        Match::OutInterface(name) => Test::Interface(Interface::outgoing(name)),
        Match::Port(side, span) => Test::Ports(Ports::new(*side, vec![*span])),
        Match::Ports(side, spans) => Test::Ports(Ports::new(*side, spans.clone())),
        Match::TcpFlags { mask, set } => Test::TcpFlags { mask: *mask, set: *set },
        Match::State(names) => conntrack::state(names.iter().map(String::as_str)),
        Match::OriginalPort(span) => Test::Conntrack(Conntrack::original_destination_port(*span)),
        Match::AddressType(side, names) => addrtype::test(*side, names.iter().map(String::as_str), family),
        Match::Mss(_) => Test::All(vec![
            Test::Protocol(protocol::TCP),
            Test::Maybe("tcpmss: the packet's maximum segment size is not told"),
        ]),
        Match::Length(span) => Test::Length {
            first: span.first,
            last: span.last,
        },
        Match::Comment(_) => Test::Fixed(true),
        Match::Other { module, words } => module::test(module, words, family),
    }
}

impl Test {
    /// Turned round by a `!`.
    pub fn turned(self, negated: bool) -> Self {
        match self {
            one if !negated => one,
            Self::Fixed(yes) => Self::Fixed(!yes),
            Self::Not(inner) => *inner,
            one @ (Self::Maybe(_) | Self::Unknown(_)) => one,
            Self::Conntrack(Conntrack::Entry { negated, about }) => Self::Conntrack(Conntrack::Entry {
                negated: !negated,
                about,
            }),
            Self::Special { about, negated } => Self::Special {
                about,
                negated: !negated,
            },
            Self::Plain(yes) => Self::Plain(!yes),
            one => Self::Not(Box::new(one)),
        }
    }

    pub fn holds(&self, facts: &Facts, host: &Host) -> Holds<'_> {
        match self {
            Self::Fixed(yes) => Holds::when(*yes),
            Self::Maybe(reason) => Holds::Maybe(reason),
            Self::Unknown(reason) => Holds::Unknown(reason),
            Self::Not(inner) => inner.holds(facts, host).not(),
            Self::All(tests) => all(tests, facts, host),
            Self::Protocol(number) => {
                Holds::told(facts.protocol.map(|protocol| protocol == *number), protocol::NOT_TOLD)
            }
            Self::Nets(side, nets) => nets.hold(*side, facts),
            Self::AddressTypes(types) => types.hold(facts, host),
            Self::Interface(interface) => interface.holds(facts),
            Self::Ports(ports) => ports.hold(facts),
            Self::TcpFlags { mask, set } => Holds::told(
                facts
                    .protocol
                    .map(|number| number == protocol::TCP && SYN & mask == *set),
                protocol::NOT_TOLD,
            ),
            Self::Conntrack(test) => test.holds(facts),
            Self::Connection { states, entries } => {
                let state = all(states, facts, host);
                if states.is_empty() || facts.is_tracked() {
                    state.and(all(entries, facts, host))
                } else {
                    state
                }
            }
            Self::Mark { value, mask } => Holds::told(
                facts.mark.map(|mark| mark & mask == *value),
                "the packet's mark is not known",
            ),
            Self::Length { first, last } => packet::length(facts, *first, *last),
            Self::Text(text) => text.holds(facts),
            Self::Plain(yes) => Holds::told(
                packet::is_plain(facts).filter(|plain| *plain).map(|_| *yes),
                "what the packet's headers say is not told",
            ),
            Self::PacketType(kind) => kind.holds(facts, host),
            Self::ReversePath(path) => path.holds(facts, host),
            Self::InSet(set) => set.holds(facts, host),
            Self::Special { about, negated } => about.holds(*negated, facts),
        }
    }
}

/// The flags of the tcp packets in question.
const SYN: u8 = 2;

fn all<'a>(tests: &'a [Test], facts: &Facts, host: &Host) -> Holds<'a> {
    let mut sum = Holds::Yes;
    for test in tests {
        sum = sum.and(test.holds(facts, host));
        if sum == Holds::No {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests;
