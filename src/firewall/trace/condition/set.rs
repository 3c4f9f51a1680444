//! `set`: whether a packet is in a set of ipset(8), where its members are told.
//!
//! What kind a set is of is told by its members: addresses, networks, ports, interfaces, marks, or names of other sets. Of
//! networks the narrowest decides, which may say `nomatch`. Options of the set itself (a mask for addresses, a time to
//! live) are not told and not needed of what `ipset save` prints, but for `netmask`.

use std::net::IpAddr;

use super::address::{Net, bits};
use super::ports::service_span;
use super::words::Choice;
use super::{Facts, Holds, Test, number, protocol};
use crate::firewall::trace::Host;
use crate::firewall::{Family, PortSpan};

/// `--match-set NAME FLAGS` and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SetMatch {
    name: String,
    /// For each part of a member, whether it is about where the packet comes from.
    from_source: Vec<bool>,
    /// Whether members that say `nomatch` are what is looked for.
    returns_nomatch: bool,
    /// Whether counters of the member are compared.
    counts: bool,
    unknown: String,
}

/// Sets in sets are followed this deep.
const DEEPEST: usize = 8;

impl SetMatch {
    pub fn read(choices: &[Choice<'_>]) -> Option<Test> {
        let of = |wanted: &str| choices.iter().find(|choice| choice.name == wanted);
        let choice = of("--match-set").or_else(|| of("--set"))?;
        let [name, flags] = choice.values else {
            return None;
        };
        let from_source = flags
            .split(',')
            .map(|flag| match flag {
                "src" => Some(true),
                "dst" => Some(false),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let compares =
            |choice: &Choice<'_>| choice.name.starts_with("--packets-") || choice.name.starts_with("--bytes-");
        let one = Self {
            name: name.clone(),
            from_source,
            returns_nomatch: of("--return-nomatch").is_some(),
            counts: choices.iter().any(compares),
            unknown: format!("set {name}: what is in it is not told"),
        };
        Some(Test::InSet(one).turned(choice.negated))
    }

    pub fn holds(&self, facts: &Facts, host: &Host) -> Holds<'_> {
        let is_in = self.lookup(&self.name, facts, host, 0);
        match is_in {
            Holds::Yes if self.counts => Holds::Maybe(&self.unknown),
            is_in => is_in,
        }
    }

    fn lookup(&self, name: &str, facts: &Facts, host: &Host, depth: usize) -> Holds<'_> {
        let changed = facts.changed_sets.iter().any(|other| other == name);
        let Some(members) = host.sets.get(name).filter(|_| depth < DEEPEST && !changed) else {
            return Holds::Maybe(&self.unknown);
        };
        let mut sum = Answer::default();
        for member in members {
            match Member::read(member, facts.family) {
                Some(member) => sum.add(&member, self.compare(&member, facts)),
                None => sum.others = sum.others.or(self.other(member, facts, host, depth)),
            }
        }
        self.whether(&sum)
    }

    /// A member that is the name of another set.
    fn other(&self, member: &str, facts: &Facts, host: &Host, depth: usize) -> Holds<'_> {
        let name = element(member);
        if host.sets.contains_key(name) {
            return self.lookup(name, facts, host, depth + 1);
        }
        Holds::Maybe(&self.unknown)
    }

    fn whether(&self, sum: &Answer) -> Holds<'_> {
        let wanted = self.returns_nomatch;
        let narrower = |width: u32, nomatch: bool| sum.uncertain(nomatch).is_some_and(|other| other > width);
        let matched = match sum.certain {
            Some((width, nomatch)) if narrower(width, !nomatch) => Holds::Maybe(&self.unknown),
            Some((_, nomatch)) => Holds::when(nomatch == wanted),
            None if sum.uncertain(wanted).is_some() => Holds::Maybe(&self.unknown),
            None => Holds::No,
        };
        match (matched, sum.others) {
            (one, Answered::No) | (one @ Holds::Yes, _) => one,
            (_, Answered::Yes) => Holds::Yes,
            (_, Answered::Maybe) => Holds::Maybe(&self.unknown),
        }
    }

    /// Whether the packet is what a member says; a member with more parts than there are flags matches nothing.
    fn compare(&self, member: &Member<'_>, facts: &Facts) -> Answered {
        let parts = member.text.split(',');
        if parts.clone().count() > self.from_source.len() {
            return Answered::No;
        }
        let mut sum = Answered::Yes;
        for (part, from_source) in parts.zip(&self.from_source) {
            sum = sum.and(compare(part, *from_source, facts));
            if sum == Answered::No {
                break;
            }
        }
        sum
    }
}

/// [`Holds`] without a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Answered {
    Yes,
    #[default]
    No,
    Maybe,
}

impl Answered {
    fn when(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }

    fn told(yes: Option<bool>) -> Self {
        yes.map_or(Self::Maybe, Self::when)
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, one) => one,
            (Self::Maybe, _) => Self::Maybe,
        }
    }

    fn or(self, other: Holds<'_>) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Holds::Yes) => Self::Yes,
            (one, Holds::No) => one,
            _ => Self::Maybe,
        }
    }
}

/// How narrow the narrowest members are that match, and that may, and whether each says `nomatch`.
#[derive(Default)]
struct Answer {
    certain: Option<(u32, bool)>,
    uncertain: [Option<u32>; 2],
    others: Answered,
}

impl Answer {
    fn add(&mut self, member: &Member<'_>, answer: Answered) {
        let [plain, nomatch] = &mut self.uncertain;
        match answer {
            Answered::Yes if self.certain.is_none_or(|(width, _)| width < member.width) => {
                self.certain = Some((member.width, member.nomatch));
            }
            Answered::Maybe if member.nomatch => *nomatch = (*nomatch).max(Some(member.width)),
            Answered::Maybe => *plain = (*plain).max(Some(member.width)),
            _ => {}
        }
    }

    fn uncertain(&self, nomatch: bool) -> Option<u32> {
        let [plain, without] = self.uncertain;
        if nomatch { without } else { plain }
    }
}

/// A member's line: what `ipset save` prints after `add NAME`, or all of that.
struct Member<'a> {
    text: &'a str,
    nomatch: bool,
    /// How narrow its networks are: the first one's prefix before the second one's.
    width: u32,
}

/// The element itself, without what it carries.
fn element(line: &str) -> &str {
    let rest = line
        .strip_prefix("add ")
        .and_then(|rest| rest.trim_start().split_once(' '));
    let line = rest.map_or(line, |(_, element)| element);
    line.split_whitespace().next().unwrap_or("")
}

impl<'a> Member<'a> {
    /// `None` where it is a name.
    fn read(line: &'a str, family: Family) -> Option<Self> {
        let text = element(line);
        let typed = text
            .split(',')
            .next()
            .is_some_and(|part| Part::read(part, family).is_some());
        let prefix = |part: &str| match part.split_once('/') {
            Some((_, prefix)) => prefix.parse().unwrap_or(0),
            None => 128,
        };
        typed.then(|| Self {
            text,
            nomatch: line.split_whitespace().any(|word| word == "nomatch"),
            width: text
                .split(',')
                .fold(0, |sum: u32, part| sum.wrapping_mul(256) + prefix(part)),
        })
    }
}

/// One part of a member.
enum Part {
    /// Of the other family where it is `None`.
    Net(Option<Net>),
    Ports(Option<u8>, PortSpan),
    /// Type and code of ICMP, as a number.
    Echo(u8, u16),
    Hardware,
}

impl Part {
    fn read(text: &str, family: Family) -> Option<Self> {
        let address = text
            .split(['/', '-'])
            .next()
            .and_then(|start| start.parse::<IpAddr>().ok());
        if let Some(address) = address {
            let of_family = address.is_ipv4() == (family == Family::V4);
            let net = if text.contains('-') {
                Net::range(text, family)
            } else {
                Net::read(text, family)
            };
            return Some(Self::Net(net.filter(|_| of_family)));
        }
        if is_hardware(text) {
            return Some(Self::Hardware);
        }
        match text.split_once(':') {
            Some((name, rest)) => {
                let number = protocol::number(name)?;
                if matches!(number, protocol::ICMP | protocol::ICMPV6) {
                    return Some(Self::Echo(number, icmp(rest)));
                }
                Some(Self::Ports(Some(number), service_span(rest)?))
            }
            None => text
                .split('-')
                .next()?
                .parse::<u16>()
                .ok()
                .and_then(|_| Some(Self::Ports(None, service_span(text)?))),
        }
    }
}

fn is_hardware(text: &str) -> bool {
    text.len() == 17
        && text
            .split(':')
            .all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// `TYPE/CODE` or a name; only echo requests are of interest.
fn icmp(text: &str) -> u16 {
    if matches!(text, "echo-request" | "ping") {
        return ECHO;
    }
    let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
    match (kind.parse::<u8>(), code.parse::<u8>()) {
        (Ok(kind), Ok(code)) => u16::from(kind) << 8 | u16::from(code),
        _ => u16::MAX,
    }
}

/// Stands for the name, of either family.
const ECHO: u16 = u16::MAX - 1;

/// Whether one end of a packet is what a part of a member says.
fn compare(text: &str, from_source: bool, facts: &Facts) -> Answered {
    let (address, port) = if from_source {
        (facts.source, facts.source_port)
    } else {
        (facts.destination, facts.destination_port)
    };
    match Part::read(text, facts.family) {
        Some(Part::Net(None)) => Answered::No,
        Some(Part::Net(Some(net))) => Answered::told(address.map(|address| net.contains(bits(address)))),
        Some(Part::Ports(number, span)) => ports(number, span, port, facts),
        Some(Part::Echo(number, code)) => {
            Answered::told(facts.protocol.map(|one| one == number && is_echo(number, code)))
        }
        Some(Part::Hardware) => Answered::Maybe,
        None => named(text, from_source, facts),
    }
}

fn is_echo(number: u8, code: u16) -> bool {
    let request = if number == protocol::ICMP { 8 << 8 } else { 128 << 8 };
    code == ECHO || code == request
}

/// Ports without a protocol are those of tcp and udp; with one that has none the port is 0.
fn ports(number: Option<u8>, span: PortSpan, port: Option<u16>, facts: &Facts) -> Answered {
    let Some(protocol) = facts.protocol else {
        return Answered::Maybe;
    };
    let among = Answered::told(port.map(|port| span.contains(port)));
    match number {
        Some(wanted) if wanted != protocol => Answered::No,
        Some(_) if protocol::has_ports(protocol) => among,
        Some(_) => Answered::when(span.contains(0)),
        None if matches!(protocol, protocol::TCP | protocol::UDP) => among,
        None => Answered::No,
    }
}

/// A mark, or an interface.
fn named(part: &str, from_source: bool, facts: &Facts) -> Answered {
    if let Some(mark) = part.strip_prefix("0x").and_then(|_| number(part)) {
        return Answered::told(facts.mark.map(|one| one == mark));
    }
    if part.starts_with("physdev:") {
        return Answered::Maybe;
    }
    let interface = if from_source {
        &facts.in_interface
    } else {
        &facts.out_interface
    };
    Answered::told(interface.as_ref().map(|name| name == part))
}
