//! One rule, typed. Matches that are not understood are kept word for word.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;

use super::options;
use super::parse::{self, Fault};
use super::spec::Spec;
use super::words::{self, Word};
use crate::mapping::Protocol;

/// Ports from `first` to `last`, both included; unlike a mapping's they may be 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSpan {
    /// The lowest port.
    pub first: u16,
    /// The highest port.
    pub last: u16,
}

impl PortSpan {
    /// Whether `port` is one of them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

/// Which end of a packet a match looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
    /// Either (multiport's `--ports`).
    Either,
}

/// One condition, as in iptables(8) and iptables-extensions(8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Match {
    /// A condition turned round by `!`.
    Not(Box<Match>),
    /// `-p`, by name where it has one that we know, else as written.
    Protocol(String),
    /// `-s` or `-d`.
    Address(Side, IpNet),
    /// `-i`; may end in `+`.
    InInterface(String),
    /// `-o`; may end in `+`.
    OutInterface(String),
    /// `--sport` or `--dport`.
    Port(Side, PortSpan),
    /// `-m multiport`.
    Ports(Side, Vec<PortSpan>),
    /// `--tcp-flags`: of the flags in `mask`, exactly those in `set` are on. Bits as in the TCP header.
    TcpFlags {
        /// Flags that are looked at.
        mask: u8,
        /// Flags that must be on.
        set: u8,
    },
    /// `--ctstate` or `--state`.
    State(BTreeSet<String>),
    /// `--ctorigdstport`: the destination port before any rewriting.
    OriginalPort(PortSpan),
    /// `--src-type` or `--dst-type` of addrtype.
    AddressType(Side, BTreeSet<String>),
    /// `-m tcpmss --mss`, a range.
    Mss(PortSpan),
    /// `-m length --length`, a range.
    Length(PortSpan),
    /// `-m comment`.
    Comment(String),
    /// Anything else, word for word.
    Other {
        /// The module, or the empty string.
        module: String,
        /// Its options.
        words: Vec<String>,
    },
}

/// What a rule does with a packet that it matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Only counts.
    None,
    /// `-j`: a built-in target, an extension, or another chain.
    Jump {
        /// Its name.
        name: String,
        /// Its options.
        options: Vec<String>,
    },
    /// `-g`: another chain, which returns to our caller.
    Goto(String),
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Packets and bytes, where they were printed.
    pub counters: Option<(u64, u64)>,
    /// Its conditions, all of which must hold.
    pub matches: Vec<Match>,
    /// What it does.
    pub target: Target,
    /// The line as it was printed, from `-A` on.
    pub raw: String,
}

impl Rule {
    /// Reads `[packets:bytes] -A CHAIN …`; hands back the chain as well.
    pub(super) fn read(line: &str) -> Result<(String, Self), Fault> {
        let (counters, raw) = counters(line)?;
        let offset = line.chars().count() - raw.chars().count();
        let shift = |(at, message): Fault| (offset + at, message);
        let words = split(raw).map_err(shift)?;
        let [append, chain, rest @ ..] = words.as_slice() else {
            return Err(shift((0, "a rule without a chain".to_owned())));
        };
        if !append.is("-A") {
            return Err(shift((
                0,
                format!("not a line of iptables-save: {}", parse::excerpt(raw)),
            )));
        }
        let spec = Spec::read(rest).map_err(shift)?;
        Ok((chain.text.clone(), Self::new(&spec, counters, raw.to_owned())))
    }

    /// The rule that a specification says.
    pub(super) fn new(spec: &Spec, counters: Option<Counts>, raw: String) -> Self {
        Self {
            counters: options::counters(spec).or(counters),
            matches: options::matches(spec),
            target: options::target(spec),
            raw,
        }
    }

    /// A rule from what follows `-A CHAIN`; `None` where that cannot be read.
    pub(super) fn from_spec(spec: &str) -> Option<Self> {
        Self::read(&format!("-A - {spec}")).ok().map(|(_, rule)| rule)
    }

    /// The text after `-A CHAIN`.
    #[must_use]
    pub fn spec(&self) -> &str {
        self.raw.splitn(3, ' ').nth(2).unwrap_or("")
    }

    /// What it means: its conditions in no particular order, and what it does.
    #[must_use]
    pub fn meaning(&self) -> (Vec<&Match>, &Target) {
        let mut matches: Vec<_> = self.matches.iter().collect();
        matches.sort_unstable();
        (matches, &self.target)
    }

    /// Whether two rules mean the same, whatever their counters, spelling and order of matches.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.meaning() == other.meaning()
    }

    /// Its conditions but comments, in no particular order.
    pub(super) fn conditions(&self) -> Vec<&Match> {
        let mut matches: Vec<_> = self
            .matches
            .iter()
            .filter(|one| !matches!(one, Match::Comment(_)))
            .collect();
        matches.sort_unstable();
        matches
    }

    /// The comments that it carries.
    pub(super) fn comments(&self) -> impl Iterator<Item = &str> {
        self.matches.iter().filter_map(|one| match one {
            Match::Comment(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The chain or target that it leads to by `-j` or `-g`.
    #[must_use]
    pub fn leads_to(&self) -> Option<&str> {
        match &self.target {
            Target::None => None,
            Target::Jump { name, .. } | Target::Goto(name) => Some(name),
        }
    }

    /// The text after `-A CHAIN` without its comments.
    #[must_use]
    pub fn spec_without_comments(&self) -> String {
        let Ok(words) = words::split(self.spec()) else {
            return self.spec().to_owned();
        };
        let mut kept = Vec::new();
        let mut words = words.iter().map(|word| word.text.as_str()).peekable();
        while let Some(word) = words.next() {
            match word {
                "-m" if words.peek() == Some(&"comment") => drop(words.next()),
                "--comment" => drop(words.next()),
                word => kept.push(words::quote(word)),
            }
        }
        kept.join(" ")
    }

    /// What it redirects, where it says so plainly: protocol, ports, and the port that they lead to.
    #[must_use]
    pub fn redirect(&self) -> Option<(Protocol, PortSpan, u16)> {
        let (protocol, ports) = self.service()?;
        match &self.target {
            Target::Jump { name, options } if name == "REDIRECT" => match options.as_slice() {
                [option, port] if option == "--to-ports" => Some((protocol, ports, port.parse().ok()?)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The protocol and the destination ports that it is about, where it names one of each.
    pub(super) fn service(&self) -> Option<(Protocol, PortSpan)> {
        let protocol = self.matches.iter().find_map(|one| match one {
            Match::Protocol(name) if name == "tcp" => Some(Protocol::Tcp),
            Match::Protocol(name) if name == "udp" => Some(Protocol::Udp),
            _ => None,
        });
        let ports = self.matches.iter().find_map(|one| match one {
            Match::Port(Side::Destination, ports) => Some(*ports),
            _ => None,
        });
        protocol.zip(ports)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((packets, bytes)) = self.counters {
            write!(f, "[{packets}:{bytes}] ")?;
        }
        f.write_str(&self.raw)
    }
}

/// Packets and bytes.
pub(super) type Counts = (u64, u64);

/// The words of a rule.
pub(super) fn split(raw: &str) -> Result<Vec<Word>, Fault> {
    let words = words::split(raw).map_err(|at| (at, "a quote that is never closed".to_owned()))?;
    // Comments may hold tabs.
    match raw
        .chars()
        .position(|character| character != '\t' && character.is_control())
    {
        Some(at) => Err((at, "a control character".to_owned())),
        None => Ok(words),
    }
}

/// Takes `[packets:bytes]` off a line.
pub(super) fn counters(line: &str) -> Result<(Option<Counts>, &str), Fault> {
    if !line.starts_with('[') {
        return Ok((None, line));
    }
    let parts = line
        .split_inclusive(']')
        .next()
        .and_then(|first| Some((parse::counters(first)?, line.strip_prefix(first)?)));
    let (numbers, rest) = parts.ok_or_else(|| (0, "not counters: expected [packets:bytes]".to_owned()))?;
    Ok((Some(numbers), rest.trim_start_matches([' ', '\t'])))
}

/// Looks up rules by what they mean.
pub(super) struct Meanings<'a>(BTreeMap<(Vec<&'a Match>, &'a Target), usize>);

impl<'a> Meanings<'a> {
    /// Of these rules.
    pub fn of(rules: impl IntoIterator<Item = &'a Rule>) -> Self {
        Self(
            rules
                .into_iter()
                .enumerate()
                .map(|(index, rule)| (rule.meaning(), index))
                .collect(),
        )
    }

    /// Whether one of them means the same.
    pub fn contain(&self, rule: &'a Rule) -> bool {
        self.0.contains_key(&rule.meaning())
    }
}
