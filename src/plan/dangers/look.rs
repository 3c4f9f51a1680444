//! Packets of operators and clients, before and after a change.

use std::net::IpAddr;

use super::super::Observed;
use super::super::prospect::{Outlook, Prospect};
use crate::firewall::trace::{Packet, State, Step, Trace, Verdict};
use crate::firewall::{Arrival, Family, Passes, Rule};
use crate::mapping::{MappingSet, Protocol};

/// A host, and its rules as they will be.
pub(super) struct Look<'a> {
    pub observed: &'a Observed,
    pub set: &'a MappingSet,
    /// The managed families.
    pub families: &'a [Outlook<'a>],
}

/// When.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// A new connection, or datagram, from outside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Knock<'a> {
    pub protocol: Protocol,
    pub port: u16,
    /// `None`: from anywhere.
    pub source: Option<IpAddr>,
    /// `None`: by the interface that operators come in by.
    pub interface: Option<&'a str>,
    /// `None`: to the address that is ours there.
    pub destination: Option<IpAddr>,
}

impl Knock<'_> {
    pub fn at(protocol: Protocol, port: u16) -> Self {
        Self {
            protocol,
            port,
            source: None,
            interface: None,
            destination: None,
        }
    }
}

/// What becomes of a knock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It comes to this port of the host.
    Delivered { port: u16, address: Option<IpAddr> },
    /// It is sent on to another host.
    SentOn,
    /// It is dropped or rejected.
    Taken,
    /// Why that is not known.
    Unknown(String),
}

/// A fate, and the rules that lead to it.
pub(super) struct Outcome {
    pub fate: Fate,
    /// The rule that takes it away, or that decides to which port it comes.
    pub rule: Option<String>,
    /// The rule, or the policy, that lets it in.
    pub let_in: Option<String>,
    /// Whether it came past nat, and no rule there sent it to another port.
    pub is_as_sent: bool,
}

impl<'a> Look<'a> {
    pub fn new(prospect: &'a Prospect<'a>) -> Self {
        Self {
            observed: prospect.observed,
            set: &prospect.change.mappings,
            families: &prospect.families,
        }
    }

    /// The family in which operators log in.
    pub fn family_of_login(&self) -> Option<Family> {
        let here = self.observed.here?;
        [Family::V4, Family::V6].into_iter().find(|family| family.is_of(here))
    }

    /// The address that packets of a family are sent to: the one that we came in by, else another of the host.
    pub fn there(&self, family: Family) -> Option<IpAddr> {
        let ours = self.observed.there.filter(|there| family.is_of(*there));
        ours.or_else(|| self.observed.addresses.iter().copied().find(|one| family.is_of(*one)))
    }

    /// The operator's address, where it is of this family.
    pub fn here(&self, family: Family) -> Option<IpAddr> {
        self.observed.here.filter(|here| family.is_of(*here))
    }

    /// What becomes of a knock by the rules of iptables and, where those let it in, by the others of nft.
    pub fn outcome(&self, family: Family, when: When, knock: Knock<'_>) -> Outcome {
        let Some(rules) = self.families.iter().find(|one| one.managed.view.family == family) else {
            return Outcome::unknown("its rules are not known");
        };
        let tracer = match when {
            When::Before => &rules.now,
            When::After => &rules.then,
        };
        let outcome = Outcome::of(&tracer.trace(&self.packet(family, knock)));
        match outcome.fate {
            Fate::Delivered { port, .. } => self.by_nft(family, knock, port).unwrap_or(outcome),
            _ => outcome,
        }
    }

    fn packet(&self, family: Family, knock: Knock<'_>) -> Packet {
        Packet {
            family,
            protocol: knock.protocol.to_string(),
            source: knock.source,
            destination: knock.destination.or_else(|| self.there(family)),
            source_port: None,
            destination_port: Some(knock.port),
            in_interface: knock.interface.map(str::to_owned),
            state: State::New,
        }
    }

    /// What the other chains of nft make of a knock, if they may not let it pass.
    fn by_nft(&self, family: Family, knock: Knock<'_>, to_port: u16) -> Option<Outcome> {
        let arrival = Arrival {
            family,
            protocol: knock.protocol,
            source: knock.source,
            interface: knock.interface.or(self.observed.host.default_interface.as_deref()),
            port: knock.port,
            to_port,
        };
        let nft = &self.observed.nft;
        let judged = nft.chains.iter().map(|chain| (chain, nft.passes(chain, &arrival)));
        let (chain, passes) = judged
            .filter(|(_, passes)| *passes != Passes::Surely)
            .max_by_key(|(_, passes)| *passes == Passes::Never)?;
        let named = format!("nft chain {}", chain.describe());
        Some(match passes {
            Passes::Never => Outcome {
                fate: Fate::Taken,
                rule: Some(named),
                let_in: None,
                is_as_sent: false,
            },
            _ => Outcome::unknown(&named),
        })
    }
}

impl Outcome {
    fn unknown(why: &str) -> Self {
        Self {
            fate: Fate::Unknown(why.to_owned()),
            rule: None,
            let_in: None,
            is_as_sent: false,
        }
    }

    fn of(trace: &Trace<'_>) -> Self {
        let fate = match (trace.verdict, trace.local) {
            (Verdict::Accept, Some(false)) => Fate::SentOn,
            (Verdict::Accept, _) => match trace.destination_port {
                Some(port) => Fate::Delivered {
                    port,
                    address: trace.destination,
                },
                None => Fate::Unknown("the port that it is delivered to".to_owned()),
            },
            (Verdict::Drop | Verdict::Reject, _) => Fate::Taken,
            (Verdict::Unknown, _) => Fate::Unknown(trace.reason.clone().unwrap_or_default()),
        };
        let end = trace.steps.iter().rev().find(|step| step.decides);
        let is_late = end.is_some_and(|step| step.table == "filter");
        let rewriting = rewriting(&trace.steps);
        let untracked = rewriting.filter(|step| is_late && step.rule.is_some_and(untracks));
        let (rule, let_in) = if fate == Fate::Taken {
            (untracked.or(end), None)
        } else {
            (rewriting, end)
        };
        Self {
            fate,
            rule: rule.map(named),
            let_in: let_in.map(named),
            is_as_sent: is_late && rewriting.is_none(),
        }
    }
}

/// The step by which a packet came to another port than it was sent to, or did not.
fn rewriting<'s, 'a>(steps: &'s [Step<'a>]) -> Option<&'s Step<'a>> {
    let by = |matches: fn(&Step<'_>) -> bool| steps.iter().find(|step| matches(step));
    by(|step| step.rule.is_some_and(untracks))
        .or_else(|| by(|step| step.table == "nat" && step.rule.is_some_and(decides_nat)))
}

fn untracks(rule: &Rule) -> bool {
    match rule.leads_to() {
        Some("NOTRACK") => true,
        Some("CT") => rule.raw.split(' ').any(|word| word == "--notrack"),
        _ => false,
    }
}

fn decides_nat(rule: &Rule) -> bool {
    matches!(rule.leads_to(), Some("ACCEPT" | "REDIRECT" | "DNAT" | "NETMAP"))
}

/// A rule as printed, or a policy.
fn named(step: &Step<'_>) -> String {
    match step.rule {
        Some(rule) => format!("-t {} {}", step.table, rule.raw),
        None => format!("the policy of {} ({})", step.chain, step.table),
    }
}
