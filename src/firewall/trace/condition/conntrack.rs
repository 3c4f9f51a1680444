//! What conntrack knows of a packet's connection (`xt_conntrack.c`).

use std::net::IpAddr;

use super::address::Nets;
use super::ports::service_span;
use super::words::Choice;
use super::{Facts, Holds, Test, protocol};
use crate::firewall::trace::State;
use crate::firewall::{Family, PortSpan};

/// One question about a packet's connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Conntrack {
    /// `--ctstate`, `--state`: bits of these.
    State(u8),
    /// All others. A packet without a connection fails them, turned round or not.
    Entry { negated: bool, about: About },
}

/// What is asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    Protocol(u8),
    OriginalSource(Nets),
    OriginalDestination(Nets),
    ReplySource(Nets),
    ReplyDestination(Nets),
    OriginalSourcePort(PortSpan),
    OriginalDestinationPort(PortSpan),
    ReplySourcePort(PortSpan),
    ReplyDestinationPort(PortSpan),
    /// `ORIGINAL`.
    FromItsBeginner,
    /// Bits of these.
    Status(u8),
    Expiry,
    /// `(mark & mask) == value`.
    Mark {
        value: u32,
        mask: u32,
    },
}

const NEW: u8 = 1;
const ESTABLISHED: u8 = 2;
const RELATED: u8 = 4;
const INVALID: u8 = 8;
const UNTRACKED: u8 = 16;
const SNAT: u8 = 32;
const DNAT: u8 = 64;

const EXPECTED: u8 = 1;
const SEEN_REPLY: u8 = 2;
const ASSURED: u8 = 4;
const CONFIRMED: u8 = 8;

/// `--ctstate` or `--state` of these names.
pub(super) fn state<'a>(names: impl Iterator<Item = &'a str>) -> Test {
    let mut bits = 0;
    for name in names {
        bits |= match name {
            "NEW" => NEW,
            "ESTABLISHED" => ESTABLISHED,
            "RELATED" => RELATED,
            "INVALID" => INVALID,
            "UNTRACKED" => UNTRACKED,
            "SNAT" => SNAT,
            "DNAT" => DNAT,
            _ => return Test::Unknown(format!("conntrack --ctstate {name}")),
        };
    }
    Test::Conntrack(Conntrack::State(bits))
}

/// An option of `-m conntrack` that the rule's reader left alone.
pub(super) fn option(choice: &Choice<'_>, family: Family) -> Option<Test> {
    let value = choice.value();
    let nets = || Nets::read(value, family);
    let span = || service_span(value);
    let about = match choice.name {
        "--ctproto" => About::Protocol(protocol::number(value)?),
        "--ctorigsrc" => About::OriginalSource(nets()?),
        "--ctorigdst" => About::OriginalDestination(nets()?),
        "--ctreplsrc" => About::ReplySource(nets()?),
        "--ctrepldst" => About::ReplyDestination(nets()?),
        "--ctorigsrcport" => About::OriginalSourcePort(span()?),
        "--ctorigdstport" => About::OriginalDestinationPort(span()?),
        "--ctreplsrcport" => About::ReplySourcePort(span()?),
        "--ctrepldstport" => About::ReplyDestinationPort(span()?),
        "--ctstatus" => About::Status(statuses(value)?),
        "--ctexpire" => About::Expiry,
        "--ctdir" => return direction(value, choice.negated),
        "--ctstate" | "--state" => return Some(state(value.split(',')).turned(choice.negated)),
        _ => return None,
    };
    Some(entry(about, choice.negated))
}

pub(super) fn entry(about: About, negated: bool) -> Test {
    Test::Conntrack(Conntrack::Entry { negated, about })
}

fn direction(value: &str, negated: bool) -> Option<Test> {
    let reply = match value.to_ascii_uppercase().as_str() {
        "ORIGINAL" => false,
        "REPLY" => true,
        _ => return None,
    };
    Some(entry(About::FromItsBeginner, negated != reply))
}

fn statuses(text: &str) -> Option<u8> {
    text.split(',').try_fold(0, |sum, name| {
        let bit = match name.to_ascii_uppercase().as_str() {
            "NONE" => 0,
            "EXPECTED" => EXPECTED,
            "SEEN_REPLY" => SEEN_REPLY,
            "ASSURED" => ASSURED,
            "CONFIRMED" => CONFIRMED,
            _ => return None,
        };
        Some(sum | bit)
    })
}

impl Conntrack {
    /// `--ctorigdstport`.
    pub fn original_destination_port(span: PortSpan) -> Self {
        Self::Entry {
            negated: false,
            about: About::OriginalDestinationPort(span),
        }
    }

    pub fn holds(&self, facts: &Facts) -> Holds<'static> {
        match self {
            Self::State(bits) => state_of(facts, *bits),
            Self::Entry { .. } if !facts.is_tracked() => Holds::No,
            Self::Entry { negated, about } => about.holds(facts).turned(*negated),
        }
    }
}

fn state_of(facts: &Facts, bits: u8) -> Holds<'static> {
    if !facts.is_tracked() {
        let is = if facts.state == State::Untracked {
            UNTRACKED
        } else {
            INVALID
        };
        return Holds::when(bits & is != 0);
    }
    let mut is = match facts.state {
        State::New => NEW,
        State::Established => ESTABLISHED,
        State::Related => RELATED,
        State::Invalid => INVALID,
        State::Untracked => UNTRACKED,
    };
    is |= if facts.snat { SNAT } else { 0 };
    is |= if facts.dnat { DNAT } else { 0 };
    if bits & is == 0 && bits & (SNAT | DNAT) != 0 && facts.state == State::Established {
        return Holds::Maybe("conntrack: how the connection was rewritten is not told");
    }
    Holds::when(bits & is != 0)
}

impl About {
    fn holds(&self, facts: &Facts) -> Holds<'static> {
        match self {
            Self::Protocol(number) => Holds::told(facts.protocol.map(|one| one == *number), protocol::NOT_TOLD),
            Self::OriginalSource(nets) => address(facts.original_source, nets),
            Self::OriginalDestination(nets) => address(facts.original_destination, nets),
            Self::ReplySource(nets) => address(reply(facts, facts.destination), nets),
            Self::ReplyDestination(nets) => address(reply(facts, facts.source), nets),
            Self::OriginalSourcePort(span) => port(none(facts).or(facts.original_source_port), *span),
            Self::OriginalDestinationPort(span) => port(echo(facts, true).or(facts.original_destination_port), *span),
            Self::ReplySourcePort(span) => port(none(facts).or(reply(facts, facts.destination_port)), *span),
            Self::ReplyDestinationPort(span) => port(echo(facts, false).or(reply(facts, facts.source_port)), *span),
            Self::FromItsBeginner => match facts.state {
                State::New | State::Related => Holds::Yes,
                _ => Holds::Maybe("conntrack: which way the packet goes is not told"),
            },
            Self::Status(bits) => status(facts, *bits),
            Self::Expiry => Holds::Maybe("conntrack: when the connection expires is not told"),
            Self::Mark { value, mask } => Holds::told(
                facts.connmark.map(|mark| mark & mask == *value),
                "connmark: the connection's mark is not known",
            ),
        }
    }
}

/// What replies come from and go to is where the packet now goes and comes from; of a connection that stands that is not
/// told.
fn reply<T>(facts: &Facts, end: Option<T>) -> Option<T> {
    end.filter(|_| facts.state != State::Established)
}

/// Conntrack keeps type and code of an echo where other protocols have the port that they go to.
fn echo(facts: &Facts, request: bool) -> Option<u16> {
    match (facts.protocol, request) {
        (Some(protocol::ICMP), true) => Some(8 << 8),
        (Some(protocol::ICMP), false) => Some(0),
        (Some(protocol::ICMPV6), true) => Some(128 << 8),
        (Some(protocol::ICMPV6), false) => Some(129 << 8),
        _ => none(facts),
    }
}

/// Of protocols that have neither ports nor numbers of echoes, conntrack keeps 0.
fn none(facts: &Facts) -> Option<u16> {
    let number = facts.protocol?;
    let has_none = !protocol::has_ports(number) && !matches!(number, protocol::ICMP | protocol::ICMPV6);
    has_none.then_some(0)
}

fn address(address: Option<IpAddr>, nets: &Nets) -> Holds<'static> {
    Holds::told(
        address.map(|one| nets.contain(one)),
        "conntrack: an address is not told",
    )
}

fn port(port: Option<u16>, span: PortSpan) -> Holds<'static> {
    if span.first == 0 && span.last == u16::MAX {
        return Holds::Yes;
    }
    Holds::told(port.map(|one| span.contains(one)), "conntrack: a port is not told")
}

/// The first packet of a connection has none of these; the first of an announced one was expected.
fn status(facts: &Facts, bits: u8) -> Holds<'static> {
    let (has, may) = match facts.state {
        State::New => (0, 0),
        State::Related => (EXPECTED, 0),
        _ => (SEEN_REPLY | CONFIRMED, ASSURED | EXPECTED),
    };
    if bits & has != 0 {
        Holds::Yes
    } else if bits & may != 0 {
        Holds::Maybe("conntrack: the connection's status is not told")
    } else {
        Holds::No
    }
}
