//! Jails of fail2ban: they look at packets after nat, where a mapped port is its target's.

use super::look::Look;
use super::{Danger, Kind};
use crate::firewall::{Family, Match, PortSpan, Rule, Side};
use crate::mapping::{Mapping, Protocol};

impl Look<'_> {
    /// Jails that ban a mapped port, which no packet has in INPUT.
    pub fn wrong_jails(&self) -> Vec<Danger> {
        let mut found = Vec::new();
        for family in self.families {
            let managed = family.managed;
            let rules = managed.view.ruleset.rules("filter", "INPUT").iter();
            for rule in rules.filter(|rule| rule.leads_to().is_some_and(is_jail)) {
                let wrong = self.set.mappings().iter().filter_map(|mapping| misses(rule, mapping));
                found.extend(wrong.map(|(port, to)| danger(managed.view.family, rule, port, to)));
            }
        }
        found
    }
}

fn danger(family: Family, rule: &Rule, port: u16, to: u16) -> Danger {
    let jail = rule.leads_to().unwrap_or_default();
    let name = jail.split_once('-').map_or(jail, |(_, name)| name);
    Danger {
        kind: Kind::WrongJail,
        family: Some(family),
        sentence: format!(
            "fail2ban's jail {name} bans port {port}, but what comes to {port} has port {to} where it looks: its bans would let everybody through"
        ),
        rule: Some(rule.raw.clone()),
        refuses: false,
        hint: format!("in jail.local, for [{name}]: port = {to}"),
    }
}

fn is_jail(chain: &str) -> bool {
    chain.starts_with("f2b-") || chain.starts_with("fail2ban-")
}

/// A port of a mapping that a rule is about, where it is not about the target as well.
fn misses(rule: &Rule, mapping: &Mapping) -> Option<(u16, u16)> {
    let protocol = match mapping.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let same = |one: &Match| matches!(one, Match::Protocol(name) if name == protocol);
    let spans = rule
        .matches
        .iter()
        .find_map(ports)
        .filter(|_| rule.matches.iter().any(same))?;
    let about = |port: u16| spans.iter().any(|span| span.contains(port));
    let missed = |(ports, to): &(crate::mapping::PortRange, u16)| about(ports.first()) && !about(*to);
    let (ports, to) = mapping.redirects().into_iter().find(missed)?;
    Some((ports.first(), to))
}

fn ports(one: &Match) -> Option<&[PortSpan]> {
    match one {
        Match::Ports(Side::Destination, spans) => Some(spans),
        Match::Port(Side::Destination, span) => Some(std::slice::from_ref(span)),
        _ => None,
    }
}
