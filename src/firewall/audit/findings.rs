//! From judged redirects to findings.

use std::fmt::Display;

use super::finding::{Finding, Kind, Level, Place, Remedy, Report, Verdict, Way};
use super::judge::{Case, Ground};
use super::probe::{Caller, Met, Prober};
use super::remedy::Better;
use crate::firewall::trace::Host;
use crate::firewall::{Family, Match, Rule, Side};

/// More members of a list than these are counted.
const MOST: usize = 5;

/// Goes through one host.
pub(super) struct Auditor<'g, 'a> {
    cases: Vec<(&'g Ground<'a>, Case<'a>)>,
    grounds: &'g [Ground<'a>],
}

impl<'g, 'a> Auditor<'g, 'a> {
    pub fn of(grounds: &'g [Ground<'a>]) -> Self {
        let mut cases = Vec::new();
        for ground in grounds {
            let prober = ground.prober();
            for redirect in ground.redirects() {
                let judged = ground.judge(&prober, &redirect);
                cases.extend(judged.into_iter().map(|case| (ground, case)));
            }
        }
        Self { cases, grounds }
    }

    pub fn report(&self) -> Report {
        let mut findings: Vec<Finding> = Vec::new();
        for (ground, case) in &self.cases {
            let matter = Matter {
                ground,
                case,
                better: Better {
                    ground,
                    case,
                    shared: self.is_shared(case),
                },
            };
            for finding in matter.findings().into_iter().chain(self.over_ipv6(case)) {
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        }
        findings.sort_by(|one, other| (one.level, one.kind, one.family).cmp(&(other.level, other.kind, other.family)));
        Report {
            redirects: self.cases.iter().map(|(_, case)| case.judged.clone()).collect(),
            findings,
        }
    }

    fn is_shared(&self, case: &Case<'_>) -> bool {
        let (own, ports) = (&case.judged, case.judged.port);
        self.cases.iter().any(|(_, other)| {
            let other = &other.judged;
            other.family == own.family
                && other.protocol == own.protocol
                && other.to_port == own.to_port
                && other.port != ports
        })
    }

    /// What is closed over IPv4 and open over IPv6.
    fn over_ipv6(&self, case: &Case<'_>) -> Option<Finding> {
        let judged = &case.judged;
        let guarded = judged.family == Family::V4 && matches!(judged.direct, Way::Closed | Way::Some);
        let wanted = guarded && judged.verdict == Verdict::Right;
        let (port, ground) = (
            judged.to_port.filter(|_| wanted)?,
            self.grounds.iter().find(|ground| ground.family == Family::V6)?,
        );
        let caller = Caller {
            interface: case.callers.1.interface.clone(),
            ..ground.newcomer()
        };
        let probe = ground.prober().send(&judged.protocol, port, &caller);
        if probe.way != Way::Open {
            return None;
        }
        let decider = probe.decider().map(|met| ("accepts".to_owned(), ground.place_of(met)));
        let better = Better {
            ground,
            case,
            shared: false,
        };
        let mut remedy = better.guard();
        "close it over IPv6 as well".clone_into(&mut remedy.sentence);
        Some(Finding {
            kind: Kind::OpenOverIpv6,
            level: Level::Error,
            family: Family::V6,
            message: format!("{port}/{} is closed over IPv4 and open over IPv6", judged.protocol),
            exposed: Some(format!("{port}/{} over IPv6 to anybody", judged.protocol)),
            rules: decider
                .into_iter()
                .chain([("redirects".to_owned(), judged.rule.clone())])
                .collect(),
            better: remedy,
        })
    }
}

/// One case, and what there is to say of it.
struct Matter<'g, 'a> {
    ground: &'g Ground<'a>,
    case: &'g Case<'a>,
    better: Better<'g, 'a>,
}

impl Matter<'_, '_> {
    fn findings(&self) -> Vec<Finding> {
        let judged = &self.case.judged;
        if judged.verdict == Verdict::OwnPackets {
            return vec![self.own_packets()];
        }
        let first = match judged.verdict {
            Verdict::BothWork => Some(self.both_work()),
            Verdict::NeitherWorks => Some(self.neither_works()),
            Verdict::OnlyDirectWorks => Some(self.only_direct_works()),
            Verdict::Dead => Some(self.dead()),
            Verdict::Unknown => Some(self.unknown()),
            Verdict::Right | Verdict::KeepsPort | Verdict::OwnPackets => None,
        };
        let others = [
            self.some_sources(),
            self.guard_void(),
            self.accept_too_late(),
            self.takes_routed(),
        ];
        let others = others.into_iter().flatten();
        first.into_iter().chain(others).chain(self.jails()).collect()
    }

    fn finding(&self, kind: Kind, level: Level, message: String, rules: Vec<(&str, Place)>, better: Remedy) -> Finding {
        let rules = rules.into_iter().map(|(what, place)| (what.to_owned(), place));
        Finding {
            kind,
            level,
            family: self.ground.family,
            message,
            exposed: self.better.exposed(),
            rules: rules.collect(),
            better,
        }
    }

    fn redirect(&self) -> (&'static str, Place) {
        ("redirects", self.case.judged.rule.clone())
    }

    fn decided(&self, what: &'static str, met: Option<&Met>) -> Option<(&'static str, Place)> {
        met.map(|met| (what, self.ground.place_of(met)))
    }

    /// ` over IPv4 by eth0`.
    fn where_(&self) -> String {
        let by = match self.case.judged.by.as_slice() {
            [] => String::new(),
            names => format!(" by {}", names.join(", ")),
        };
        format!(" over {}{by}", self.ground.family.name())
    }

    fn to(&self) -> u16 {
        self.case.judged.to_port.unwrap_or_default()
    }

    fn both_work(&self) -> Finding {
        let message = format!(
            "{}: {} is open directly as well{}",
            self.case.judged.title(),
            self.to(),
            self.where_()
        );
        let accepts = self.decided("accepts", self.case.direct.decider());
        let rules = accepts.into_iter().chain([self.redirect()]).collect();
        self.finding(Kind::BothWork, Level::Error, message, rules, self.better.guard())
    }

    fn neither_works(&self) -> Finding {
        let title = self.case.judged.title();
        let mistaken = self.ground.accept_of_mapped_port(self.case);
        let why = if mistaken.is_some() {
            format!(
                "INPUT sees port {}, and the rule that is to let it in says {}",
                self.to(),
                self.case.port
            )
        } else {
            "its packets are redirected and then closed out".to_owned()
        };
        let message = format!("{title}: the mapped port does not work{}: {why}", self.where_());
        let rules = [
            self.decided("closes", self.case.mapped.decider()),
            self.decided("accepts a port that INPUT never sees", mistaken.as_ref()),
            Some(self.redirect()),
        ];
        let rules = rules.into_iter().flatten().collect();
        self.finding(Kind::NeitherWorks, Level::Error, message, rules, self.better.accept())
    }

    fn only_direct_works(&self) -> Finding {
        let message = format!(
            "{}: the mapped port does not work, and {} is open directly{}",
            self.case.judged.title(),
            self.to(),
            self.where_()
        );
        let rules = [
            self.decided("closes", self.case.mapped.decider()),
            self.decided("accepts", self.case.direct.decider()),
            Some(self.redirect()),
        ];
        let rules = rules.into_iter().flatten().collect();
        self.finding(
            Kind::OnlyDirect,
            Level::Error,
            message,
            rules,
            self.better.accept_and_guard(),
        )
    }

    fn dead(&self) -> Finding {
        let title = self.case.judged.title();
        if let Some(notrack) = self.ground.notrack(&self.case.mapped) {
            let message = format!(
                "{title}: never redirected{}: conntrack is told not to look",
                self.where_()
            );
            let rules = vec![
                ("keeps conntrack away", self.ground.place_of(&notrack)),
                self.redirect(),
            ];
            let remedy = Remedy {
                sentence: "let conntrack see the port: nat works by it".to_owned(),
                ..Remedy::default()
            };
            return self.finding(Kind::Notrack, Level::Error, message, rules, remedy);
        }
        let taker = self.ground.taker(&self.case.mapped);
        let repeats = self.case.mapped.way == Way::Open && self.case.mapped.port == self.case.judged.to_port;
        let (why, level) = match (&taker, repeats) {
            (_, true) => ("an earlier rule of nat does the same", Level::Note),
            (Some(_), false) => ("an earlier rule of nat takes its packets", Level::Error),
            (None, false) => ("no packet comes as far as this rule of nat", Level::Error),
        };
        let message = format!("{title}: never redirected{}: {why}", self.where_());
        let taken = self.decided("takes the packets", taker.as_ref());
        let rules = taken.into_iter().chain([self.redirect()]).collect();
        let remedy = if repeats {
            Remedy {
                sentence: "take the later rule away".to_owned(),
                ..Remedy::default()
            }
        } else {
            self.better.redirect_first()
        };
        self.finding(Kind::Shadowed, level, message, rules, remedy)
    }

    fn unknown(&self) -> Finding {
        let judged = &self.case.judged;
        let reason = judged.reason.as_deref().unwrap_or("the rules leave it open");
        let what = match (judged.mapped, judged.direct) {
            (Way::Unknown, Way::Open) => format!("{} is open directly, and whether the mapped port works", self.to()),
            (Way::Unknown, _) => "whether the mapped port works".to_owned(),
            _ => format!("whether {} is open directly", self.to()),
        };
        let message = format!("{}: {what} cannot be told{}: {reason}", judged.title(), self.where_());
        let probes = [&self.case.mapped, &self.case.direct];
        let unknown = probes.into_iter().find(|probe| probe.way == Way::Unknown);
        let open = unknown.and_then(|probe| probe.met.iter().find(|met| !met.certain));
        let rules = self
            .decided("may apply", open)
            .into_iter()
            .chain([self.redirect()])
            .collect();
        let remedy = Remedy {
            sentence: "try it from outside; portmap-deploy proves its own mappings by connections".to_owned(),
            mapping: self.better.mapping(),
            commands: vec![],
        };
        self.finding(Kind::Unknown, Level::Warning, message, rules, remedy)
    }

    fn own_packets(&self) -> Finding {
        let message = format!(
            "{}: this rule is about what the host itself sends{}; whoever connects from outside does not meet it",
            self.case.judged.title(),
            self.where_()
        );
        let finding = self.finding(
            Kind::OwnPackets,
            Level::Note,
            message,
            vec![self.redirect()],
            Remedy::default(),
        );
        Finding {
            exposed: None,
            ..finding
        }
    }

    fn some_sources(&self) -> Option<Finding> {
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

    fn guard_void(&self) -> Option<Finding> {
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

    fn accept_too_late(&self) -> Option<Finding> {
        let closed = matches!(
            self.case.judged.verdict,
            Verdict::NeitherWorks | Verdict::OnlyDirectWorks
        );
        let accept = closed.then(|| self.ground.accept_below(self.case)).flatten()?;
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
    fn takes_routed(&self) -> Option<Finding> {
        let (here, there): (&str, &str) = match self.ground.family {
            Family::V4 => ("192.0.2.1/24", "198.51.100.99"),
            Family::V6 => ("2001:db8:1::1/64", "2001:db8:2::99"),
        };
        let interface = self.case.callers.0.interface.clone();
        let interface = interface.or_else(|| self.case.redirect.interface().map(super::callers::instance));
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
            .flat_map(|chain| &chain.rules)
            .any(|rule| matches!(rule.leads_to(), Some("MASQUERADE" | "SNAT")));
        let forwards = ruleset.rules("filter", "FORWARD").iter();
        rewrites || forwards.into_iter().any(|rule| rule.leads_to() == Some("ACCEPT"))
    }

    /// Jails that watch the mapped port, and that its packets do not come through.
    fn jails(&self) -> Vec<Finding> {
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

/// The first ones, and how many more there are.
pub(super) fn listed<T: Display>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    match all.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
