//! Judges a redirect by packets: to the mapped port and to the port behind it, from whoever the rules tell apart.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Subject;
use super::callers::{self, Interface};
use super::calm::calm;
use super::finding::{Judged, Place, Verdict, Way};
use super::lines::Lines;
use super::ports;
use super::probe::{Caller, Probe, Prober};
use super::redirects::{self, Redirect};
use crate::firewall::trace::Host;
use crate::firewall::{Family, PortSpan, Ruleset};

/// One family's rules, made ready to be asked about many packets.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub family: Family,
    pub ruleset: &'a Ruleset,
    pub calm: Ruleset,
    pub host: &'a Host,
    lines: Lines,
    named: Vec<PortSpan>,
    outside: Option<String>,
    operator: Option<IpAddr>,
    stranger: Option<IpAddr>,
}

impl<'a> Ground<'a> {
    pub fn new(subject: &Subject<'a>, family: Family, ruleset: &'a Ruleset, text: Option<&str>) -> Self {
        Self {
            family,
            ruleset,
            calm: calm(ruleset),
            host: subject.host,
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

    pub fn prober(&self) -> Prober<'_> {
        Prober::new(self.family, self.ruleset, &self.calm, self.host)
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

    /// A port of each group that the rules do not tell apart, and the group.
    fn pieces(&self, redirect: &Redirect<'_>) -> Vec<(u16, Option<PortSpan>)> {
        match redirect.ports() {
            None => vec![(redirects::unnamed_port(self.ruleset), None)],
            Some(spans) => {
                let pieces = spans.iter().flat_map(|span| ports::pieces(*span, &self.named).0);
                pieces.map(|piece| (piece.first, Some(piece))).collect()
            }
        }
    }

    /// The interfaces by which packets of a redirect may come in, where one must be said.
    fn interfaces(&self, redirect: &Redirect<'_>) -> Vec<Interface> {
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
    taken: bool,
}

impl Pair {
    fn mapped_way(&self) -> Way {
        match self.mapped.way {
            Way::Open if !self.taken => Way::Closed,
            way => way,
        }
    }

    fn is_settled(&self) -> bool {
        let reached = self.taken || self.mapped.way != Way::Open;
        self.mapped.way != Way::Unknown && self.direct.way != Way::Unknown && reached
    }

    fn reason(&self) -> Option<String> {
        let unknown = [&self.mapped, &self.direct]
            .into_iter()
            .find(|probe| probe.way == Way::Unknown)?;
        let why = unknown.reason.clone();
        Some(why.unwrap_or_else(|| "the rules leave it open".to_owned()))
    }
}

impl<'a> Question<'_, 'a> {
    fn cases(&self, piece: Option<PortSpan>) -> Vec<Case<'a>> {
        let anybody = |interface: Option<String>| Caller {
            source: None,
            interface,
        };
        let outside = self.ground.outside.clone();
        let first = self.pair(&anybody(outside.clone()));
        if first.is_settled() || self.redirect.hook == "OUTPUT" {
            return vec![self.case(piece, vec![], first, vec![], vec![])];
        }
        let interfaces = match outside {
            Some(name) => vec![Interface { name, named: false }],
            None => self.ground.interfaces(self.redirect),
        };
        let mut groups: Vec<(Vec<Interface>, Pair, Vec<IpNet>, Vec<IpNet>)> = Vec::new();
        for interface in interfaces {
            let pair = self.pair(&anybody(Some(interface.name.clone())));
            let (pair, mapped_from, direct_from) = if pair.is_settled() {
                (pair, vec![], vec![])
            } else {
                self.by_source(&interface.name, pair)
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
    fn by_source(&self, interface: &str, anybody: Pair) -> (Pair, Vec<IpNet>, Vec<IpNet>) {
        let ground = self.ground;
        let caller = |source: Option<IpAddr>| Caller {
            source,
            interface: Some(interface.to_owned()),
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
        let (protocol, to) = (self.redirect.protocol(), self.redirect.destination());
        let mapped = self.prober.send(protocol, self.port, to, caller);
        let taken = mapped.was_taken_by(self.redirect);
        let target = mapped.port.filter(|_| taken).unwrap_or_else(|| self.target());
        let direct = self.prober.send(protocol, target, to, caller);
        Pair {
            callers: (caller.clone(), caller.clone()),
            mapped,
            direct,
            to: target,
            taken,
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
            verdict: self.verdict(&pair, mapped, direct),
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

    fn verdict(&self, pair: &Pair, mapped: Way, direct: Way) -> Verdict {
        let nat_asked = pair.mapped.met.iter().any(|met| met.table == "nat");
        if self.redirect.hook == "OUTPUT" {
            return Verdict::OwnPackets;
        }
        if pair.to == self.port {
            return Verdict::KeepsPort;
        }
        let lost = pair.mapped.way == Way::Open || pair.mapped.forwarded || nat_asked;
        if mapped == Way::Closed && !pair.taken && lost {
            return Verdict::Dead;
        }
        Verdict::of(mapped, direct)
    }

    /// The operator's own packets, where they fare otherwise than those of the case.
    fn operator(&self, pair: &Pair) -> Option<(Way, Way)> {
        let caller = Caller {
            source: Some(self.ground.operator?),
            interface: pair.callers.0.interface.clone(),
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
        "any other".to_owned()
    }
}
