//! Where in INPUT our accept must stand: before the first rule that decides EVERY new packet to a target port. Rules
//! for some packets (sources, sets, rates, whatever is not understood) stay above it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::installed::is_ours;
use super::names::Owned;
use super::rule::{Match, PortSpan, Rule, Side, Target};
use super::ruleset::Ruleset;
use super::values::{ACK, FIN, RST, SYN_FLAG};
use crate::mapping::Protocol;

/// Chains in chains are followed this deep; deeper ones count as undecided.
const DEEPEST: usize = 64;

/// Where the accept for one target port may stand, as numbers of foreign rules above it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Below this, rules that could match such a packet would be passed by.
    pub from: usize,
    /// The place proper: just before the deciding rule, or the end.
    pub to: usize,
    /// Rules inside the deciding chain that take packets of some away, and that the accept stands above.
    pub bans: Vec<String>,
}

/// The place for new connections to `port`, coming from anywhere but `lo`.
pub(super) fn place(ruleset: &Ruleset, protocol: Protocol, port: u16) -> Place {
    let rules: Vec<_> = foreign(ruleset).collect();
    let mut walk = Walk {
        ruleset,
        protocol,
        port,
        known: HashMap::new(),
    };
    let mut from = 0;
    for (index, rule) in rules.iter().enumerate() {
        let how = walk.applies(rule);
        if how == Applies::Every && walk.ends(rule) {
            let bans = rule.leads_to().map_or_else(Vec::new, |chain| walk.bans(chain));
            return Place { from, to: index, bans };
        }
        if how != Applies::Never && rule.target != Target::None {
            from = index + 1;
        }
    }
    Place {
        from,
        to: rules.len(),
        bans: Vec::new(),
    }
}

/// Whether foreign rules could let in a new connection to `port`, from anywhere but `lo`. `false`: with certainty none can,
/// so that only an accept of ours does. A rule for some packets counts as one that could.
pub(super) fn could_enter(ruleset: &Ruleset, protocol: Protocol, port: u16) -> bool {
    let mut walk = Walk {
        ruleset,
        protocol,
        port,
        known: HashMap::new(),
    };
    for rule in foreign(ruleset) {
        let how = walk.applies(rule);
        if how == Applies::Never {
            continue;
        }
        if walk.could_accept(rule) {
            return true;
        }
        if how == Applies::Every && walk.denies(rule) {
            return false;
        }
        // By RETURN, or by a goto whose chain decides nothing, the policy decides.
        if how == Applies::Every && walk.ends(rule) {
            break;
        }
    }
    is_open(ruleset)
}

fn is_open(ruleset: &Ruleset) -> bool {
    let input = ruleset.chain("filter", "INPUT");
    input
        .and_then(|chain| chain.policy.as_deref())
        .is_none_or(|policy| policy == "ACCEPT")
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
enum Applies {
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

struct Walk<'a> {
    ruleset: &'a Ruleset,
    protocol: Protocol,
    port: u16,
    /// Chains that were walked: whether they decide. Those being walked count as undecided, which ends cycles.
    known: HashMap<&'a str, bool>,
}

impl<'a> Walk<'a> {
    fn applies(&self, rule: &Rule) -> Applies {
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
            Match::InInterface(name) if name == "lo" => Applies::Never,
            Match::Port(Side::Destination, ports) => Applies::when(ports.contains(self.port)),
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
            Match::TcpFlags { mask, set } if self.protocol == Protocol::Tcp => syn(*mask, *set),
            Match::State(states) => state(states),
            Match::AddressType(Side::Destination, types) => Applies::some_unless(types.contains("LOCAL")),
            _ => Applies::Some,
        }
    }

    fn among(&self, ports: &[PortSpan]) -> bool {
        ports.iter().any(|span| span.contains(self.port))
    }

    fn protocol_name(&self) -> &'static str {
        match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
    }

    /// Whether a rule of INPUT that every packet matches is the last one that they see. Leaving INPUT by RETURN, or by
    /// a goto, leads to the policy.
    fn ends(&mut self, rule: &'a Rule) -> bool {
        match &rule.target {
            Target::None => false,
            Target::Goto(_) => true,
            Target::Jump { name, .. } => name == "RETURN" || is_verdict(name) || self.decides(name, 0),
        }
    }

    /// Whether a rule that is known to accept nothing is the last that its packets see.
    fn denies(&mut self, rule: &'a Rule) -> bool {
        rule.leads_to()
            .is_some_and(|name| is_verdict(name) || self.decides(name, 0))
    }

    /// Whether a rule that applies could accept a packet: it does, or leads to a chain with one that could, or to a target
    /// that may do anything.
    fn could_accept(&self, rule: &'a Rule) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![rule];
        while let Some(name) = open.pop().map(Rule::leads_to) {
            let Some(name) = name.filter(|name| seen.insert(*name)) else {
                continue;
            };
            match (name, self.ruleset.chain("filter", name)) {
                ("DROP" | "REJECT" | "RETURN" | "LOG" | "NFLOG", _) => {}
                (chain, Some(_)) if Owned::parse("filter", chain).is_some() => {}
                (_, Some(chain)) => {
                    let applies = |rule: &&Rule| self.applies(rule) != Applies::Never;
                    open.extend(chain.rules.iter().filter(applies));
                }
                (_, None) => return true,
            }
        }
        false
    }

    /// Whether every packet that enters a chain is decided in it.
    fn decides(&mut self, chain: &'a str, depth: usize) -> bool {
        if depth > DEEPEST || Owned::parse("filter", chain).is_some() {
            return false;
        }
        if let Some(known) = self.known.get(chain) {
            return *known;
        }
        self.known.insert(chain, false);
        let decides = self.decided(chain, depth);
        self.known.insert(chain, decides);
        decides
    }

    fn decided(&mut self, chain: &'a str, depth: usize) -> bool {
        for rule in self.ruleset.rules("filter", chain) {
            let how = self.applies(rule);
            let decided = match &rule.target {
                _ if how == Applies::Never => continue,
                Target::None => continue,
                Target::Jump { name, .. } if name == "RETURN" => return false,
                Target::Jump { name, .. } => {
                    is_verdict(name) || (how == Applies::Every && self.decides(name, depth + 1))
                }
                // A goto that does not decide returns to our caller.
                Target::Goto(name) if self.decides(name, depth + 1) => true,
                Target::Goto(_) => return false,
            };
            if decided && how == Applies::Every {
                return true;
            }
        }
        false
    }

    /// The rules of a deciding chain, up to the one that decides, that take some packets away.
    fn bans(&mut self, chain: &'a str) -> Vec<String> {
        let mut bans = Vec::new();
        self.collect_bans(chain, 0, &mut bans);
        bans
    }

    fn collect_bans(&mut self, chain: &'a str, depth: usize, bans: &mut Vec<String>) {
        if depth > DEEPEST || bans.len() > DEEPEST {
            return;
        }
        for rule in self.ruleset.rules("filter", chain) {
            let how = self.applies(rule);
            let Some(name) = rule.leads_to().filter(|_| how != Applies::Never) else {
                continue;
            };
            let verdict = is_verdict(name);
            if matches!(name, "DROP" | "REJECT") && how == Applies::Some {
                bans.push(rule.raw.clone());
            }
            if !verdict && self.ruleset.chain("filter", name).is_some() {
                self.collect_bans(name, depth + 1, bans);
            }
            if how == Applies::Every && (verdict || self.decides(name, depth + 1)) {
                return;
            }
        }
    }
}

fn is_verdict(name: &str) -> bool {
    matches!(name, "ACCEPT" | "DROP" | "REJECT")
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
