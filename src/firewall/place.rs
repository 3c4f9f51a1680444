//! Where in INPUT our accept must stand: before the first rule that decides EVERY new packet to a target port. Rules
//! for some packets (sources, sets, rates, whatever is not understood) stay above it. Tools with zones have a chain for
//! each interface that decides, so each interface that rules name is looked at by itself.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::installed::is_ours;
use super::names::Owned;
use super::rule::{Match, Rule, Target};
use super::ruleset::Ruleset;
use super::walk::{Applies, Ends, Walk, Wish, is_direct};
use crate::mapping::Protocol;

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

/// Whether foreign rules could let in a new connection to `port`, from anywhere but `lo`. `false`: with certainty none can,
/// so that only an accept of ours does. A rule for some packets counts as one that could.
pub(super) fn could_enter(ruleset: &Ruleset, protocol: Protocol, port: u16) -> bool {
    let mut interfaces = interfaces(ruleset).into_iter().map(Some).chain([None]);
    interfaces.any(|interface| {
        let wish = Wish {
            protocol,
            port,
            interface,
        };
        could_enter_by(ruleset, wish)
    })
}

fn could_enter_by(ruleset: &Ruleset, wish: Wish<'_>) -> bool {
    let mut walk = Walk::new(ruleset, wish);
    for rule in foreign(ruleset) {
        let how = walk.applies(rule);
        if how == Applies::Never {
            continue;
        }
        if could_accept(&walk, rule) {
            return true;
        }
        if how == Applies::Every && walk.ends(rule) == Ends::Closes {
            if walk.some_escape {
                continue;
            }
            // By RETURN, or by a goto whose chain decides nothing, the policy decides.
            if walk.denies(rule) {
                return false;
            }
            break;
        }
    }
    is_open(ruleset)
}

/// Whether a rule that applies could accept a packet: it does, or leads to a chain with one that could, or to a target
/// that may do anything.
fn could_accept(walk: &Walk<'_>, rule: &Rule) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![rule];
    while let Some(name) = open.pop().map(Rule::leads_to) {
        let Some(name) = name.filter(|name| seen.insert(*name)) else {
            continue;
        };
        match (name, walk.ruleset.chain("filter", name)) {
            ("DROP" | "REJECT" | "RETURN" | "LOG" | "NFLOG", _) => {}
            (chain, Some(_)) if Owned::parse("filter", chain).is_some() => {}
            (_, Some(chain)) => {
                let applies = |rule: &&Rule| walk.applies(rule) != Applies::Never;
                open.extend(chain.rules.iter().filter(applies));
            }
            (_, None) => return true,
        }
    }
    false
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
