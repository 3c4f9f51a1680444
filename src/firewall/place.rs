//! Where in INPUT our accept must stand: before the first rule that decides EVERY new packet to a target port. Rules
//! for some packets (sources, sets, rates, whatever is not understood) stay above it. Tools with zones have a chain for
//! each interface that decides, so each interface that rules name is looked at by itself.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::installed::is_ours;
use super::names::Owned;
use super::rule::{Match, PortSpan, Rule, Side, Target};
use super::ruleset::Ruleset;
use super::values::{ACK, FIN, RST, SYN_FLAG};
use crate::mapping::Protocol;

/// Chains in chains are followed this deep; deeper ones count as undecided.
const DEEPEST: usize = 64;

/// With more interfaces than this each having its own place, none has: the accept has one place for all.
const MOST_INTERFACES: usize = 128;

/// Where the accept for one target port may stand, as numbers of foreign rules above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Below this, rules that could match such a packet would be passed by.
    pub from: usize,
    /// The place proper: just before the deciding rule, or the end.
    pub to: usize,
    /// Whether foreign rules let in, by themselves, whatever they do not ban.
    pub superfluous: bool,
    /// Rules that take packets of some away, and that the accept stands above.
    pub bans: Vec<String>,
}

/// What is to be let in: new connections to a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish<'a> {
    pub protocol: Protocol,
    pub port: u16,
    /// The interface that they come in by, as rules name it; `None`: one that no rule names. Never `lo`.
    pub interface: Option<&'a str>,
}

/// The place for a wish.
pub(super) fn place(ruleset: &Ruleset, wish: Wish<'_>) -> Place {
    let rules: Vec<_> = foreign(ruleset).collect();
    let mut walk = Walk::new(ruleset, wish);
    let mut from = 0;
    for (index, rule) in rules.iter().enumerate() {
        let how = walk.applies(rule);
        if how == Applies::Every {
            match walk.ends(rule) {
                Ends::No => {}
                Ends::Accepts if !is_direct(rule) => return Place::below(index),
                end => {
                    let later = if walk.some_escape { &rules[index + 1..] } else { &[] };
                    let bans = walk.bans(std::iter::once(rule).chain(later).copied());
                    return Place {
                        from,
                        to: index,
                        superfluous: end == Ends::Accepts,
                        bans,
                    };
                }
            }
        }
        if how != Applies::Never && rule.target != Target::None {
            from = index + 1;
        }
    }
    Place {
        from,
        to: rules.len(),
        superfluous: false,
        bans: Vec::new(),
    }
}

impl Place {
    /// Below a chain that bans some and accepts all others: nothing comes so far, and its bans go on counting.
    fn below(index: usize) -> Self {
        Self {
            from: index + 1,
            to: index + 1,
            superfluous: true,
            bans: Vec::new(),
        }
    }
}

/// What an accept that stands above these rules of INPUT (numbers of foreign rules) lets nobody be banned by.
pub(super) fn passed_by(ruleset: &Ruleset, wish: Wish<'_>, rules: Range<usize>) -> Vec<String> {
    let passed = foreign(ruleset).skip(rules.start).take(rules.len());
    Walk::new(ruleset, wish).bans(passed)
}

/// The interfaces that rules of INPUT, and of the chains that it leads to, name.
pub(super) fn interfaces(ruleset: &Ruleset) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut walked = BTreeSet::from(["INPUT"]);
    let mut waiting = vec!["INPUT"];
    while let Some(chain) = waiting.pop() {
        for rule in ruleset.rules("filter", chain) {
            found.extend(rule.matches.iter().filter_map(named));
            let next = rule.leads_to().filter(|next| Owned::parse("filter", next).is_none());
            waiting.extend(next.filter(|next| walked.insert(next)));
        }
    }
    found.remove("lo");
    if found.len() > MOST_INTERFACES {
        BTreeSet::new()
    } else {
        found
    }
}

fn named(one: &Match) -> Option<&str> {
    match one {
        Match::Not(inner) => named(inner),
        Match::InInterface(name) => Some(name),
        _ => None,
    }
}

/// Whether an interface of rules (which may end in `+`) is one of `pattern`.
fn covers(pattern: &str, interface: &str) -> bool {
    let begins = |start: &str| interface.strip_suffix('+').unwrap_or(interface).starts_with(start);
    pattern == interface || pattern.strip_suffix('+').is_some_and(begins)
}

/// The rules of filter INPUT but our own jumps.
pub(super) fn foreign(ruleset: &Ruleset) -> impl Iterator<Item = &Rule> {
    ruleset
        .rules("filter", "INPUT")
        .iter()
        .filter(|rule| !is_ours("filter", rule))
}

/// Whether a rule of filter INPUT can drop packets or let them go on, but accept none: what fail2ban inserts at the top.
pub(super) fn only_takes_away(ruleset: &Ruleset, rule: &Rule) -> bool {
    takes_away(ruleset, rule, 0)
}

fn takes_away(ruleset: &Ruleset, rule: &Rule, depth: usize) -> bool {
    let Target::Jump { name, .. } = &rule.target else {
        return rule.target == Target::None;
    };
    match name.as_str() {
        "DROP" | "REJECT" | "LOG" | "NFLOG" => true,
        "RETURN" => depth > 0,
        // A chain of bans is flat; whatever is deeper is not looked into.
        chain if depth == 0 && Owned::parse("filter", chain).is_none() => ruleset
            .chain("filter", chain)
            .is_some_and(|chain| chain.rules.iter().all(|rule| takes_away(ruleset, rule, 1))),
        _ => false,
    }
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

/// How far rules lead the packets of a wish.
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
    pub fn chain(&mut self, chain: &'a str, depth: usize) -> Ends {
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

    /// Whether nothing but `-s` makes the difference between some packets and all.
    fn is_about_sources(&self, rule: &Rule) -> bool {
        let mut some = rule.matches.iter().filter(|one| self.holds(one) == Applies::Some);
        some.all(|one| matches!(one, Match::Address(Side::Source, _)))
    }

    /// Those of these rules, and of the chains that they lead to, that take some packets away; up to the one that leaves
    /// none.
    fn bans(&mut self, rules: impl Iterator<Item = &'a Rule>) -> Vec<String> {
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

fn is_direct(rule: &Rule) -> bool {
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
