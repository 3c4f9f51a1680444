//! From judged redirects to findings.

use std::fmt::Display;

use super::finding::{Finding, Kind, Level, Place, Remedy, Report, Verdict, Way};
use super::ground::Ground;
use super::judge::Case;
use super::probe::{Caller, Met};
use super::remedy::Better;
use crate::firewall::Family;

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
        findings.sort_by_key(|one| (one.level, one.kind, one.family));
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
pub(super) struct Matter<'g, 'a> {
    pub ground: &'g Ground<'a>,
    pub case: &'g Case<'a>,
    pub better: Better<'g, 'a>,
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

    pub fn finding(
        &self,
        kind: Kind,
        level: Level,
        message: String,
        rules: Vec<(&str, Place)>,
        better: Remedy,
    ) -> Finding {
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

    pub fn redirect(&self) -> (&'static str, Place) {
        ("redirects", self.case.judged.rule.clone())
    }

    pub fn decided(&self, what: &'static str, met: Option<&Met>) -> Option<(&'static str, Place)> {
        met.map(|met| (what, self.ground.place_of(met)))
    }

    /// ` over IPv4 by eth0`.
    pub fn where_(&self) -> String {
        let by = match self.case.judged.by.as_slice() {
            [] => String::new(),
            names => format!(" by {}", names.join(", ")),
        };
        format!(" over {}{by}", self.ground.family.name())
    }

    pub fn to(&self) -> u16 {
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
        let first = self.decided("takes the packets", taker.as_ref());
        let rules = first.into_iter().chain([self.redirect()]).collect();
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
}

/// The first ones, and how many more there are.
pub(super) fn listed<T: Display>(all: &[T]) -> String {
    let shown: Vec<String> = all.iter().take(MOST).map(ToString::to_string).collect();
    match all.len().saturating_sub(MOST) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
