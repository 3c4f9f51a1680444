//! What has to be proven of a host's mappings from here, and what probes and the host's counters prove.
//!
//! A counter proves something only because it counts our own marked packets; an answer proves something only
//! together with a counter. What cannot be told is *unverified*, with the reason, never taken for closed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::firewall::{Counter, Family, HOST_RULE};
use crate::mapping::{Direct, Mapping, MappingSet, PortRange, Protocol};
use crate::report::{DirectAccess, Mapped, MappingProof};

/// What one attempt showed by itself; counters say the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Connected (TCP), or something answered (UDP).
    Connected,
    /// A reset, or port unreachable: from the host, or from somebody on the way.
    Refused,
    /// No answer in time.
    Silent,
    /// There is no path from here: what the system, or a bastion, said.
    NoPath(String),
    /// A proxy that does not tell whether it connected: nothing came over it. What it said.
    Untold(String),
}

/// Where a host is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At this address.
    Address(IpAddr),
    /// Behind a proxy, which resolves this name.
    Behind(String),
}

impl Place {
    /// The place with a port, as people write it.
    fn with(&self, port: u16) -> String {
        match self {
            Self::Address(address) => SocketAddr::new(*address, port).to_string(),
            Self::Behind(name) if name.contains(':') => format!("[{name}]:{port}"),
            Self::Behind(name) => format!("{name}:{port}"),
        }
    }

    /// Whether everything goes through a proxy.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        matches!(self, Self::Behind(_))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Behind(name) => f.write_str(name),
        }
    }
}

/// From where one family of a host is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vantage {
    /// Which family.
    pub family: Family,
    /// Where the host is.
    pub host: Place,
    /// Our address as the host sees it, where known: a bastion's, if there is one.
    pub here: Option<IpAddr>,
    /// Whether the family has a nat table; without one there are no mappings, only the guard.
    pub nat: bool,
    /// Whether the operator named this address. One that only the host told of may well not be reachable.
    pub named: bool,
    /// Why nothing of this family can be looked at from here.
    pub blind: Option<String>,
}

/// How the host was logged in to: proven by the login itself, so that sshd sees at most one bare connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Management {
    /// Over which family.
    pub family: Family,
    /// Through which port.
    pub port: u16,
}

/// When a check is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Old and new ways in are both open: do the new ones work?
    Loosened,
    /// The new rules alone.
    Tightened,
}

/// Which side of a mapping a check looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The mapped port.
    Mapped,
    /// The target port, past the mapping.
    Direct,
}

/// One thing to prove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    mapping: usize,
    /// Over which family, as far as counters go.
    pub family: Family,
    side: Side,
    /// Where to connect.
    pub to: Place,
    /// To which port.
    pub at: u16,
    /// Over what.
    pub protocol: Protocol,
    port: PortRange,
    to_port: u16,
    named: bool,
    /// The new login will come this way: without it there is none.
    way_in: bool,
    /// Decided without a probe.
    pub known: Option<Verdict>,
}

/// What is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    mapped: Option<Mapped>,
    direct: Option<DirectAccess>,
    reason: Option<String>,
    broken: bool,
}

impl Verdict {
    fn mapped(mapped: Mapped) -> Self {
        Self {
            mapped: Some(mapped),
            direct: None,
            reason: None,
            broken: mapped == Mapped::Filtered,
        }
    }

    fn direct(direct: DirectAccess) -> Self {
        Self {
            mapped: None,
            direct: Some(direct),
            reason: None,
            broken: false,
        }
    }

    fn because(self, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..self
        }
    }

    fn broken(self) -> Self {
        Self { broken: true, ..self }
    }
}

/// The checks of a phase, in the order of the mappings.
///
/// `login` is a login that has been made, or will be, over exactly that way; in [`Phase::Loosened`] it gets the one
/// bare connection that sshd sees, in [`Phase::Tightened`] the login is the proof.
#[must_use]
pub fn checks(set: &MappingSet, vantages: &[Vantage], login: Option<Management>, phase: Phase) -> Vec<Check> {
    let mut checks = Vec::new();
    for (index, mapping) in set.mappings().iter().enumerate() {
        for vantage in vantages {
            for (port, to_port) in ends(mapping) {
                let check = |side, at: u16| Check {
                    mapping: index,
                    family: vantage.family,
                    side,
                    to: vantage.host.clone(),
                    at,
                    protocol: mapping.protocol,
                    port,
                    to_port,
                    named: vantage.named,
                    way_in: false,
                    known: unseen(mapping.protocol, side, vantage),
                };
                let mut mapped = check(Side::Mapped, port.first());
                let same_sshd = login.is_some_and(|login| leads_where(set, login.port) == (mapping.protocol, to_port));
                let is_login = login
                    == Some(Management {
                        family: vantage.family,
                        port: port.first(),
                    });
                mapped.way_in = is_login && mapping.protocol == Protocol::Tcp;
                mapped.known = mapped
                    .known
                    .or_else(|| excluded(mapping, vantage))
                    .or_else(|| (phase == Phase::Tightened && mapped.way_in).then(|| Verdict::mapped(Mapped::Open)));
                // Another family's way to the same sshd is looked at once, at the end.
                if phase == Phase::Tightened || !same_sshd || is_login {
                    checks.push(mapped);
                }
                if phase == Phase::Tightened {
                    checks.push(check(Side::Direct, to_port));
                }
            }
        }
    }
    checks
}

fn leads_where(set: &MappingSet, port: u16) -> (Protocol, u16) {
    let mut redirects = set
        .mappings()
        .iter()
        .filter(|mapping| mapping.protocol == Protocol::Tcp)
        .flat_map(Mapping::redirects);
    (
        Protocol::Tcp,
        redirects
            .find(|(ports, _)| ports.contains(port))
            .map_or(port, |(_, to)| to),
    )
}

/// The first and the last redirect of a range stand for all of it.
fn ends(mapping: &Mapping) -> Vec<(PortRange, u16)> {
    let redirects = mapping.redirects();
    match redirects.as_slice() {
        [] => Vec::new(),
        [only] => vec![*only],
        [first, .., last] => vec![*first, *last],
    }
}

/// What cannot be looked at through a proxy.
fn unseen(protocol: Protocol, side: Side, vantage: &Vantage) -> Option<Verdict> {
    let unverified = match side {
        Side::Mapped => Verdict::mapped(Mapped::Unverified),
        Side::Direct => Verdict::direct(DirectAccess::Unverified),
    };
    let datagrams =
        || (protocol == Protocol::Udp && vantage.host.is_behind()).then_some("no datagrams go through a proxy");
    let why = vantage.blind.as_deref().or_else(datagrams);
    why.map(|why| unverified.because(why))
}

fn excluded(mapping: &Mapping, vantage: &Vantage) -> Option<Verdict> {
    let unverified = Verdict::mapped(Mapped::Unverified);
    let family = vantage.family;
    if !vantage.nat {
        return Some(unverified.because(format!("the host has no {} nat table", family.name())));
    }
    if mapping.source.is_empty() {
        return None;
    }
    if !mapping.source.iter().any(|net| family.holds(net)) {
        return Some(unverified.because(format!("source names no {} network", family.name())));
    }
    match vantage.here {
        Some(here) if mapping.source.iter().any(|net| net.contains(&here)) => None,
        Some(here) => Some(unverified.because(format!("source does not include this machine ({here})"))),
        None => Some(unverified.because("it is not known whether source includes this machine")),
    }
}

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
    fn somebody_else(&self) -> String {
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
        let allowed = mapping.direct == Direct::Allow
            || here.is_some_and(|here| mapping.direct_source.iter().any(|net| net.contains(&here)));
        Some(match outcome {
            Some(Outcome::Connected) if !self.named && protocol == Protocol::Tcp => {
                unverified.because(self.somebody_else())
            }
            Some(Outcome::Connected) if protocol == Protocol::Tcp => {
                let open = Verdict::direct(DirectAccess::Open);
                if allowed {
                    open
                } else {
                    open.because(format!("port {to_port} can still be reached directly"))
                        .broken()
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
}

fn label(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

/// All verdicts as one line per mapping and family, and the first thing that is not as promised.
#[must_use]
pub fn summary(set: &MappingSet, verdicts: &[(Check, Verdict)]) -> (Vec<MappingProof>, Option<String>) {
    let mut lines: Vec<(usize, Family, Verdict)> = Vec::new();
    for (check, verdict) in verdicts {
        match lines
            .iter_mut()
            .find(|(index, family, _)| (*index, *family) == (check.mapping, check.family))
        {
            Some((.., line)) => line.merge(verdict),
            None => lines.push((check.mapping, check.family, verdict.clone())),
        }
    }
    let broken = verdicts
        .iter()
        .find(|(_, verdict)| verdict.broken)
        .and_then(|(check, verdict)| {
            let mapping = set.mappings().get(check.mapping)?;
            Some(format!(
                "{} {}: {}",
                check.family.name(),
                describe(mapping),
                verdict.reason.as_deref().unwrap_or_default()
            ))
        });
    let proofs = lines
        .into_iter()
        .filter_map(|(index, family, line)| Some(line.proof(set.mappings().get(index)?, family)));
    (proofs.collect(), broken)
}

fn describe(mapping: &Mapping) -> String {
    let name = mapping
        .name
        .as_deref()
        .map(|name| format!(" ({name})"))
        .unwrap_or_default();
    format!("{}/{}{name}", mapping.port, label(mapping.protocol))
}

impl Verdict {
    /// The worse of both: a range is as open as its least open end, and as exposed as its most exposed one.
    fn merge(&mut self, other: &Self) {
        let rank = |mapped: &Mapped| match mapped {
            Mapped::Open => 0,
            Mapped::Refused => 1,
            Mapped::Unverified => 2,
            Mapped::Filtered => 3,
        };
        let exposure = |direct: &DirectAccess| match direct {
            DirectAccess::Closed => 0,
            DirectAccess::Unverified => 1,
            DirectAccess::Open => 2,
        };
        self.mapped = self.mapped.into_iter().chain(other.mapped).max_by_key(rank);
        self.direct = self.direct.into_iter().chain(other.direct).max_by_key(exposure);
        self.broken |= other.broken;
        self.reason = match (self.reason.take(), &other.reason) {
            (Some(own), Some(more)) if !own.contains(more.as_str()) => Some(format!("{own}; {more}")),
            (own, more) => own.or_else(|| more.clone()),
        };
    }

    fn proof(self, mapping: &Mapping, family: Family) -> MappingProof {
        MappingProof {
            name: mapping.name.clone(),
            family,
            protocol: mapping.protocol,
            port: mapping.port,
            to_port: mapping.to_port,
            mapped: self.mapped.unwrap_or(Mapped::Unverified),
            direct: self.direct.unwrap_or(DirectAccess::Unverified),
            reason: self.reason,
        }
    }
}

#[cfg(test)]
mod tests;
