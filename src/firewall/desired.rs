//! The rules that a mapping set asks for, in the kernel's own spelling, chain by chain.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::counters::Counter;
use super::names::Hook;
use super::rule::Rule;
use super::words::quote;
use super::{Family, Mark, View};
use crate::mapping::{Direct, Mapping, MappingSet, PortRange, Protocol};

/// One rule of ours: what follows `-A CHAIN`, and what it counts of our own probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub spec: String,
    pub counter: Option<Counter>,
}

impl Line {
    pub fn plain(spec: impl Into<String>) -> Self {
        Self {
            spec: spec.into(),
            counter: None,
        }
    }

    /// The typed rule. Everything that this module writes can be read.
    pub fn rule(&self) -> Option<Rule> {
        Rule::from_spec(&self.spec)
    }
}

/// The lines of each chain that a view can have.
pub(super) type Bodies = BTreeMap<Hook, Vec<Line>>;

/// What a host of this view should have for these mappings.
pub(super) fn bodies(view: &View, set: &MappingSet, mark: &Mark) -> Bodies {
    let writer = Writer {
        family: view.family,
        mark,
    };
    let body = |hook: &Hook| {
        let mut lines = match hook {
            Hook::Prerouting => writer.each(set, Writer::redirects),
            Hook::Output => set.mappings().iter().flat_map(loopback).collect(),
            Hook::Seen => writer.each(set, Writer::seen),
            Hook::Guard => writer.guard(set),
            Hook::Accept => writer.each(set, Writer::accepts),
        };
        keep_first(&mut lines);
        (*hook, lines)
    };
    view.hooks().iter().map(body).collect()
}

/// The target ports that some mapping lets connections through to in this family.
pub(super) fn accepted_ports(family: Family, set: &MappingSet) -> Vec<(Protocol, u16)> {
    let writer = Writer {
        family,
        mark: &Mark::default(),
    };
    let used = set.mappings().iter().filter(|mapping| !writer.who(mapping).is_empty());
    let mut ports: Vec<_> = used.flat_map(targets).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

fn targets(mapping: &Mapping) -> impl Iterator<Item = (Protocol, u16)> + '_ {
    mapping
        .redirects()
        .into_iter()
        .map(|(_, to_port)| (mapping.protocol, to_port))
}

/// Two mappings may ask for the same line.
fn keep_first(lines: &mut Vec<Line>) {
    let mut seen = std::collections::HashSet::new();
    lines.retain(|line| seen.insert(line.spec.clone()));
}

/// Who a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Who<'a> {
    source: Option<IpNet>,
    interface: Option<&'a str>,
}

impl Who<'_> {
    /// `-s … -i … `, what is given of them.
    fn words(self) -> String {
        let source = self.source.filter(|net| net.prefix_len() > 0);
        let source = source.map_or(String::new(), |net| format!("-s {} ", net.trunc()));
        source
            + &self
                .interface
                .map_or(String::new(), |name| format!("-i {} ", quote(name)))
    }
}

struct Writer<'a> {
    family: Family,
    mark: &'a Mark,
}

impl Writer<'_> {
    fn each(&self, set: &MappingSet, write: impl Fn(&Self, &Mapping) -> Vec<Line>) -> Vec<Line> {
        set.mappings().iter().flat_map(|mapping| write(self, mapping)).collect()
    }

    /// Who may use a mapping in this family: nobody, where its sources are all of the other.
    fn who<'a>(&self, mapping: &'a Mapping) -> Vec<Who<'a>> {
        let interface = mapping.interface.as_deref();
        if mapping.source.is_empty() {
            return vec![Who {
                source: None,
                interface,
            }];
        }
        let sources = mapping.source.iter().filter(|net| self.family.holds(net));
        sources
            .map(|net| Who {
                source: Some(*net),
                interface,
            })
            .collect()
    }

    fn redirects(&self, mapping: &Mapping) -> Vec<Line> {
        let protocol = mapping.protocol;
        let mut lines = Vec::new();
        for (port, to_port) in mapping.redirects() {
            let service = format!("-m addrtype --dst-type LOCAL {}", dport(protocol, &span(port)));
            for who in self.who(mapping) {
                lines.extend(self.counting(who, protocol, &service, Counter::Redirected { protocol, port }));
                let target = format!("-j REDIRECT --to-ports {to_port}");
                lines.push(Line::plain(format!(
                    "{}-p {} {service} {target}",
                    who.words(),
                    word(protocol)
                )));
            }
        }
        lines
    }

    fn seen(&self, mapping: &Mapping) -> Vec<Line> {
        let protocol = mapping.protocol;
        let mut lines = Vec::new();
        for (port, to_port) in mapping
            .redirects()
            .into_iter()
            .filter(|_| !self.who(mapping).is_empty())
        {
            let service = through(protocol, port, to_port);
            lines.push(Line::plain(format!("-p {} {service}", word(protocol))));
            let counter = Counter::Seen {
                protocol,
                port,
                to_port,
            };
            lines.extend(self.counting(Who::default(), protocol, &service, counter));
        }
        lines
    }

    fn accepts(&self, mapping: &Mapping) -> Vec<Line> {
        let mut who = self.who(mapping);
        if mapping.loopback && (mapping.interface.is_some() || !mapping.source.is_empty()) {
            who.push(Who {
                source: None,
                interface: Some("lo"),
            });
        }
        let mut lines = Vec::new();
        for (port, to_port) in mapping.redirects() {
            let rule = format!(
                "-p {} {} -j ACCEPT",
                word(mapping.protocol),
                through(mapping.protocol, port, to_port)
            );
            lines.extend(who.iter().map(|who| Line::plain(format!("{}{rule}", who.words()))));
        }
        lines
    }

    /// Takes away and never accepts: first everything that may pass, then what closes each target port.
    fn guard(&self, set: &MappingSet) -> Vec<Line> {
        let mut lines = vec![Line::plain("-i lo -j RETURN")];
        lines.extend(self.each(set, |_, mapping| mapped_returns(mapping)));
        lines.extend(self.each(set, Self::direct_returns));
        for ((protocol, to_port), direct) in closed(set) {
            let service = initial(protocol, to_port);
            let counter = Counter::Guarded { protocol, to_port };
            lines.extend(self.counting(Who::default(), protocol, &service, counter));
            let target = self.closing(protocol, direct);
            lines.push(Line::plain(format!("-p {} {service} -j {target}", word(protocol))));
        }
        lines
    }

    fn direct_returns(&self, mapping: &Mapping) -> Vec<Line> {
        let mut lines = Vec::new();
        for (protocol, to_port) in targets(mapping).filter(|_| mapping.direct != Direct::Allow) {
            for net in mapping.direct_source.iter().filter(|net| self.family.holds(net)) {
                let who = Who {
                    source: Some(*net),
                    interface: None,
                }
                .words();
                let service = dport(protocol, &single(to_port));
                lines.push(Line::plain(format!("{who}-p {} {service} -j RETURN", word(protocol))));
            }
        }
        lines
    }

    fn closing(&self, protocol: Protocol, direct: Direct) -> &'static str {
        match (direct, protocol, self.family) {
            (Direct::Reject, Protocol::Tcp, _) => "REJECT --reject-with tcp-reset",
            (Direct::Reject, Protocol::Udp, Family::V4) => "REJECT --reject-with icmp-port-unreachable",
            (Direct::Reject, Protocol::Udp, Family::V6) => "REJECT --reject-with icmp6-port-unreachable",
            _ => "DROP",
        }
    }

    /// A rule without a target that counts our own probes among these packets; `None` where they cannot be told
    /// apart or cannot be among them.
    fn counting(&self, who: Who<'_>, protocol: Protocol, service: &str, counter: Counter) -> Option<Line> {
        let mark = match protocol {
            Protocol::Tcp => self.mark.mss.map(|mss| format!(" -m tcpmss --mss {mss}")),
            Protocol::Udp => self
                .mark
                .udp_length
                .map(|length| format!(" -m length --length {length}")),
        };
        let source = match self.mark.source {
            None if mark.is_none() => return None,
            None => who.source,
            Some(source) => Some(self.probe_source(who, source)?),
        };
        let who = Who { source, ..who }.words();
        let spec = format!("{who}-p {} {service}{}", word(protocol), mark.unwrap_or_default());
        Some(Line {
            spec,
            counter: Some(counter),
        })
    }

    fn probe_source(&self, who: Who<'_>, source: IpAddr) -> Option<IpNet> {
        let net = IpNet::from(source);
        let among = self.family.holds(&net) && who.source.is_none_or(|sources| sources.contains(&source));
        among.then_some(net)
    }
}

/// What the host sends to itself comes from the host, whatever the mapping's sources are.
fn loopback(mapping: &Mapping) -> Vec<Line> {
    let redirects = mapping.redirects().into_iter().filter(|_| mapping.loopback);
    let line = |(port, to_port)| {
        let protocol = mapping.protocol;
        let service = dport(protocol, &span(port));
        let target = format!("-j REDIRECT --to-ports {to_port}");
        Line::plain(format!(
            "-p {} -m addrtype --dst-type LOCAL {service} {target}",
            word(protocol)
        ))
    };
    redirects.map(line).collect()
}

fn mapped_returns(mapping: &Mapping) -> Vec<Line> {
    let protocol = mapping.protocol;
    let line = |(port, to_port)| {
        Line::plain(format!(
            "-p {} {} -j RETURN",
            word(protocol),
            through(protocol, port, to_port)
        ))
    };
    mapping.redirects().into_iter().map(line).collect()
}

/// What each target port is closed with. Where mappings that share one disagree, the stricter counts.
fn closed(set: &MappingSet) -> BTreeMap<(Protocol, u16), Direct> {
    let mut closed = BTreeMap::new();
    for mapping in set.mappings().iter().filter(|mapping| mapping.direct != Direct::Allow) {
        for target in targets(mapping) {
            let direct = closed.entry(target).or_insert(mapping.direct);
            if mapping.direct == Direct::Drop {
                *direct = Direct::Drop;
            }
        }
    }
    closed
}

fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn single(port: u16) -> String {
    port.to_string()
}

fn span(ports: PortRange) -> String {
    match ports.count() {
        1 => single(ports.first()),
        _ => format!("{}:{}", ports.first(), ports.last()),
    }
}

/// `-m tcp --dport N`.
fn dport(protocol: Protocol, ports: &str) -> String {
    format!("-m {} --dport {ports}", word(protocol))
}

/// `-p tcp -m tcp --dport N `, what a jump for one target port matches.
pub(super) fn service(protocol: Protocol, port: u16) -> String {
    format!("-p {} {} ", word(protocol), dport(protocol, &single(port)))
}

/// Packets of connections that came in by `port` and were sent to `to_port`.
fn through(protocol: Protocol, port: PortRange, to_port: u16) -> String {
    format!(
        "{} -m conntrack --ctorigdstport {}",
        dport(protocol, &single(to_port)),
        span(port)
    )
}

/// The first packet of a connection to `to_port`. For TCP the SYN alone says so: to conntrack that has just been
/// loaded, living connections look new.
fn initial(protocol: Protocol, to_port: u16) -> String {
    let service = dport(protocol, &single(to_port));
    match protocol {
        Protocol::Tcp => format!("{service} --tcp-flags FIN,SYN,RST,ACK SYN"),
        Protocol::Udp => format!("{service} -m conntrack --ctstate NEW"),
    }
}
