//! What an outcome proves by itself, where no counters of ours tell whose packets came.

use std::net::IpAddr;

use super::judge::may_connect_directly;
use super::verdict::{Verdict, label};
use super::{Check, Outcome, Side};
use crate::mapping::{Mapping, MappingSet, Protocol};
use crate::report::{DirectAccess, Mapped};

impl Check {
    /// What the outcome proves of it; `None`: it is of another mapping set.
    #[must_use]
    pub fn judge_unattributed(&self, set: &MappingSet, here: Option<IpAddr>, outcome: &Outcome) -> Option<Verdict> {
        if let Some(known) = &self.known {
            return Some(known.clone());
        }
        let mapping = set.mappings().get(self.mapping)?;
        Some(match self.side {
            Side::Mapped => self.mapped_unattributed(mapping, outcome),
            Side::Direct => self.direct_unattributed(mapping, here, outcome),
        })
    }

    fn mapped_unattributed(&self, mapping: &Mapping, outcome: &Outcome) -> Verdict {
        let at = self.at;
        let protocol = label(self.protocol);
        let unverified = Verdict::mapped(Mapped::Unverified);
        if let Some(why) = self.unseen_by(outcome) {
            return unverified.because(why);
        }
        match outcome {
            Outcome::Refused => Verdict::mapped(Mapped::Refused).broken().because(format!(
                "port {at}/{protocol} refuses: nothing listens behind it, or somebody before the host refuses"
            )),
            Outcome::Silent if self.protocol == Protocol::Udp => {
                unverified.because("no answer, and without counters that tells nothing of a datagram")
            }
            Outcome::Silent if mapping.interface.is_some() => {
                unverified.because("our probe need not have come in by the mapping's interface")
            }
            Outcome::Silent => {
                Verdict::mapped(Mapped::Filtered).because(format!("port {at}/{protocol} does not answer"))
            }
            _ => Verdict::mapped(Mapped::Open),
        }
    }

    fn direct_unattributed(&self, mapping: &Mapping, here: Option<IpAddr>, outcome: &Outcome) -> Verdict {
        let to_port = self.to_port;
        let unverified = Verdict::direct(DirectAccess::Unverified);
        let allowed = may_connect_directly(mapping, here);
        if let Some(why) = self.unseen_by(outcome) {
            return unverified.because(why);
        }
        match outcome {
            Outcome::Connected if allowed => Verdict::direct(DirectAccess::Open),
            Outcome::Connected => self.exposed(),
            _ if allowed => unverified.because("this machine may connect directly, but did not get through"),
            Outcome::Silent if self.protocol == Protocol::Udp => unverified.because(format!(
                "no answer from port {to_port}, and without counters that tells nothing"
            )),
            Outcome::Refused => Verdict::direct(DirectAccess::Closed)
                .because(format!("port {to_port} refuses; whether our guard or somebody before the host does cannot be told")),
            _ => Verdict::direct(DirectAccess::Closed).because(format!(
                "no connection to port {to_port} came about; whether our guard or somebody before the host stopped it cannot be told"
            )),
        }
    }

    /// Why the outcome tells nothing of the host.
    fn unseen_by(&self, outcome: &Outcome) -> Option<String> {
        match outcome {
            Outcome::NoPath(why) => Some(format!("no path from here to {}: {why}", self.to)),
            Outcome::Untold(why) => Some(why.clone()),
            Outcome::Connected if !self.is_trusted() => Some(self.somebody_else()),
            _ if !self.is_trusted() => Some(format!(
                "nothing from here surely arrives at {}, an address only the host told of",
                self.to
            )),
            _ => None,
        }
    }
}
