//! Whether mappings work after a change, and direct access is closed.

use std::net::IpAddr;

use ipnet::IpNet;

use super::look::{Fate, Knock, Look, Outcome, When};
use super::{Danger, Kind, Way};
use crate::firewall::Family;
use crate::mapping::{Direct, Mapping, PortRange, Protocol};

/// A port that rules are hardly about (discard, RFC 863).
const ANY_PORT: u16 = 9;

impl Look<'_> {
    /// What mappings and guards come to by other rules.
    pub fn of_mappings(&self, way: Way) -> Vec<Danger> {
        let mut found = Vec::new();
        // Nobody comes to a host by a family in which it has no address.
        let reached = self
            .families
            .iter()
            .filter(|rules| self.there(rules.managed.view.family).is_some());
        for rules in reached {
            let managed = rules.managed;
            let family = managed.view.family;
            for mapping in self.set.mappings() {
                for (ports, to) in ends(mapping) {
                    let is_way_in = self.family_of_login() == Some(family) && ports.contains(way.after);
                    if managed.view.nat && !(is_way_in && mapping.protocol == Protocol::Tcp) {
                        found.extend(self.of_mapping(family, mapping, ports.first(), to));
                    }
                    found.extend(self.of_guard(family, mapping, to));
                }
            }
        }
        found
    }

    fn of_mapping(&self, family: Family, mapping: &Mapping, port: u16, to: u16) -> Option<Danger> {
        let (source, is_ours) = self.client(family, mapping)?;
        let knock = Knock {
            source,
            interface: mapping.interface.as_deref(),
            ..Knock::at(mapping.protocol, port)
        };
        let outcome = self.outcome(family, When::After, knock);
        let (does, hint) = match &outcome.fate {
            Fate::Delivered { port, address } if *port == to => {
                return self.elsewhere(family, mapping, to, *address, is_ours);
            }
            Fate::Unknown(_) => return None,
            Fate::Delivered { .. } => (
                "is not redirected",
                "take that rule away, or let it leave out this port",
            ),
            Fate::SentOn => ("is sent on to another host", "map a port that nothing else takes"),
            Fate::Taken => (
                "is taken away",
                "let it through above that rule, or map a port that it lets through",
            ),
        };
        let refuses = is_ours && self.counts(family) && !self.is_closed_anyway(family, mapping, to, &outcome);
        Some(Danger {
            kind: Kind::Voided,
            family: Some(family),
            sentence: format!(
                "{port} → {to} would not work: what comes to {} port {port} {does}",
                mapping.protocol
            ),
            rule: outcome.rule,
            refuses,
            hint: hint.to_owned(),
        })
    }

    /// Who a mapping is for, and whether the operator is among them. `None`: nobody in this family.
    fn client(&self, family: Family, mapping: &Mapping) -> Option<(Option<IpAddr>, bool)> {
        let here = self.here(family);
        let by_here = match &mapping.interface {
            None => true,
            interface => *interface == self.observed.host.default_interface,
        };
        if mapping.source.is_empty() {
            return Some((here.filter(|_| by_here), by_here));
        }
        let nets = || mapping.source.iter().filter(|net| family.holds(net));
        match here.filter(|here| by_here && nets().any(|net| net.contains(here))) {
            Some(here) => Some((Some(here), true)),
            None => Some((Some(self.somebody_in(nets().next()?)?), false)),
        }
    }

    /// An address of a network that is none of the host's own.
    fn somebody_in(&self, net: &IpNet) -> Option<IpAddr> {
        let interfaces = &self.observed.host.interfaces;
        let is_own = |host: &IpAddr| {
            interfaces
                .iter()
                .any(|(_, nets)| nets.iter().any(|net| net.addr() == *host))
        };
        net.hosts().take(256).find(|host| !is_own(host))
    }

    /// Whether a host is reached in this family, as far as is known.
    fn counts(&self, family: Family) -> bool {
        self.family_of_login() == Some(family) || self.observed.addresses.iter().any(|one| family.is_of(*one))
    }

    /// Whether the same takes away now what comes to the target itself, and to any port: no rule about this mapping.
    fn is_closed_anyway(&self, family: Family, mapping: &Mapping, to: u16, after: &Outcome) -> bool {
        if self.family_of_login() == Some(family) || after.fate != Fate::Taken {
            return false;
        }
        [to, ANY_PORT].into_iter().all(|port| {
            let now = self.outcome(family, When::Before, Knock::at(mapping.protocol, port));
            now.fate == Fate::Taken && now.rule == after.rule
        })
    }

    fn of_guard(&self, family: Family, mapping: &Mapping, to: u16) -> Option<Danger> {
        if mapping.direct == Direct::Allow {
            return None;
        }
        let here = self.here(family);
        let may = |here: &IpAddr| mapping.direct_source.iter().any(|net| net.contains(here));
        let knock = Knock {
            source: here.filter(|here| !may(here)),
            ..Knock::at(mapping.protocol, to)
        };
        let outcome = self.outcome(family, When::After, knock);
        let open = matches!(outcome.fate, Fate::Delivered { port, .. } if port == to);
        open.then(|| Danger {
            kind: Kind::GuardVoided,
            family: Some(family),
            sentence: format!("{} port {to} itself would stay open to everybody", mapping.protocol),
            rule: outcome.rule.or(outcome.let_in),
            refuses: true,
            hint: "take that rule away, or let it leave out this port; `direct: allow` says that it may stay open"
                .to_owned(),
        })
    }
}

/// The redirects of a mapping; of a long range the first and the last.
pub(super) fn ends(mapping: &Mapping) -> Vec<(PortRange, u16)> {
    let mut redirects = mapping.redirects();
    if redirects.len() > 2 {
        redirects.drain(1..redirects.len() - 1);
    }
    redirects
}
