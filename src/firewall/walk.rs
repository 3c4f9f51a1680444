//! What the rules of filter INPUT do to new connections to a port: each match holds for every such packet, for some,
//! or for none. Whatever is not understood holds for some.

use std::collections::{BTreeSet, HashMap};

use super::names::Owned;
use super::rule::{Match, PortSpan, Rule, Side, Target};
use super::ruleset::Ruleset;
use super::values::{ACK, FIN, RST, SYN_FLAG};
use crate::mapping::Protocol;

/// Chains in chains are followed this deep; deeper ones count as undecided.
const DEEPEST: usize = 64;

/// What is to be let in: new connections to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish<'a> {
    pub protocol: Protocol,
    pub port: u16,
    /// The interface that they come in by, as rules name it; `None`: one that no rule names. Never `lo`.
    pub interface: Option<&'a str>,
}

/// Whether an interface of rules (which may end in `+`) is one of `pattern`.
fn covers(pattern: &str, interface: &str) -> bool {
    let begins = |start: &str| interface.strip_suffix('+').unwrap_or(interface).starts_with(start);
    pattern == interface || pattern.strip_suffix('+').is_some_and(begins)
}

/// How many of the packets in question a condition holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    Never,
    Some,
    Every,
}

impl Applies {
    fn when(all: bool) -> Self {
        if all { Self::Every } else { Self::Never }
    }

    fn some_unless(all: bool) -> Self {
        if all { Self::Every } else { Self::Some }
    }

    fn not(self) -> Self {
        match self {
            Self::Never => Self::Every,
            Self::Some => Self::Some,
            Self::Every => Self::Never,
        }
    }
}

/// What becomes of every packet that a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// Some go on to the next rule.
    No,
    /// They are accepted, but for some that are banned first.
    Accepts,
    /// They are dropped or rejected, or left to the policy, but for some.
    Closes,
}

pub(super) struct Walk<'a> {
    pub ruleset: &'a Ruleset,
    wish: Wish<'a>,
    /// Chains that were walked, and what they do. Those being walked count as undecided, which ends cycles.
    known: HashMap<&'a str, Ends>,
    /// Whether some sources leave a chain that ends it for all others.
    pub some_escape: bool,
}

impl<'a> Walk<'a> {
    pub fn new(ruleset: &'a Ruleset, wish: Wish<'a>) -> Self {
        Self {
            ruleset,
            wish,
            known: HashMap::new(),
            some_escape: false,
        }
    }

    pub fn applies(&self, rule: &Rule) -> Applies {
        rule.matches
            .iter()
            .map(|one| self.holds(one))
            .min()
            .unwrap_or(Applies::Every)
    }

    fn holds(&self, one: &Match) -> Applies {
        match one {
            Match::Not(inner) => self.holds(inner).not(),
            Match::Protocol(name) => Applies::when(name == self.protocol_name()),
            Match::InInterface(name) => Applies::when(self.wish.interface.is_some_and(|other| covers(name, other))),
            Match::Port(Side::Destination, ports) => Applies::when(ports.contains(self.wish.port)),
            Match::Port(
                Side::Source,
                PortSpan {
                    first: 0,
                    last: u16::MAX,
                },
            )
            | Match::Comment(_) => Applies::Every,
            Match::Ports(Side::Destination, ports) => Applies::when(self.among(ports)),
            Match::Ports(Side::Either, ports) => Applies::some_unless(self.among(ports)),
            Match::TcpFlags { mask, set } if self.wish.protocol == Protocol::Tcp => syn(*mask, *set),
            Match::State(states) => state(states),
            Match::AddressType(Side::Destination, types) => Applies::some_unless(types.contains("LOCAL")),
            _ => Applies::Some,
        }
    }

    fn among(&self, ports: &[PortSpan]) -> bool {
        ports.iter().any(|span| span.contains(self.wish.port))
    }

    fn protocol_name(&self) -> &'static str {
        match self.wish.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// What becomes of all packets at a rule of INPUT that every one of them matches. Leaving INPUT by RETURN, or by a
    /// goto, leads to the policy.
    pub fn ends(&mut self, rule: &'a Rule) -> Ends {
        match &rule.target {
            Target::None => Ends::No,
            Target::Goto(_) => Ends::Closes,
            Target::Jump { name, .. } if name == "RETURN" => Ends::Closes,
            Target::Jump { name, .. } => verdict(name).unwrap_or_else(|| self.chain(name, 0)),
        }
    }

    /// What becomes of all packets that enter a chain.
    fn chain(&mut self, chain: &'a str, depth: usize) -> Ends {
        if depth > DEEPEST || Owned::parse("filter", chain).is_some() {
            return Ends::No;
        }
        if let Some(known) = self.known.get(chain) {
            return *known;
        }
        self.known.insert(chain, Ends::No);
        let ends = self.walked(chain, depth);
        self.known.insert(chain, ends);
        ends
    }

    fn walked(&mut self, chain: &'a str, depth: usize) -> Ends {
        let mut some_escape = false;
        for rule in self.ruleset.rules("filter", chain) {
            let how = self.applies(rule);
            if how == Applies::Never || rule.target == Target::None {
                continue;
            }
            let (end, returns) = match &rule.target {
                Target::Jump { name, .. } if name == "RETURN" => (Ends::No, true),
                Target::Jump { name, .. } => (verdict(name).unwrap_or_else(|| self.chain(name, depth + 1)), false),
                // A goto that does not end it returns to our caller.
                Target::Goto(name) => {
                    let end = self.chain(name, depth + 1);
                    (end, end == Ends::No)
                }
                Target::None => continue,
            };
            match how {
                // A list of trusted sources, as an exception from what closes the chain for all others.
                Applies::Some if returns && self.is_about_sources(rule) => some_escape = true,
                _ if returns => return Ends::No,
                Applies::Every if end == Ends::Accepts && some_escape => return Ends::No,
                Applies::Every if end != Ends::No => {
                    self.some_escape |= some_escape;
                    return end;
                }
                _ => {}
            }
        }
        Ends::No
    }

    /// Whether packets that a rule ends are taken away by it, rather than left to the policy.
    pub fn denies(&mut self, rule: &'a Rule) -> bool {
        let name = rule.leads_to();
        name.is_some_and(|name| verdict(name).unwrap_or_else(|| self.chain(name, 0)) == Ends::Closes)
    }

    /// Whether nothing but `-s` makes the difference between some packets and all.
    fn is_about_sources(&self, rule: &Rule) -> bool {
        let mut some = rule.matches.iter().filter(|one| self.holds(one) == Applies::Some);
        some.all(|one| matches!(one, Match::Address(Side::Source, _)))
    }

    /// Those of these rules, and of the chains that they lead to, that take some packets away; up to the one that leaves
    /// none.
    pub fn bans(&mut self, rules: impl Iterator<Item = &'a Rule>) -> Vec<String> {
        let mut bans = Vec::new();
        for rule in rules {
            self.collect_ban(rule, 0, &mut bans);
        }
        bans
    }

    /// Whether no packet goes on to the next rule.
    fn collect_ban(&mut self, rule: &'a Rule, depth: usize, bans: &mut Vec<String>) -> bool {
        let how = self.applies(rule);
        let Some(name) = rule.leads_to().filter(|_| how != Applies::Never) else {
            return false;
        };
        let verdict = verdict(name);
        if verdict == Some(Ends::Closes) && how == Applies::Some {
            bans.push(rule.raw.clone());
        }
        if verdict.is_none() && depth < DEEPEST && bans.len() < DEEPEST {
            for inner in self.ruleset.rules("filter", name) {
                if self.collect_ban(inner, depth + 1, bans) {
                    break;
                }
            }
        }
        how == Applies::Every && verdict.unwrap_or_else(|| self.chain(name, depth + 1)) != Ends::No
    }
}

fn verdict(name: &str) -> Option<Ends> {
    match name {
        "ACCEPT" => Some(Ends::Accepts),
        "DROP" | "REJECT" => Some(Ends::Closes),
        _ => None,
    }
}

pub(super) fn is_direct(rule: &Rule) -> bool {
    rule.leads_to().is_some_and(|name| verdict(name).is_some())
}

/// `--tcp-flags` of a packet with SYN on and FIN, RST and ACK off.
fn syn(mask: u8, set: u8) -> Applies {
    let fixed = FIN | SYN_FLAG | RST | ACK;
    if mask & fixed & SYN_FLAG != set & fixed {
        return Applies::Never;
    }
    Applies::some_unless(mask & !fixed == 0)
}

/// `--ctstate` of a new packet whose destination may have been rewritten.
fn state(states: &BTreeSet<String>) -> Applies {
    if states.contains("NEW") {
        return Applies::Every;
    }
    if states
        .iter()
        .all(|state| matches!(state.as_str(), "ESTABLISHED" | "RELATED" | "INVALID" | "UNTRACKED"))
    {
        return Applies::Never;
    }
    Applies::Some
}
