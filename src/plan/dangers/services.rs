//! Services and mappings: who listens where mappings lead, who had their ports before, and what stays open.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::look::{Fate, Knock, Look, When};
use super::mappings::ends;
use super::{Danger, Kind};
use crate::firewall::{self, Family};
use crate::mapping::{Direct, Mapping, PortRange, Protocol};
use crate::plan::Listener;

impl<'a> Look<'a> {
    /// Whether sshd, or whoever listens at a TCP port, hears what is sent to an address. Nobody knows: yes.
    pub fn hears(&self, address: IpAddr, port: u16) -> bool {
        let at = |one: &&Listener| one.protocol == Protocol::Tcp && one.port == port;
        let mut listeners = self.observed.listeners.iter().filter(at).peekable();
        listeners.peek().is_none() || listeners.any(|one| one.hears(address))
    }

    /// Whether something listens at a TCP port. Nobody knows: yes.
    pub fn listens(&self, port: u16, address: Option<IpAddr>) -> bool {
        let listeners = &self.observed.listeners;
        let at = |one: &Listener| {
            one.protocol == Protocol::Tcp && one.port == port && address.is_none_or(|address| one.hears(address))
        };
        listeners.is_empty() || listeners.iter().any(at)
    }

    /// The addresses at which a TCP port is listened on.
    pub fn bound(&self, port: u16) -> String {
        let at = |one: &&Listener| one.protocol == Protocol::Tcp && one.port == port;
        addresses(self.observed.listeners.iter().filter(at))
    }

    /// A service that redirected packets do not come to, as it listens at another address.
    pub fn elsewhere(
        &self,
        family: Family,
        mapping: &Mapping,
        to: u16,
        address: Option<IpAddr>,
        is_ours: bool,
    ) -> Option<Danger> {
        let address = address?;
        let listening: Vec<_> = self.reachable(family, mapping.protocol, to).collect();
        if listening.is_empty() || listening.iter().any(|one| one.hears(address)) {
            return None;
        }
        let interface = self.interface_of(address);
        let beside = listening.iter().all(|one| self.interface_of(one.address) == interface);
        Some(Danger {
            kind: Kind::Elsewhere,
            family: Some(family),
            sentence: format!(
                "{} → {to} leads to {address}, but the service listens at {} only",
                mapping.port,
                addresses(listening)
            ),
            rule: None,
            refuses: is_ours && interface.is_some() && beside,
            hint: format!(
                "REDIRECT leads to the first address of the interface: let the service listen at {address}, or at all addresses"
            ),
        })
    }

    fn interface_of(&self, address: IpAddr) -> Option<&'a str> {
        let has = |nets: &[ipnet::IpNet]| nets.iter().any(|net| net.addr() == address.to_canonical());
        let interfaces = &self.observed.host.interfaces;
        interfaces
            .iter()
            .find(|(_, nets)| has(nets))
            .map(|(name, _)| name.as_str())
    }

    fn reachable(&self, family: Family, protocol: Protocol, port: u16) -> impl Iterator<Item = &'a Listener> {
        let listeners = self.observed.listeners.iter();
        listeners.filter(move |one| one.protocol == protocol && one.port == port && one.is_reachable(family))
    }

    /// Targets at which nothing listens: a service may come later.
    pub fn without_listener(&self) -> Vec<Danger> {
        if self.observed.listeners.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for (protocol, to) in self.targets(|_| true) {
            let at = |one: &&Listener| one.protocol == protocol && one.port == to;
            let all: Vec<_> = self.observed.listeners.iter().filter(at).collect();
            let reachable = |one: &&Listener| one.is_reachable(Family::V4) || one.is_reachable(Family::V6);
            if all.iter().any(reachable) {
                continue;
            }
            let sentence = if all.is_empty() {
                format!("nothing listens on {protocol} port {to} of the host yet")
            } else {
                format!(
                    "{protocol} port {to} is listened on at {} only: what is redirected does not come there",
                    addresses(all)
                )
            };
            found.push(Danger {
                kind: Kind::NoListener,
                family: None,
                sentence,
                rule: None,
                refuses: false,
                hint: "start the service, at all addresses of the host".to_owned(),
            });
        }
        found
    }

    fn targets(&self, concerns: impl Fn(&Mapping) -> bool) -> BTreeSet<(Protocol, u16)> {
        let mappings = self.set.mappings().iter().filter(|mapping| concerns(mapping));
        let targets = mappings.flat_map(|mapping| ends(mapping).into_iter().map(|(_, to)| (mapping.protocol, to)));
        targets.collect()
    }

    /// Ports of mappings that somebody else has now.
    pub fn shadowed(&self) -> Vec<Danger> {
        let everybodys = |mapping: &&Mapping| mapping.source.is_empty() && mapping.interface.is_none();
        let mappings = self.set.mappings().iter().filter(everybodys);
        let each = mappings.flat_map(|mapping| ends(mapping).into_iter().map(move |redirect| (mapping, redirect)));
        let families = || {
            self.families
                .iter()
                .map(|rules| rules.managed)
                .filter(|managed| managed.view.nat)
        };
        each.flat_map(|(mapping, (ports, to))| {
            families().filter_map(move |managed| {
                // It is in force already, perhaps behind somebody else's rule.
                let is_new = !firewall::redirects(&managed.view.ruleset, ports.first());
                is_new.then(|| self.shadowed_by(managed.view.family, mapping, ports, to))?
            })
        })
        .collect()
    }

    fn shadowed_by(&self, family: Family, mapping: &Mapping, ports: PortRange, to: u16) -> Option<Danger> {
        let protocol = mapping.protocol;
        let live = self
            .observed
            .listeners
            .iter()
            .find(|one| one.protocol == protocol && ports.contains(one.port) && one.is_reachable(family));
        let port = live.map_or(ports.first(), |one| one.port);
        let bound = live.map(|one| one.address).filter(|address| !address.is_unspecified());
        let knock = Knock {
            source: self.here(family),
            destination: bound,
            ..Knock::at(protocol, port)
        };
        let outcome = self.outcome(family, When::Before, knock);
        let danger = |sentence, rule, refuses| {
            Some(Danger {
                kind: Kind::Shadowed,
                family: Some(family),
                sentence,
                rule,
                refuses,
                hint: format!("map another port to {to}, or move what has {port} first"),
            })
        };
        match outcome.fate {
            Fate::Delivered { port: now, .. } if now == port => {
                let live = live?;
                danger(
                    format!(
                        "{port} → {to} would take {protocol} port {port} from the service that listens on it ({}): nobody outside would reach it any more",
                        live.address
                    ),
                    None,
                    true,
                )
            }
            Fate::SentOn => danger(
                format!("{port} → {to} would take {protocol} port {port} from what it is sent on to now"),
                outcome.rule,
                true,
            ),
            Fate::Delivered { port: now, .. } if now != to => danger(
                format!("{port} → {to} would take {protocol} port {port} from port {now}, where it leads now"),
                outcome.rule,
                false,
            ),
            _ => None,
        }
    }

    /// Targets that nothing closes over IPv6, for want of ip6tables.
    pub fn open_over_ipv6(&self) -> Vec<Danger> {
        let is_v6 = |address: &&IpAddr| address.is_ipv6();
        let managed = self
            .observed
            .families
            .iter()
            .any(|managed| managed.view.family == Family::V6);
        let Some(address) = self.observed.addresses.iter().find(is_v6).filter(|_| !managed) else {
            return Vec::new();
        };
        let closed = self.targets(|mapping| mapping.direct != Direct::Allow);
        let open = |(protocol, to): &(Protocol, u16)| {
            self.reachable(Family::V6, *protocol, *to)
                .any(|one| one.hears(*address))
        };
        let danger = |(protocol, to)| Danger {
            kind: Kind::Ipv6Open,
            family: Some(Family::V6),
            sentence: format!(
                "{protocol} port {to} would stay open over IPv6: it is listened on at {address}, and there is no ip6tables on this host to close it"
            ),
            rule: None,
            refuses: true,
            hint: "install ip6tables on the host, let the service listen on IPv4 alone, or say `direct: allow`"
                .to_owned(),
        };
        closed.into_iter().filter(open).map(danger).collect()
    }
}

fn addresses<'l>(listeners: impl IntoIterator<Item = &'l Listener>) -> String {
    let all: Vec<_> = listeners.into_iter().map(|one| one.address.to_string()).collect();
    all.join(", ")
}
