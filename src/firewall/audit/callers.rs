//! Who may call: addresses and interfaces that rules tell apart, and those that they do not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::firewall::trace::Host;
use crate::firewall::{Family, Match, Rule, Ruleset, Side};

/// More networks than these are not tried each.
pub(super) const MOST_NETS: usize = 48;

/// More interfaces than these are not tried each.
const MOST_INTERFACES: usize = 12;

/// Packets that come in never meet these.
const OUTWARD: [&str; 3] = ["OUTPUT", "FORWARD", "POSTROUTING"];

/// The rules that a packet which comes in may meet, if it is of this protocol; of any, if that is empty.
fn met<'a>(ruleset: &'a Ruleset, protocol: &'a str) -> impl Iterator<Item = &'a Rule> {
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let chains = chains.filter(|chain| !OUTWARD.contains(&chain.name.as_str()));
    let other = move |one: &Match| matches!(one, Match::Protocol(name) if name != protocol && !protocol.is_empty());
    chains
        .flat_map(|chain| chain.rules.iter())
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

/// A port from which clients call, and that rules hardly name.
pub(super) const CLIENT: u16 = 50_123;

/// An address that no rule names as a source: anybody's.
pub(super) fn stranger(ruleset: &Ruleset, family: Family) -> Option<IpAddr> {
    unnamed(ruleset, family, Side::Source)
}

/// A host that has these rules, where nothing else is known of it: an address that no rule names on every interface that
/// rules name and on one more, and addresses that rules of INPUT name.
pub(super) fn imagined(ruleset: &Ruleset, family: Family, outside: Option<&str>) -> Host {
    let own = unnamed(ruleset, family, Side::Destination).map(IpNet::from);
    let others = destinations(ruleset, family).into_iter().map(IpNet::from);
    let mut names: Vec<String> = interfaces(ruleset, "").into_iter().map(|one| one.name).collect();
    names.extend(outside.map(str::to_owned).filter(|name| !names.contains(name)));
    let mut interfaces: Vec<(String, Vec<IpNet>)> = names
        .into_iter()
        .map(|name| (name, own.into_iter().collect()))
        .collect();
    interfaces.push(("own0".to_owned(), others.collect()));
    Host {
        interfaces,
        ..Host::default()
    }
}

/// Single addresses that rules of filter INPUT name as destinations: the host's own.
fn destinations(ruleset: &Ruleset, family: Family) -> Vec<IpAddr> {
    const FEW: usize = 4;
    let chains = inward(ruleset);
    let rules = chains.iter().flat_map(|chain| ruleset.rules("filter", chain));
    let named: BTreeSet<IpAddr> = rules
        .flat_map(|rule| &rule.matches)
        .filter_map(|one| match one {
            Match::Address(Side::Destination, net) if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
            _ => None,
        })
        .filter(|address| family.is_of(*address) && !address.is_loopback() && !address.is_multicast())
        .filter(|address| *address != IpAddr::V4(Ipv4Addr::BROADCAST) && !address.is_unspecified())
        .collect();
    named.into_iter().take(FEW).collect()
}

/// The chains of filter that INPUT leads to.
fn inward(ruleset: &Ruleset) -> Vec<&str> {
    let mut chains = vec!["INPUT"];
    let mut next = 0;
    while let Some(chain) = chains.get(next).copied() {
        next += 1;
        for target in ruleset.rules("filter", chain).iter().filter_map(Rule::leads_to) {
            if ruleset.chain("filter", target).is_some() && !chains.contains(&target) {
                chains.push(target);
            }
        }
    }
    chains
}

/// An address that no rule names at this end.
fn unnamed(ruleset: &Ruleset, family: Family, side: Side) -> Option<IpAddr> {
    const V4: [&str; 8] = [
        "203.0.113.",
        "198.51.100.",
        "192.0.2.",
        "93.184.216.",
        "1.1.1.",
        "151.101.1.",
        "77.77.77.",
        "8.8.4.",
    ];
    const V6: [&str; 4] = ["2001:db8:77::", "2606:4700::", "2a00:1450::", "2620:fe::"];
    let networks: &[&str] = match family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    };
    // A host does not take packets that come from itself.
    let last = if side == Side::Source { "77" } else { "10" };
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    let matches = chains
        .flat_map(|chain| chain.rules.iter())
        .flat_map(|rule| &rule.matches);
    let named: Vec<IpNet> = matches
        .filter_map(|one| match bare(one) {
            Match::Address(of, net) if *of == side && net.prefix_len() > 0 => Some(*net),
            _ => None,
        })
        .collect();
    let addresses = networks
        .iter()
        .filter_map(|network| format!("{network}{last}").parse().ok());
    let mut free = addresses.filter(|address: &IpAddr| !named.iter().any(|net| net.contains(address)));
    free.next()
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
