//! Types of ICMP and `ICMPv6`, by name and by number. Packets in question are echo requests.

use super::Test;
use super::words::Choice;
use crate::firewall::Family;

/// `--icmp-type` or `--icmpv6-type`; the rule names the protocol besides.
pub(super) fn option(choice: &Choice<'_>, family: Family) -> Option<Test> {
    if !matches!(choice.name, "--icmp-type" | "--icmpv6-type") {
        return None;
    }
    covers_echo(choice.value(), family).map(|yes| Test::Fixed(yes).turned(choice.negated))
}

/// `any`, `TYPE`, `TYPE/CODE` or a name or its beginning, in any case.
fn covers_echo(text: &str, family: Family) -> Option<bool> {
    let echo = if family == Family::V4 { 8 } else { 128 };
    let every = |kind: u8| family == Family::V4 && kind == u8::MAX;
    let (kind, codes) = text.split_once('/').unwrap_or((text, ""));
    let Ok(kind) = kind.parse::<u8>() else {
        return named(text, family);
    };
    let (first, last) = codes.split_once('-').unwrap_or((codes, codes));
    let zero = codes.is_empty() || (first.parse() == Ok(0_u8) && last.parse::<u8>().is_ok());
    Some(every(kind) || (kind == echo && zero))
}

fn named(text: &str, family: Family) -> Option<bool> {
    let begins = |name: &&str| {
        name.get(..text.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(text))
    };
    let names = if family == Family::V4 {
        NAMES.as_slice()
    } else {
        NAMES6.as_slice()
    };
    let mut found = names.iter().copied().filter(begins);
    let name = found.next().filter(|_| !text.is_empty() && found.next().is_none())?;
    Some(matches!(name, "any" | "echo-request" | "ping"))
}

const NAMES: [&str; 42] = [
    "any",
    "echo-reply",
    "pong",
    "destination-unreachable",
    "network-unreachable",
    "host-unreachable",
    "protocol-unreachable",
    "port-unreachable",
    "fragmentation-needed",
    "source-route-failed",
    "network-unknown",
    "host-unknown",
    "network-prohibited",
    "host-prohibited",
    "TOS-network-unreachable",
    "TOS-host-unreachable",
    "communication-prohibited",
    "host-precedence-violation",
    "precedence-cutoff",
    "source-quench",
    "redirect",
    "network-redirect",
    "host-redirect",
    "TOS-network-redirect",
    "TOS-host-redirect",
    "echo-request",
    "ping",
    "router-advertisement",
    "router-solicitation",
    "time-exceeded",
    "ttl-exceeded",
    "ttl-zero-during-transit",
    "ttl-zero-during-reassembly",
    "parameter-problem",
    "ip-header-bad",
    "required-option-missing",
    "timestamp-request",
    "timestamp-reply",
    "address-mask-request",
    "address-mask-reply",
    "information-request",
    "information-reply",
];

const NAMES6: [&str; 33] = [
    "destination-unreachable",
    "no-route",
    "communication-prohibited",
    "beyond-scope",
    "address-unreachable",
    "port-unreachable",
    "failed-policy",
    "reject-route",
    "packet-too-big",
    "time-exceeded",
    "ttl-exceeded",
    "ttl-zero-during-transit",
    "ttl-zero-during-reassembly",
    "parameter-problem",
    "bad-header",
    "unknown-header-type",
    "unknown-option",
    "echo-request",
    "ping",
    "echo-reply",
    "pong",
    "mld-listener-query",
    "mld-listener-report",
    "mld-listener-done",
    "mld-listener-reduction",
    "router-solicitation",
    "router-advertisement",
    "neighbour-solicitation",
    "neighbor-solicitation",
    "neighbour-advertisement",
    "neighbor-advertisement",
    "redirect",
    "any",
];
