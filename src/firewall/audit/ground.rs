//! One family's rules, made ready to be asked about many packets.

use std::net::IpAddr;

use super::Subject;
use super::callers::{self, Interface};
use super::calm::calm;
use super::finding::Place;
use super::lines::Lines;
use super::ports;
use super::probe::{Caller, Prober};
use super::redirects::{self, Redirect};
use crate::firewall::trace::Host;
use crate::firewall::{Family, PortSpan, Ruleset};

/// One family's rules, made ready to be asked about many packets.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub family: Family,
    pub ruleset: &'a Ruleset,
    pub calm: Ruleset,
    pub host: Host,
    lines: Lines,
    named: Vec<PortSpan>,
    pub outside: Option<String>,
    pub operator: Option<IpAddr>,
    pub stranger: Option<IpAddr>,
    /// The host's own addresses, as far as they are known or named, the likeliest first.
    pub own: Vec<IpAddr>,
}

impl<'a> Ground<'a> {
    pub fn new(subject: &Subject<'a>, family: Family, ruleset: &'a Ruleset, text: Option<&str>) -> Self {
        let host = if subject.host.interfaces.is_empty() {
            callers::imagined(ruleset, family, subject.outside)
        } else {
            subject.host.clone()
        };
        Self {
            family,
            ruleset,
            calm: calm(ruleset),
            own: own_addresses(&host, family),
            host,
            lines: text.map(Lines::of).unwrap_or_default(),
            named: ports::named(ruleset),
            outside: subject
                .outside
                .map(str::to_owned)
                .or_else(|| subject.host.default_interface.clone()),
            operator: subject.operator.filter(|address| family.is_of(*address)),
            stranger: callers::stranger(ruleset, family),
        }
    }

    /// Somebody who calls an address of the host, from wherever.
    pub fn newcomer(&self) -> Caller {
        Caller {
            source: None,
            interface: self.outside.clone(),
            to: self.own.first().copied(),
            port: Some(callers::CLIENT),
        }
    }

    pub fn prober(&self) -> Prober<'_> {
        Prober::new(self.family, self.ruleset, &self.calm, &self.host)
    }

    /// The family's redirects.
    pub fn redirects(&self) -> Vec<Redirect<'a>> {
        let own = |address: IpAddr| {
            let interfaces = self.host.interfaces.iter();
            interfaces.flat_map(|(_, nets)| nets).any(|net| net.addr() == address)
        };
        redirects::redirects(self.ruleset, &own)
    }

    /// A rule, or a policy, where it stands.
    pub fn place(&self, table: &str, chain: &str, number: usize) -> Place {
        let found = self.ruleset.chain(table, chain);
        let rule = match number.checked_sub(1) {
            Some(index) => found
                .and_then(|chain| chain.rules.get(index))
                .map(|rule| rule.raw.clone()),
            None => found
                .and_then(|chain| chain.policy.as_ref())
                .map(|policy| format!("policy {policy}")),
        };
        Place {
            family: self.family,
            table: table.to_owned(),
            chain: chain.to_owned(),
            number,
            line: self.lines.line(table, chain, number),
            rule: rule.unwrap_or_default(),
        }
    }

    /// A port of each group that the rules do not tell apart, and the group.
    pub fn pieces(&self, redirect: &Redirect<'_>) -> Vec<(u16, Option<PortSpan>)> {
        match redirect.ports() {
            None => vec![(redirects::unnamed_port(self.ruleset), None)],
            Some(spans) => {
                let pieces = spans.iter().flat_map(|span| ports::pieces(*span, &self.named).0);
                pieces.map(|piece| (piece.first, Some(piece))).collect()
            }
        }
    }

    /// The interfaces by which packets of a redirect may come in, where one must be said.
    pub fn interfaces(&self, redirect: &Redirect<'_>) -> Vec<Interface> {
        let all = callers::interfaces(self.ruleset, redirect.protocol());
        let taken = |one: &Interface| {
            redirect
                .interface()
                .is_none_or(|pattern| callers::covers(pattern, &one.name))
        };
        let taken: Vec<Interface> = all.into_iter().filter(taken).collect();
        match (taken.is_empty(), redirect.interface()) {
            (true, Some(pattern)) => vec![Interface {
                name: callers::instance(pattern),
                named: true,
            }],
            _ => taken,
        }
    }
}

/// Those of the host, its way out's first.
fn own_addresses(host: &Host, family: Family) -> Vec<IpAddr> {
    let outside = host.default_interface.as_ref();
    let (first, others): (Vec<_>, Vec<_>) = host
        .interfaces
        .iter()
        .filter(|(name, _)| name != "lo")
        .partition(|(name, _)| Some(name) == outside);
    let nets = first.into_iter().chain(others).flat_map(|(_, nets)| nets);
    let usable = |address: &IpAddr| match address {
        IpAddr::V4(_) => true,
        // Addresses of the link are nobody's from outside.
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let known: Vec<IpAddr> = nets
        .map(ipnet::IpNet::addr)
        .filter(|address| family.is_of(*address) && usable(address))
        .collect();
    let mut own: Vec<IpAddr> = Vec::new();
    for address in known {
        if own.len() < MOST_OWN && !own.contains(&address) {
            own.push(address);
        }
    }
    own
}

/// More addresses of a host are not tried each.
const MOST_OWN: usize = 4;
