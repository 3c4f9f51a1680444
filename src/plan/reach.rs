//! Who reaches what on a host, as its rules are and as they will be: packets are walked through both.

use std::fmt;
use std::net::IpAddr;

use super::{HostChange, Observed};
use crate::firewall::trace::{Packet, State, Tracer, Verdict};
use crate::firewall::{Family, Hook, Ruleset, View, after, installed};
use crate::mapping::{MappingSet, Protocol};

/// Where new connections to a port come to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reached {
    /// Nowhere: a rule or a policy takes them away.
    Closed,
    /// This port of the host.
    Port {
        /// Which.
        port: u16,
        /// Whether anything listens there; `None`: not known.
        heard: Option<bool>,
    },
    /// Another host.
    Away,
    /// That depends on what is not modelled, or not known; the reason.
    Unknown(String),
}

impl Reached {
    /// In words, of connections to `port`: `closed`, `open`, `reaches 22`.
    #[must_use]
    pub fn words(&self, port: u16) -> String {
        match self {
            Self::Closed => "closed".to_owned(),
            Self::Port { port: at, heard } if *at == port => {
                let open = if *heard == Some(false) {
                    "open, nothing listens"
                } else {
                    "open"
                };
                open.to_owned()
            }
            Self::Port {
                port: at,
                heard: Some(false),
            } => format!("reaches {at}, nothing listens"),
            Self::Port { port: at, .. } => format!("reaches {at}"),
            Self::Away => "goes on to another host".to_owned(),
            Self::Unknown(reason) => format!("not known ({reason})"),
        }
    }
}

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum From {
    /// The operator, from the address that the host sees.
    Operator(IpAddr),
    /// Anybody, from anywhere.
    Anyone,
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(address) => write!(f, "{address}"),
            Self::Anyone => f.write_str("anywhere"),
        }
    }
}

/// What becomes of new connections to a port by a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Their protocol.
    pub protocol: Protocol,
    /// The port that they are made to.
    pub port: u16,
    /// Their family.
    pub family: Family,
    /// Who makes them.
    pub from: From,
    /// Where they come to now.
    pub before: Reached,
    /// Where they will come to.
    pub after: Reached,
}

impl Observed {
    /// What becomes of new connections to every mapped port and every target port, of now and of then, and to sshd.
    #[must_use]
    pub fn reach(&self, change: &HostChange) -> Vec<Reach> {
        let ports = self.ports(&change.mappings);
        let families = self.families.iter().zip(&change.families);
        families
            .flat_map(|(managed, change)| {
                let then = after(&managed.view, &change.change);
                self.of_family(&managed.view, &then, &ports)
            })
            .collect()
    }

    fn of_family(&self, view: &View, then: &Ruleset, ports: &[(Protocol, u16)]) -> Vec<Reach> {
        let family = view.family;
        let (now, then) = (Tracer::new(&view.ruleset, &self.host), Tracer::new(then, &self.host));
        let operator = self.here.filter(|here| family.is_of(*here)).map(From::Operator);
        let callers: Vec<From> = operator.into_iter().chain([From::Anyone]).collect();
        let of_port = |(protocol, port): &(Protocol, u16)| {
            let (protocol, port) = (*protocol, *port);
            callers
                .iter()
                .map(move |from| (protocol, port, *from))
                .collect::<Vec<_>>()
        };
        ports
            .iter()
            .flat_map(of_port)
            .map(|(protocol, port, from)| {
                let packet = packet(family, protocol, port, from);
                Reach {
                    protocol,
                    port,
                    family,
                    from,
                    before: self.reached(&now, &packet, protocol),
                    after: self.reached(&then, &packet, protocol),
                }
            })
            .collect()
    }

    fn reached(&self, tracer: &Tracer<'_>, packet: &Packet, protocol: Protocol) -> Reached {
        let trace = tracer.trace(packet);
        match (trace.verdict, trace.destination_port) {
            (Verdict::Drop | Verdict::Reject, _) => Reached::Closed,
            (Verdict::Accept, _) if trace.local == Some(false) => Reached::Away,
            (Verdict::Accept, Some(port)) => Reached::Port {
                port,
                heard: self.heard(packet.family, protocol, port),
            },
            _ => Reached::Unknown(trace.reason.unwrap_or_else(|| "where it is delivered".to_owned())),
        }
    }

    fn heard(&self, family: Family, protocol: Protocol, port: u16) -> Option<bool> {
        let hears = |listener: &super::Listener| {
            listener.protocol == protocol && listener.port == port && listener.is_reachable(family)
        };
        (!self.listeners.is_empty()).then(|| self.listeners.iter().any(hears))
    }

    /// Mapped ports and their targets, as they will be and then as they are, and sshd's own port.
    fn ports(&self, desired: &MappingSet) -> Vec<(Protocol, u16)> {
        let mut ports: Vec<(Protocol, u16)> = Vec::new();
        for mapping in desired.mappings() {
            let (port, to) = (mapping.port, mapping.to_port);
            let all = [port.first(), port.last(), to.first(), to.last()];
            ports.extend(all.map(|port| (mapping.protocol, port)));
        }
        ports.extend(
            self.families
                .iter()
                .flat_map(|managed| redirected(&managed.view.ruleset)),
        );
        ports.extend(self.sshd.map(|port| (Protocol::Tcp, port)));
        let mut seen = std::collections::HashSet::new();
        ports.retain(|port| seen.insert(*port));
        ports
    }
}

/// Ports that our rules redirect now, and where to.
fn redirected(ruleset: &Ruleset) -> Vec<(Protocol, u16)> {
    let hooks = installed(ruleset).hooks;
    let chains = hooks.get(&Hook::Prerouting).into_iter().flat_map(|state| &state.chains);
    let rules = chains.flat_map(|chain| ruleset.rules(Hook::Prerouting.table(), chain));
    rules
        .filter_map(crate::firewall::Rule::redirect)
        .flat_map(|(protocol, ports, to)| [(protocol, ports.first), (protocol, ports.last), (protocol, to)])
        .collect()
}

fn packet(family: Family, protocol: Protocol, port: u16, from: From) -> Packet {
    Packet {
        family,
        protocol: protocol.to_string(),
        source: match from {
            From::Operator(address) => Some(address),
            From::Anyone => None,
        },
        destination: None,
        source_port: None,
        destination_port: Some(port),
        in_interface: None,
        state: State::New,
    }
}
