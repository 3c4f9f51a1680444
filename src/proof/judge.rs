//! What an outcome and the host's counters prove together.

use std::net::IpAddr;

use super::verdict::{Verdict, label};
use super::{Check, Outcome, Side};
use crate::firewall::{Counter, HOST_RULE};
use crate::mapping::{Direct, Mapping, MappingSet, Protocol};
use crate::report::{DirectAccess, Mapped};

impl Check {
    /// What the outcome (`None`: still under way) and the counters that moved since the phase began prove; `None`: nothing yet.
    #[must_use]
    pub fn judge(
        &self,
        set: &MappingSet,
        here: Option<IpAddr>,
        outcome: Option<&Outcome>,
        moved: &dyn Fn(Counter) -> bool,
    ) -> Option<Verdict> {
        if let Some(known) = &self.known {
            return Some(known.clone());
        }
        let mapping = set.mappings().get(self.mapping)?;
        match self.side {
            Side::Mapped => Some(self.judge_mapped(mapping, outcome?, moved)),
            Side::Direct => self.judge_direct(mapping, here, outcome, moved),
        }
    }

    /// Whether what answers at this address is the host for sure.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.named
    }

    /// Our own probes were counted on the host: it does have the address that it told of.
    pub fn trust(&mut self) {
        self.named = true;
    }

    /// Private networks overlap: what answers there need not be the host that told of the address.
    pub(super) fn somebody_else(&self) -> String {
        format!(
            "{} answers, an address only the host told of: it may be another machine",
            self.to
        )
    }

    fn target(&self) -> String {
        self.to.with(self.at)
    }

    fn judge_mapped(&self, mapping: &Mapping, outcome: &Outcome, moved: &dyn Fn(Counter) -> bool) -> Verdict {
        let (protocol, port, to_port) = (self.protocol, self.port, self.to_port);
        let redirected = moved(Counter::Redirected { protocol, port });
        let seen = moved(Counter::Seen {
            protocol,
            port,
            to_port,
        });
        let open = Verdict::mapped(Mapped::Open);
        let filtered = Verdict::mapped(Mapped::Filtered);
        match outcome {
            Outcome::Connected if redirected => open,
            Outcome::Connected if !self.named => Verdict::mapped(Mapped::Unverified).because(self.somebody_else()),
            Outcome::Connected => filtered.because(format!(
                "something else answers on {}: our redirect did not see the connection",
                self.target()
            )),
            Outcome::Refused if seen => {
                Verdict::mapped(Mapped::Refused).because(format!("nothing listens on port {to_port}"))
            }
            Outcome::Refused if redirected => {
                filtered.because(format!("{HOST_RULE} rejects connections to port {to_port}"))
            }
            Outcome::Silent if seen && protocol == Protocol::Udp => open,
            Outcome::Silent if seen => filtered.because(format!("port {to_port} was reached, but no answer came back")),
            Outcome::Silent if redirected => {
                filtered.because(format!("{HOST_RULE} drops connections to port {to_port}"))
            }
            Outcome::NoPath(why) if self.way_in => filtered.because(format!("no way to {}: {why}", self.target())),
            Outcome::NoPath(why) => {
                Verdict::mapped(Mapped::Unverified).because(format!("no path from here to {}: {why}", self.to))
            }
            Outcome::Untold(why) if seen => Verdict::mapped(Mapped::Unverified).because(format!(
                "port {to_port} was reached, but what it answers is not told: {why}"
            )),
            // sshd speaks first, so there silence does tell.
            Outcome::Untold(why) if self.way_in => {
                filtered.because(format!("no sshd answers at {}: {why}", self.target()))
            }
            Outcome::Untold(why) => Verdict::mapped(Mapped::Unverified).because(why.clone()),
            _ if !self.named => Verdict::mapped(Mapped::Unverified).because(format!(
                "nothing from here arrives at {}, an address only the host told of",
                self.to
            )),
            _ if mapping.interface.is_some() => {
                Verdict::mapped(Mapped::Unverified).because("our probe did not come in by the mapping's interface")
            }
            Outcome::Refused => filtered.because(format!(
                "somebody before the host refuses {}/{}",
                self.at,
                label(protocol)
            )),
            Outcome::Silent => filtered.because(format!(
                "nothing from here arrives at {}/{}: it is blocked before the host (a cloud security group?)",
                self.at,
                label(protocol)
            )),
        }
    }

    fn judge_direct(
        &self,
        mapping: &Mapping,
        here: Option<IpAddr>,
        outcome: Option<&Outcome>,
        moved: &dyn Fn(Counter) -> bool,
    ) -> Option<Verdict> {
        let (protocol, to_port) = (self.protocol, self.to_port);
        let guarded = moved(Counter::Guarded { protocol, to_port });
        let unverified = Verdict::direct(DirectAccess::Unverified);
        let allowed = may_connect_directly(mapping, here);
        Some(match outcome {
            Some(Outcome::Connected) if !self.named && protocol == Protocol::Tcp => {
                unverified.because(self.somebody_else())
            }
            Some(Outcome::Connected) if protocol == Protocol::Tcp => {
                if allowed {
                    Verdict::direct(DirectAccess::Open)
                } else {
                    self.exposed()
                }
            }
            _ if guarded => Verdict::direct(DirectAccess::Closed),
            None => return None,
            Some(_) if allowed => unverified.because("this machine may connect directly, but did not get through"),
            Some(Outcome::NoPath(why)) => unverified.because(format!("no path from here to {}: {why}", self.to)),
            Some(Outcome::Untold(why)) => unverified.because(why.clone()),
            Some(Outcome::Refused) => unverified.because(format!("port {to_port} refuses, but not by our guard")),
            Some(_) => unverified.because(format!(
                "no answer from port {to_port}, but our guard did not see the probe: something before it blocks"
            )),
        })
    }

    pub(super) fn exposed(&self) -> Verdict {
        Verdict::direct(DirectAccess::Open)
            .because(format!("port {} can still be reached directly", self.to_port))
            .broken()
    }
}

/// Whether direct access from here is as promised.
pub(super) fn may_connect_directly(mapping: &Mapping, here: Option<IpAddr>) -> bool {
    mapping.direct == Direct::Allow
        || here.is_some_and(|here| mapping.direct_source.iter().any(|net| net.contains(&here)))
}
