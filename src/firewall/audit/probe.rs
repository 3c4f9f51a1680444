//! One packet through the rules: as they are, and where that cannot be told as a newcomer meets them.

use std::net::IpAddr;

use super::finding::Way;
use super::redirects::Redirect;
use crate::firewall::trace::{Host, Packet, State, Trace, Tracer, Verdict};
use crate::firewall::{Family, Ruleset};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Caller {
    /// `None`: anybody.
    pub source: Option<IpAddr>,
    /// `None`: whichever comes from outside.
    pub interface: Option<String>,
    /// The address of the host that is called; `None`: whichever.
    pub to: Option<IpAddr>,
    /// The port that is called from; `None`: any.
    pub port: Option<u16>,
}

/// A rule, or policy, that a packet met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    pub table: String,
    pub chain: String,
    /// 0: the policy.
    pub number: usize,
    pub certain: bool,
    pub decides: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probe {
    /// `Open`: delivered to this host. Never `Some`.
    pub way: Way,
    /// Where it was delivered.
    pub port: Option<u16>,
    /// Whether it went on to another host.
    pub forwarded: bool,
    pub met: Vec<Met>,
    pub within_rates: bool,
    pub reason: Option<String>,
}

impl Probe {
    /// The rule, or policy, that decided.
    pub fn decider(&self) -> Option<&Met> {
        self.met.iter().rev().find(|met| met.decides)
    }

    /// Whether it was redirected by this rule; `None`: perhaps.
    pub fn was_taken_by(&self, redirect: &Redirect<'_>) -> Option<bool> {
        let at = redirect.at()?;
        let is_it = |met: &&Met| met.table == "nat" && met.chain == at.chain && met.number == at.number;
        match self.met.iter().find(is_it) {
            None => Some(false),
            Some(met) => met.certain.then_some(true),
        }
    }
}

/// Sends packets through one family's rules.
#[derive(Debug)]
pub(super) struct Prober<'a> {
    pub family: Family,
    real: Tracer<'a>,
    calm: Tracer<'a>,
}

impl<'a> Prober<'a> {
    pub fn new(family: Family, real: &'a Ruleset, calm: &'a Ruleset, host: &'a Host) -> Self {
        Self {
            family,
            real: Tracer::new(real, host),
            calm: Tracer::new(calm, host),
        }
    }

    /// A first packet to a port.
    pub fn send(&self, protocol: &str, port: u16, caller: &Caller) -> Probe {
        let packet = Packet {
            family: self.family,
            protocol: protocol.to_owned(),
            source: caller.source,
            destination: caller.to,
            source_port: caller.port,
            destination_port: Some(port),
            in_interface: caller.interface.clone(),
            state: State::New,
        };
        let first = self.real.trace(&packet);
        if first.verdict != Verdict::Unknown {
            return probe(&first, false);
        }
        let second = self.calm.trace(&packet);
        if second.verdict == Verdict::Unknown {
            return probe(&first, false);
        }
        probe(&second, true)
    }
}

fn probe(trace: &Trace<'_>, within_rates: bool) -> Probe {
    let way = match (trace.verdict, trace.local) {
        (Verdict::Accept, Some(true)) => Way::Open,
        (Verdict::Accept, Some(false)) | (Verdict::Drop | Verdict::Reject, _) => Way::Closed,
        (Verdict::Accept, None) | (Verdict::Unknown, _) => Way::Unknown,
    };
    let met = trace.steps.iter().map(|step| Met {
        table: step.table.to_owned(),
        chain: step.chain.to_owned(),
        number: step.number,
        certain: step.certain,
        decides: step.decides,
    });
    Probe {
        way,
        port: trace.destination_port,
        forwarded: trace.verdict == Verdict::Accept && trace.local == Some(false),
        met: met.collect(),
        within_rates,
        reason: trace.reason.clone(),
    }
}
