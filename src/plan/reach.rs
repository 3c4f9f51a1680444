//! Who reaches what on a host, as its rules are and as they will be: packets are walked through both.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Observed;
use super::prospect::{Outlook, Prospect};
use crate::firewall::trace::{Packet, State, Tracer, Verdict};
use crate::firewall::{Family, Hook, Match, Ruleset, Side, installed};
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
    /// Everybody whom no rule names, where rules tell sources apart: this address is one of them.
    Others(IpAddr),
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator(address) => write!(f, "{address}"),
            Self::Anyone => f.write_str("anywhere"),
            Self::Others(_) => f.write_str("elsewhere"),
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

impl Reach {
    fn is_unknown(&self) -> bool {
        [&self.before, &self.after]
            .into_iter()
            .any(|reached| matches!(reached, Reached::Unknown(_)))
    }
}

impl Prospect<'_> {
    /// What becomes of new connections to every mapped port and every target port, of now and of then, and to sshd.
    #[must_use]
    pub fn reach(&self) -> Vec<Reach> {
        let ports = self.observed.ports(&self.change.mappings);
        let families = self.families.iter();
        families
            .flat_map(|outlook| self.observed.of_family(outlook, &ports))
            .collect()
    }
}

impl Observed {
    fn of_family(&self, outlook: &Outlook<'_>, ports: &[(Protocol, u16)]) -> Vec<Reach> {
        let Outlook {
            managed,
            after,
            now,
            then,
        } = outlook;
        let family = managed.view.family;
        let operator = self.here.filter(|here| family.is_of(*here)).map(From::Operator);
        let callers: Vec<From> = operator.into_iter().chain([From::Anyone]).collect();
        let of_port = |(protocol, port): &(Protocol, u16)| {
            let (protocol, port) = (*protocol, *port);
            callers
                .iter()
                .map(move |from| (protocol, port, *from))
                .collect::<Vec<_>>()
        };
        let reach = |(protocol, port, from)| {
            let packet = packet(family, protocol, port, from);
            Reach {
                protocol,
                port,
                family,
                from,
                before: self.reached(now, &packet, protocol),
                after: self.reached(then, &packet, protocol),
            }
        };
        let others = others(family, [&managed.view.ruleset, after]);
        let of_others = |known: Reach| {
            let asked = others.filter(|_| known.from == From::Anyone && known.is_unknown());
            let found = asked.map(|address| reach((known.protocol, known.port, From::Others(address))));
            found.filter(|found| !found.is_unknown()).unwrap_or(known)
        };
        ports.iter().flat_map(of_port).map(reach).map(of_others).collect()
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
        let mut seen = HashSet::new();
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
            From::Operator(address) | From::Others(address) => Some(address),
            From::Anyone => None,
        },
        destination: None,
        source_port: None,
        destination_port: Some(port),
        in_interface: None,
        state: State::New,
    }
}

/// An address of those that no rule names; rules for all addresses name nobody.
fn others(family: Family, rulesets: [&Ruleset; 2]) -> Option<IpAddr> {
    let tables = rulesets.into_iter().flat_map(|ruleset| &ruleset.tables);
    let rules = tables
        .flat_map(|table| &table.chains)
        .flat_map(|chain| chain.rules.iter());
    let named: HashSet<IpNet> = rules.flat_map(|rule| &rule.matches).filter_map(source).collect();
    let candidates = (1..=200_u8).map(|number| match family {
        Family::V4 => IpAddr::from([number, 77, 201, 133]),
        Family::V6 => IpAddr::from([0x2a00 | u16::from(number), 0x4d, 0, 0, 0, 0, 0, 0x85]),
    });
    let is_named = |address: &IpAddr| named.iter().any(|net| net.prefix_len() > 0 && net.contains(address));
    let local = [10, 127, 169, 172, 192, 198].map(|first| IpAddr::from([first, 77, 201, 133]));
    let mut public = candidates.filter(|address| !local.contains(address));
    public.find(|address| !is_named(address))
}

/// The source that a match names, turned round or not.
fn source(one: &Match) -> Option<IpNet> {
    match one {
        Match::Not(turned) => source(turned),
        Match::Address(Side::Source, net) => Some(*net),
        _ => None,
    }
}
