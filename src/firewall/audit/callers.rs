//! Who may call: addresses and interfaces that rules tell apart, and those that they do not.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::firewall::{Family, Match, Rule, Ruleset, Side};

/// More networks than these are not tried each.
pub(super) const MOST_NETS: usize = 48;

/// More interfaces than these are not tried each.
const MOST_INTERFACES: usize = 12;

/// Packets that come in never meet these.
const OUTWARD: [&str; 3] = ["OUTPUT", "FORWARD", "POSTROUTING"];

/// The rules that a packet which comes in may meet, if it is of this protocol.
fn met<'a>(ruleset: &'a Ruleset, protocol: &'a str) -> impl Iterator<Item = &'a Rule> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let chains = chains.filter(|chain| !OUTWARD.contains(&chain.name.as_str()));
    let other = move |one: &Match| matches!(one, Match::Protocol(name) if name != protocol);
    chains
        .flat_map(|chain| &chain.rules)
        .filter(move |rule| !rule.matches.iter().any(other))
}

fn bare(one: &Match) -> &Match {
    match one {
        Match::Not(inner) => bare(inner),
        one => one,
    }
}

/// The networks of sources that rules about a protocol name, each once; `false`: there are more.
pub(super) fn nets(ruleset: &Ruleset, family: Family, protocol: &str) -> (Vec<IpNet>, bool) {
    let matches = met(ruleset, protocol).flat_map(|rule| &rule.matches);
    let named: BTreeSet<IpNet> = matches
        .filter_map(|one| match bare(one) {
            Match::Address(Side::Source, net) if family.holds(net) => Some(*net),
            _ => None,
        })
        .filter(|net| !is_inward(net))
        .collect();
    let all = named.len() <= MOST_NETS;
    (named.into_iter().take(MOST_NETS).collect(), all)
}

/// Nobody comes from there.
fn is_inward(net: &IpNet) -> bool {
    net.addr().is_loopback() || net.addr().is_multicast() || net.prefix_len() == 0
}

/// An address of a network, of none of the narrower ones if there is such a one.
pub(super) fn member(net: IpNet, nets: &[IpNet]) -> IpAddr {
    let narrower = |address: &IpAddr| {
        nets.iter()
            .any(|other| other.prefix_len() > net.prefix_len() && other.contains(address))
    };
    let hosts = net.hosts().take(256);
    hosts
        .into_iter()
        .find(|address| !narrower(address))
        .unwrap_or_else(|| net.addr())
}

/// An address that no rule names: anybody's.
pub(super) fn stranger(ruleset: &Ruleset, family: Family) -> Option<IpAddr> {
    const V4: [&str; 8] = [
        "203.0.113.77",
        "198.51.100.77",
        "192.0.2.77",
        "93.184.216.77",
        "1.1.1.77",
        "151.101.1.77",
        "77.77.77.77",
        "8.8.4.77",
    ];
    const V6: [&str; 4] = ["2001:db8:77::77", "2606:4700::77", "2a00:1450::77", "2620:fe::77"];
    let candidates: &[&str] = match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    };
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let matches = chains.flat_map(|chain| &chain.rules).flat_map(|rule| &rule.matches);
    let named: Vec<IpNet> = matches
        .filter_map(|one| match bare(one) {
            Match::Address(Side::Source, net) if net.prefix_len() > 0 => Some(*net),
            _ => None,
        })
        .collect();
    let addresses = candidates.iter().filter_map(|text| text.parse().ok());
    addresses
        .into_iter()
        .find(|address: &IpAddr| !named.iter().any(|net| net.contains(address)))
}

/// The interfaces by which packets may come in: those that rules name, and one that stands for all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub name: String,
    /// Whether a rule names it.
    pub named: bool,
}

/// As many of them as are tried, `lo` never.
pub(super) fn interfaces(ruleset: &Ruleset, protocol: &str) -> Vec<Interface> {
    let matches = met(ruleset, protocol).flat_map(|rule| &rule.matches);
    let patterns: BTreeSet<&str> = matches
        .filter_map(|one| match bare(one) {
            Match::InInterface(name) if name != "lo" => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let named = patterns.iter().take(MOST_INTERFACES).map(|pattern| Interface {
        name: instance(pattern),
        named: true,
    });
    let mut all: Vec<Interface> = Vec::new();
    for one in named {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    let other = ["outside0", "wan9", "ppp77", "x0"]
        .into_iter()
        .find(|name| !patterns.iter().any(|pattern| covers(pattern, name)));
    all.extend(other.map(|name| Interface {
        name: name.to_owned(),
        named: false,
    }));
    all
}

/// An interface that a pattern (`eth+`) means.
pub(super) fn instance(pattern: &str) -> String {
    pattern
        .strip_suffix('+')
        .map_or_else(|| pattern.to_owned(), |start| format!("{start}0"))
}

/// Whether a pattern means an interface.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('+')
        .map_or(pattern == name, |start| name.starts_with(start))
}
