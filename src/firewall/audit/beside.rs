//! What there is to say of a redirect beside its verdict.

use super::callers;
use super::finding::{Finding, Kind, Level, Remedy, Verdict, Way};
use super::findings::{Matter, listed};
use super::probe::{Caller, Met, Prober};
use crate::firewall::trace::Host;
use crate::firewall::{Family, Match, Rule, Side};

impl Matter<'_, '_> {
    pub fn some_sources(&self) -> Option<Finding> {
        let judged = &self.case.judged;
        let mapped = (judged.mapped == Way::Some)
            .then(|| format!("the mapped port works for {} alone", listed(&judged.mapped_from)));
        let direct = (judged.direct == Way::Some)
            .then(|| format!("{} is open directly to {}", self.to(), listed(&judged.direct_from)));
        let said: Vec<String> = mapped.into_iter().chain(direct).collect();
        if said.is_empty() {
            return None;
        }
        let message = format!("{}: {}{}", judged.title(), said.join("; "), self.where_());
        let rules = vec![self.redirect()];
        Some(self.finding(Kind::SomeSources, Level::Note, message, rules, Remedy::default()))
    }

    pub fn guard_void(&self) -> Option<Finding> {
        if self.case.judged.direct != Way::Open || self.case.judged.verdict == Verdict::KeepsPort {
            return None;
        }
        let (guard, accept) = (self.ground.guard_below(self.case)?, self.case.direct.decider()?);
        let message = format!(
            "{}: the rule that is to close {} stands below one that accepts it{}",
            self.case.judged.title(),
            self.to(),
            self.where_()
        );
        let rules = vec![
            ("is void", self.ground.place_of(&guard)),
            ("accepts first", self.ground.place_of(accept)),
        ];
        let remedy = Remedy {
            sentence: "let what closes stand above what accepts".to_owned(),
            ..self.better.guard()
        };
        Some(self.finding(Kind::GuardVoid, Level::Warning, message, rules, remedy))
    }

    pub fn accept_too_late(&self) -> Option<Finding> {
        let fails = matches!(
            self.case.judged.verdict,
            Verdict::NeitherWorks | Verdict::OnlyDirectWorks
        );
        let accept = fails.then(|| self.ground.accept_below(self.case)).flatten()?;
        let message = format!(
            "{}: the rule that is to let it in stands below one that closes it{}",
            self.case.judged.title(),
            self.where_()
        );
        let closes = self.decided("closes first", self.case.mapped.decider());
        let rules = [("is too late", self.ground.place_of(&accept))]
            .into_iter()
            .chain(closes)
            .collect();
        Some(self.finding(
            Kind::AcceptTooLate,
            Level::Warning,
            message,
            rules,
            self.better.accept(),
        ))
    }

    /// Whether it also takes what is only routed: a packet to nobody's address here.
    pub fn takes_routed(&self) -> Option<Finding> {
        let (here, there): (&str, &str) = match self.ground.family {
            Family::V4 => ("192.0.2.1/24", "198.51.100.99"),
            Family::V6 => ("2001:db8:1::1/64", "2001:db8:2::99"),
        };
        let interface = self.case.callers.0.interface.clone();
        let interface = interface.or_else(|| self.case.redirect.interface().map(callers::instance));
        let interface = interface.unwrap_or_else(|| "outside0".to_owned());
        let host = Host {
            interfaces: vec![(interface.clone(), vec![here.parse().ok()?])],
            default_interface: Some(interface.clone()),
            ..Host::default()
        };
        let prober = Prober::new(self.ground.family, self.ground.ruleset, &self.ground.calm, &host);
        let caller = Caller {
            source: self.case.callers.0.source,
            interface: Some(interface),
            to: Some(there.parse().ok()?),
            port: self.case.callers.0.port,
        };
        let probe = prober.send(&self.case.judged.protocol, self.case.port, &caller);
        if probe.was_taken_by(&self.case.redirect) != Some(true) {
            return None;
        }
        let routes = self.routes();
        let why = if routes { ", and this host routes" } else { "" };
        let message = format!(
            "{}: it also takes packets that go to other hosts over {}{why}",
            self.case.judged.title(),
            self.ground.family.name()
        );
        let level = if routes { Level::Warning } else { Level::Note };
        let remedy = Remedy {
            sentence: "add `-m addrtype --dst-type LOCAL` to the rule".to_owned(),
            mapping: self.better.mapping(),
            commands: vec![],
        };
        let finding = self.finding(Kind::TakesRouted, level, message, vec![self.redirect()], remedy);
        Some(Finding {
            exposed: None,
            ..finding
        })
    }

    /// Whether the host's rules speak of forwarding for others.
    fn routes(&self) -> bool {
        let ruleset = self.ground.ruleset;
        let chains = ruleset.table("nat").map_or(&[][..], |table| &table.chains);
        let rewrites = chains
            .iter()
            .flat_map(|chain| chain.rules.iter())
            .any(|rule| matches!(rule.leads_to(), Some("MASQUERADE" | "SNAT")));
        let forwards = ruleset.rules("filter", "FORWARD").iter();
        rewrites || forwards.into_iter().any(|rule| rule.leads_to() == Some("ACCEPT"))
    }

    /// Jails that watch the mapped port, and that its packets do not come through.
    pub fn jails(&self) -> Vec<Finding> {
        let (port, to) = (self.case.port, self.to());
        let means = |rule: &Rule, port: u16| {
            rule.matches.iter().any(|one| match one {
                Match::Port(Side::Destination, span) => span.contains(port),
                Match::Ports(Side::Destination | Side::Either, spans) => spans.iter().any(|span| span.contains(port)),
                _ => false,
            })
        };
        let rules = self.ground.ruleset.rules("filter", "INPUT").iter().enumerate();
        let jails = rules.filter(|(index, rule)| {
            let number = index + 1;
            let met = |met: &Met| met.table == "filter" && met.chain == "INPUT" && met.number == number;
            let jail = rule
                .leads_to()
                .is_some_and(|name| name.starts_with("f2b-") || name.starts_with("fail2ban-"));
            jail && means(rule, port) && !means(rule, to) && !self.case.mapped.met.iter().any(met)
        });
        let finding = |(index, rule): (usize, &Rule)| {
            let jail = rule.leads_to().unwrap_or_default();
            let message = format!(
                "{}: the jail {jail} watches {port}, and INPUT sees {to}: it bans nobody{}",
                self.case.judged.title(),
                self.where_()
            );
            let remedy = Remedy {
                sentence: format!("let the jail say `port = {to}`"),
                ..Remedy::default()
            };
            let rules = vec![
                ("never applies", self.ground.place("filter", "INPUT", index + 1)),
                self.redirect(),
            ];
            self.finding(Kind::JailOnMappedPort, Level::Warning, message, rules, remedy)
        };
        jails.map(finding).collect()
    }
}
