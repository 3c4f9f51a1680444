//! What the tracer says of packets beside what the kernel does with them.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use portmap_deploy::firewall::trace::{Host, Packet, State, Trace, Tracer, Verdict};
use portmap_deploy::firewall::{Family, Ruleset};

use super::wire::Wire;
use super::world::{Outcome, World};

/// A packet, as the tracer is told of it and as it is sent.
#[derive(Debug, Clone)]
pub struct Case {
    /// All of it is told.
    pub packet: Packet,
    /// Its bytes.
    pub wire: Wire,
}

impl Case {
    /// A packet whose every field is told. A number below two million tells it from others.
    pub fn new(id: u32, packet: Packet) -> Self {
        let protocol = number(&packet.protocol);
        let (from, to) = (packet.source.unwrap(), packet.destination.unwrap());
        let echo = u16::try_from(id & 0xffff).unwrap();
        let wire = Wire {
            id,
            protocol,
            from: (from, packet.source_port.unwrap_or(echo)),
            to: (to, packet.destination_port.unwrap_or(0)),
            right_checksum: true,
            dscp: 0,
            padding: 3,
        };
        Self { packet, wire }
    }

    /// Whether the kernel tells nobody that it refuses this packet.
    pub fn is_refused_silently(&self) -> bool {
        let to_many = match self.packet.destination {
            Some(IpAddr::V4(to)) => {
                to.is_multicast() || to.is_broadcast() || to.octets()[3] == 255 || to.octets()[3] == 0
            }
            Some(IpAddr::V6(to)) => to.is_multicast(),
            None => false,
        };
        let nobody = self.packet.source.is_some_and(|from| !super::pools::is_plain(from));
        to_many || nobody || self.packet.state == State::Invalid
    }

    /// Whether something of it is never told: what its connection was like before, who is in a group.
    pub fn is_partly_told(&self) -> bool {
        let group = self.packet.destination.is_some_and(|to| to.is_multicast());
        group || matches!(self.packet.state, State::Established | State::Related)
    }

    /// The packet with some of it not told.
    fn told_less(&self, host: &Host) -> Vec<Packet> {
        let whole = &self.packet;
        let local = |address: Option<IpAddr>| {
            host.interfaces
                .iter()
                .flat_map(|(_, nets)| nets)
                .any(|net| Some(net.addr()) == address)
        };
        let mut all = vec![Packet {
            destination_port: None,
            ..whole.clone()
        }];
        // A source that is not told is somebody out there, who calls by the way that answers take.
        let outside = |source: IpAddr| {
            let mut nets = host.interfaces.iter().flat_map(|(_, nets)| nets);
            super::pools::is_plain(source) && !nets.any(|net| net.contains(&source))
        };
        if whole.source.is_some_and(outside) && whole.in_interface == host.default_interface {
            all.push(Packet {
                source: None,
                source_port: None,
                ..whole.clone()
            });
        }
        if local(whole.destination) && whole.destination.is_some_and(super::pools::is_plain) {
            all.push(Packet {
                destination: None,
                ..whole.clone()
            });
        }
        // What goes to a loop is taken to come from there where it does not say.
        if whole.in_interface == host.default_interface && whole.destination.is_some_and(super::pools::is_plain) {
            all.push(Packet {
                in_interface: None,
                ..whole.clone()
            });
        }
        all
    }
}

/// A protocol's number.
pub fn number(protocol: &str) -> u8 {
    match protocol {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "gre" => 47,
        "esp" => 50,
        "ipv6-icmp" => 58,
        "sctp" => 132,
        other => other.parse().unwrap(),
    }
}

/// How a trace stands to the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It says what happens.
    Right,
    /// It does not know: why.
    Unknown(String),
    /// It says something else.
    Wrong,
}

/// Judges a trace of a packet by what became of it.
pub fn judge(case: &Case, trace: &Trace<'_>, outcome: Outcome) -> Judgement {
    let same = match (trace.verdict, outcome) {
        (Verdict::Unknown, _) => return Judgement::Unknown(trace.reason.clone().unwrap_or_default()),
        (Verdict::Accept, Outcome::Delivered(to, port)) => arrives(trace, true, to, port),
        (Verdict::Accept, Outcome::Forwarded(to, port)) => arrives(trace, false, to, port),
        (Verdict::Drop, Outcome::Gone) | (Verdict::Reject, Outcome::Refused) => true,
        (Verdict::Reject, Outcome::Gone) => case.is_refused_silently(),
        _ => false,
    };
    if same { Judgement::Right } else { Judgement::Wrong }
}

fn arrives(trace: &Trace<'_>, local: bool, to: IpAddr, port: Option<u16>) -> bool {
    trace.local.is_none_or(|said| said == local)
        && trace.destination.is_none_or(|said| said == to)
        && (port.is_none() || trace.destination_port.is_none_or(|said| Some(said) == port))
}

/// What comparisons came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Rule sets that the kernel took.
    pub rulesets: usize,
    /// Rule sets that it did not take.
    pub refused: usize,
    /// Packets sent.
    pub packets: usize,
    /// What became of them.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// Packets whose trace is unknown, of those that no question tells all of.
    pub untold: usize,
    /// All other packets whose trace is unknown, by reason.
    pub unknown: BTreeMap<String, usize>,
    /// Accepted packets of which the tracer does not say where they arrive.
    pub placeless: usize,
    /// How many traces are wrong.
    pub wrong: usize,
    /// The first of each rule set, with the fewest rules that show it.
    pub reports: Vec<String>,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.rulesets += other.rulesets;
        self.refused += other.refused;
        self.packets += other.packets;
        self.placeless += other.placeless;
        self.untold += other.untold;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (reason, count) in other.unknown {
            *self.unknown.entry(reason).or_default() += count;
        }
        self.wrong += other.wrong;
        self.reports.extend(other.reports);
    }

    /// Notes something wrong.
    pub fn report(&mut self, report: String) {
        self.wrong += 1;
        self.reports.push(report);
    }

    /// How many traces are unknown.
    pub fn unknowns(&self) -> usize {
        self.unknown.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets through {} rule sets ({} not taken by the kernel): {:?}; {} wrong, {} unknown, {} unknown of what is never told, \
             {} accepted without a place",
            self.packets,
            self.rulesets,
            self.refused,
            self.outcomes,
            self.wrong,
            self.unknowns(),
            self.untold,
            self.placeless
        )?;
        let mut reasons: Vec<_> = self.unknown.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        reasons
            .iter()
            .take(12)
            .try_for_each(|(reason, count)| write!(f, "\n  unknown {count}: {reason}"))
    }
}

/// A rule set on a host, and the family it is for.
#[derive(Clone, Copy)]
pub struct Ground<'a> {
    /// The host.
    pub world: &'a World,
    /// What the tracer is told of it.
    pub host: &'a Host,
    /// The family.
    pub family: Family,
}

impl Ground<'_> {
    /// Loads rules, sends packets, and compares. At most one wrong packet is reported, with the fewest rules that show it.
    pub fn compare(self, title: &str, text: &str, cases: &[Case]) -> Tally {
        let mut tally = Tally::default();
        let Ok(ruleset) = Ruleset::parse_file(text) else {
            tally.report(format!("{title}: the rules are not read"));
            return tally;
        };
        if let Err(complaint) = self.world.load(self.family, text) {
            if std::env::var_os("PORTMAP_SHOW_REFUSED").is_some() {
                let line = |word: &str| {
                    word.trim_matches(':')
                        .parse()
                        .ok()
                        .and_then(|number: usize| text.lines().nth(number.checked_sub(1)?))
                };
                let lines: Vec<_> = complaint.split_whitespace().filter_map(line).collect();
                super::say(&format!("{title}: {complaint}{lines:?}"));
            }
            tally.refused += 1;
            return tally;
        }
        tally.rulesets += 1;
        tally.packets += cases.len();
        let tracer = Tracer::new(&ruleset, self.host);
        for (case, mut outcome) in cases.iter().zip(self.send(cases)) {
            *tally.outcomes.entry(word(outcome)).or_default() += 1;
            let trace = tracer.trace(&case.packet);
            // It may have met a connection of a packet before it; alone it begins one.
            if judge(case, &trace, outcome) == Judgement::Wrong {
                outcome = self.send(std::slice::from_ref(case))[0];
            }
            match judge(case, &trace, outcome) {
                Judgement::Right => {
                    let placeless = trace.verdict == Verdict::Accept && trace.destination.is_none();
                    tally.placeless += usize::from(placeless);
                }
                Judgement::Unknown(_) if case.is_partly_told() => tally.untold += 1,
                Judgement::Unknown(reason) => *tally.unknown.entry(reason).or_default() += 1,
                Judgement::Wrong => {
                    let first = format!("{outcome:?}, {}", describe(&trace));
                    self.note(&mut tally, title, text, (case, &case.packet), &first);
                    continue;
                }
            }
            let mut less = case.told_less(self.host).into_iter();
            if let Some(less) = less.find(|less| judge(case, &tracer.trace(less), outcome) == Judgement::Wrong) {
                self.note(&mut tally, title, text, (case, &less), &format!("{outcome:?}"));
            }
        }
        tally
    }

    /// What becomes of each packet in the kernel.
    pub fn send(self, cases: &[Case]) -> Vec<Outcome> {
        let sent: Vec<_> = cases
            .iter()
            .map(|case| {
                (
                    case.packet.in_interface.as_deref().unwrap(),
                    case.packet.state,
                    case.wire.clone(),
                )
            })
            .collect();
        self.world.send(&sent)
    }

    fn note(self, tally: &mut Tally, title: &str, text: &str, (case, told): (&Case, &Packet), first: &str) {
        if tally.reports.is_empty() {
            tally.report(self.report(title, text, case, told, first));
        } else {
            tally.wrong += 1;
        }
    }

    /// The wrong trace with as few rules as show it.
    fn report(self, title: &str, text: &str, case: &Case, told: &Packet, first: &str) -> String {
        let small = self.minimise(text, case, told);
        let mut report = format!("{} {title}: {told:?}\nat first: {first}\n", self.world.backend());
        match self.attempt(&small, case, told) {
            Some((outcome, trace)) => drop(writeln!(report, "the kernel: {outcome:?}\nthe tracer: {trace}")),
            None => report += "not once more: it depends on the packets before\n",
        }
        // Whoever comes next finds the whole again.
        let _ = self.world.load(self.family, text);
        report + &small
    }

    /// Whether this text still shows it; what both say.
    fn attempt(self, text: &str, case: &Case, told: &Packet) -> Option<(Outcome, String)> {
        let ruleset = Ruleset::parse_file(text).ok()?;
        self.world.load(self.family, text).ok()?;
        let outcome = *self.send(std::slice::from_ref(case)).first()?;
        let tracer = Tracer::new(&ruleset, self.host);
        let trace = tracer.trace(told);
        (judge(case, &trace, outcome) == Judgement::Wrong).then(|| (outcome, describe(&trace)))
    }

    /// Leaves out lines, many at once, then fewer, as long as the trace is wrong.
    fn minimise(self, text: &str, case: &Case, told: &Packet) -> String {
        let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let mut step = lines.len().div_ceil(2);
        while step > 0 {
            let mut at = 0;
            while at < lines.len() {
                let end = (at + step).min(lines.len());
                let is_rule = |line: &&&str| line.starts_with("-A") || line.ends_with("- [0:0]");
                let kept: Vec<&str> = [&lines[..at], &lines[end..]].concat();
                let cut: Vec<&str> = lines[at..end].iter().filter(is_rule).copied().collect();
                let rest: Vec<&str> = lines[at..end].iter().filter(|line| !is_rule(line)).copied().collect();
                let candidate = if rest.is_empty() {
                    kept
                } else {
                    [&lines[..at], &rest, &lines[end..]].concat()
                };
                if !cut.is_empty() && self.attempt(&(candidate.join("\n") + "\n"), case, told).is_some() {
                    lines = candidate;
                } else {
                    at = end;
                }
            }
            step /= 2;
        }
        lines.join("\n") + "\n"
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered(..) => "delivered",
        Outcome::Forwarded(..) => "forwarded",
        Outcome::Refused => "refused",
        Outcome::Gone => "gone",
    }
}

fn describe(trace: &Trace<'_>) -> String {
    let mut text = format!(
        "{} {:?} {:?} local {:?} {:?}",
        trace.verdict, trace.destination, trace.destination_port, trace.local, trace.reason
    );
    for step in &trace.steps {
        let rule = step.rule.map_or("policy", |rule| rule.spec());
        let _ = write!(
            text,
            "\n    {} {} {}: {rule} certain {}",
            step.table, step.chain, step.number, step.certain
        );
    }
    text
}
