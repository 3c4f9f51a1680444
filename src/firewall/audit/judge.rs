//! Judges a redirect by packets: to the mapped port and to the port behind it, from whoever the rules tell apart.

use std::net::IpAddr;

use ipnet::IpNet;

use super::callers::{self, Interface};
use super::finding::{Judged, Verdict, Way};
use super::ground::Ground;
use super::probe::{Caller, Probe, Prober};
use super::redirects::Redirect;
use crate::firewall::PortSpan;

impl<'a> Ground<'a> {
    /// What a redirect comes to: once, or once for each group of ports and interfaces that the rules tell apart.
    pub fn judge(&self, prober: &Prober<'_>, redirect: &Redirect<'a>) -> Vec<Case<'a>> {
        let mut cases: Vec<Case<'a>> = Vec::new();
        for (port, piece) in self.pieces(redirect) {
            let question = Question {
                ground: self,
                prober,
                redirect,
                port,
            };
            for case in question.cases(piece) {
                match cases.iter_mut().rev().find(|known| known.continues_in(&case)) {
                    Some(known) => known.reach(piece),
                    None => cases.push(case),
                }
            }
        }
        cases
    }
}

/// What a redirect comes to, with the packets that show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case<'a> {
    pub judged: Judged,
    pub redirect: Redirect<'a>,
    /// The port that was tried.
    pub port: u16,
    /// Who was tried with, to the mapped port and directly.
    pub callers: (Caller, Caller),
    pub mapped: Probe,
    pub direct: Probe,
}

impl Case<'_> {
    /// Whether another case says the same of the ports that follow.
    fn continues_in(&self, next: &Self) -> bool {
        let adjoins = match (self.judged.port, next.judged.port) {
            (Some(one), Some(next)) => one.last.checked_add(1) == Some(next.first),
            _ => false,
        };
        let alike = Judged {
            port: next.judged.port,
            ..self.judged.clone()
        };
        adjoins && alike == next.judged && self.mapped.met == next.mapped.met && self.direct.met == next.direct.met
    }

    fn reach(&mut self, piece: Option<PortSpan>) {
        if let (Some(span), Some(piece)) = (&mut self.judged.port, piece) {
            span.last = piece.last;
        }
    }
}

/// Interfaces by which packets fare alike: the packets, who else gets to the mapped port, and to the one behind it.
type Group = (Vec<Interface>, Pair, Vec<IpNet>, Vec<IpNet>);

/// What is asked about one port of a redirect.
struct Question<'q, 'a> {
    ground: &'q Ground<'a>,
    prober: &'q Prober<'q>,
    redirect: &'q Redirect<'a>,
    port: u16,
}

/// Both packets of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    callers: (Caller, Caller),
    mapped: Probe,
    direct: Probe,
    /// Where the mapped port leads, or would.
    to: u16,
    /// Whether the redirect took the first; `None`: perhaps.
    taken: Option<bool>,
    /// Whether another rule of nat took it for certain.
    lost: bool,
}

impl Pair {
    fn mapped_way(&self) -> Way {
        match self.mapped.way {
            Way::Unknown if self.lost => Way::Closed,
            Way::Open if self.taken == Some(false) => Way::Closed,
            Way::Open if self.taken.is_none() => Way::Unknown,
            way => way,
        }
    }

    fn is_settled(&self) -> bool {
        self.mapped_way() != Way::Unknown && self.direct.way != Way::Unknown && self.taken.is_some()
    }

    fn reason(&self) -> Option<String> {
        let mapped = (self.mapped_way() == Way::Unknown).then_some(&self.mapped);
        let direct = (self.direct.way == Way::Unknown).then_some(&self.direct);
        let why = mapped.or(direct)?.reason.clone();
        Some(why.unwrap_or_else(|| "the rules leave it open".to_owned()))
    }
}

impl<'a> Question<'_, 'a> {
    fn cases(&self, piece: Option<PortSpan>) -> Vec<Case<'a>> {
        let anybody = Caller {
            interface: self.ground.outside.clone(),
            to: self.redirect.destination(),
            ..Caller::default()
        };
        let first = self.pair(&anybody);
        if first.is_settled() || self.redirect.hook == "OUTPUT" {
            return vec![self.case(piece, vec![], first, vec![], vec![])];
        }
        let destinations = match anybody.to {
            None if !self.ground.own.is_empty() => self.ground.own.iter().copied().map(Some).collect(),
            to => vec![to],
        };
        // Of several addresses, the one at which most is open.
        let cases = destinations.into_iter().map(|to| self.cases_at(piece, to));
        let open = |cases: &Vec<Case<'a>>| {
            let ways = cases.iter().flat_map(|case| [case.judged.mapped, case.judged.direct]);
            ways.filter(|way| matches!(way, Way::Open | Way::Some)).count()
        };
        let mut best: Option<Vec<Case<'a>>> = None;
        for cases in cases {
            if best.as_ref().is_none_or(|best| open(best) < open(&cases)) {
                best = Some(cases);
            }
        }
        best.unwrap_or_default()
    }

    /// The cases of those who call one address of the host.
    fn cases_at(&self, piece: Option<PortSpan>, to: Option<IpAddr>) -> Vec<Case<'a>> {
        let anybody = |interface: Option<String>| Caller {
            source: None,
            interface,
            to,
            port: Some(callers::CLIENT),
        };
        let outside = self.ground.outside.clone();
        let first = self.pair(&anybody(outside.clone()));
        if first.is_settled() {
            return vec![self.case(piece, vec![], first, vec![], vec![])];
        }
        let interfaces = match outside {
            Some(name) => vec![Interface { name, named: false }],
            None => self.ground.interfaces(self.redirect),
        };
        let mut groups: Vec<Group> = Vec::new();
        for interface in interfaces {
            let pair = self.pair(&anybody(Some(interface.name.clone())));
            let (pair, mapped_from, direct_from) = if pair.is_settled() {
                (pair, vec![], vec![])
            } else {
                self.by_source(&anybody(Some(interface.name.clone())), pair)
            };
            let same = |other: &Pair| {
                let seen = |pair: &Pair| (pair.mapped_way(), pair.direct.way, pair.taken);
                seen(other) == seen(&pair)
            };
            match groups
                .iter_mut()
                .find(|(_, other, mapped, direct)| same(other) && *mapped == mapped_from && *direct == direct_from)
            {
                Some((together, ..)) => together.push(interface),
                None => groups.push((vec![interface], pair, mapped_from, direct_from)),
            }
        }
        let alone = groups.len() == 1;
        let case = |(together, pair, mapped_from, direct_from): (Vec<Interface>, Pair, _, _)| {
            let by = if alone {
                vec![]
            } else {
                together.iter().map(written).collect()
            };
            self.case(piece, by, pair, mapped_from, direct_from)
        };
        groups.into_iter().map(case).collect()
    }

    /// A stranger's packets, and the networks whose packets fare better.
    fn by_source(&self, somebody: &Caller, anybody: Pair) -> (Pair, Vec<IpNet>, Vec<IpNet>) {
        let ground = self.ground;
        let caller = |source: Option<IpAddr>| Caller {
            source,
            ..somebody.clone()
        };
        let base = ground
            .stranger
            .map_or(anybody, |stranger| self.pair(&caller(Some(stranger))));
        let (nets, _) = callers::nets(ground.ruleset, ground.family, self.redirect.protocol());
        let (mut mapped_from, mut direct_from) = (Vec::new(), Vec::new());
        for net in &nets {
            let pair = self.pair(&caller(Some(callers::member(*net, &nets))));
            if pair.mapped_way() == Way::Open && base.mapped_way() != Way::Open {
                mapped_from.push(*net);
            }
            if pair.direct.way == Way::Open && base.direct.way != Way::Open {
                direct_from.push(*net);
            }
        }
        (base, mapped_from, direct_from)
    }

    fn pair(&self, caller: &Caller) -> Pair {
        let protocol = self.redirect.protocol();
        let mapped = self.prober.send(protocol, self.port, caller);
        let taken = mapped.was_taken_by(self.redirect);
        let lost = self.ground.taker(&mapped).is_some_and(|met| met.certain);
        let target = mapped
            .port
            .filter(|_| taken == Some(true))
            .unwrap_or_else(|| self.target());
        let straight = self.straight(caller);
        let direct = self.prober.send(protocol, target, &straight);
        Pair {
            callers: (caller.clone(), straight),
            mapped,
            direct,
            to: target,
            lost: taken == Some(false) && lost,
            taken,
        }
    }

    /// Who calls the port behind the mapping: at the host itself, whatever address the redirect is about.
    fn straight(&self, caller: &Caller) -> Caller {
        let own = &self.ground.own;
        let to = caller.to.filter(|address| own.contains(address));
        Caller {
            to: to.or_else(|| caller.to.and_then(|_| own.first().copied())),
            ..caller.clone()
        }
    }

    /// A port that lies in the range already is kept (`--to-ports` of iptables-extensions(8)).
    fn target(&self) -> u16 {
        match self.redirect.to {
            None => self.port,
            Some(span) if span.contains(self.port) => self.port,
            Some(span) => span.first,
        }
    }

    fn case(
        &self,
        piece: Option<PortSpan>,
        by: Vec<String>,
        pair: Pair,
        mapped_from: Vec<IpNet>,
        direct_from: Vec<IpNet>,
    ) -> Case<'a> {
        let some = |way: Way, from: &[IpNet]| match way {
            Way::Closed if !from.is_empty() => Way::Some,
            way => way,
        };
        let (mapped, direct) = (
            some(pair.mapped_way(), &mapped_from),
            some(pair.direct.way, &direct_from),
        );
        let at = self.redirect.at();
        let rule = self
            .ground
            .place("nat", at.map_or("", |at| at.chain), at.map_or(0, |at| at.number));
        let judged = Judged {
            family: self.ground.family,
            protocol: self.redirect.protocol().to_owned(),
            port: piece,
            to_port: Some(pair.to),
            by,
            mapped,
            direct,
            verdict: self.verdict(&pair, (mapped, &mapped_from), (direct, &direct_from)),
            mapped_from,
            direct_from,
            operator: self.operator(&pair),
            within_rates: pair.mapped.within_rates || pair.direct.within_rates,
            reason: pair.reason(),
            rule,
        };
        Case {
            judged,
            redirect: self.redirect.clone(),
            port: self.port,
            callers: pair.callers,
            mapped: pair.mapped,
            direct: pair.direct,
        }
    }

    fn verdict(
        &self,
        pair: &Pair,
        (mapped, mapped_from): (Way, &[IpNet]),
        (direct, direct_from): (Way, &[IpNet]),
    ) -> Verdict {
        let nat_asked = pair.mapped.met.iter().any(|met| met.table == "nat");
        if self.redirect.hook == "OUTPUT" {
            return Verdict::OwnPackets;
        }
        if pair.to == self.port {
            return Verdict::KeepsPort;
        }
        let lost = pair.lost || pair.mapped.way == Way::Open || pair.mapped.forwarded || nat_asked;
        if mapped == Way::Closed && pair.taken == Some(false) && lost {
            return Verdict::Dead;
        }
        // Who may connect directly anyway does not make a mapping.
        match mapped {
            Way::Some if mapped_from.iter().all(|net| direct_from.contains(net)) => Verdict::of(Way::Closed, direct),
            mapped => Verdict::of(mapped, direct),
        }
    }

    /// The operator's own packets, where they fare otherwise than those of the case.
    fn operator(&self, pair: &Pair) -> Option<(Way, Way)> {
        let caller = Caller {
            source: Some(self.ground.operator?),
            port: Some(callers::CLIENT),
            ..pair.callers.0.clone()
        };
        let own = self.pair(&caller);
        let ways = (own.mapped_way(), own.direct.way);
        (ways != (pair.mapped_way(), pair.direct.way)).then_some(ways)
    }
}

/// An interface for people.
fn written(interface: &Interface) -> String {
    if interface.named {
        interface.name.clone()
    } else {
        "any other interface".to_owned()
    }
}
