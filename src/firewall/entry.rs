//! Whether anybody gets in without our accept.

use std::collections::HashSet;

use super::names::Owned;
use super::place::{Applies, Ends, Walk, Wish, foreign, interfaces};
use super::rule::{Rule, Target};
use super::ruleset::Ruleset;
use crate::mapping::Protocol;

/// Whether foreign rules could let in a new TCP connection to `port`, from anywhere but `lo`. `false`: with certainty none
/// can, so that only an accept of ours does. A rule for some packets counts as one that could.
pub(super) fn could_enter(ruleset: &Ruleset, port: u16) -> bool {
    let named = interfaces(ruleset).into_iter().map(Some);
    named.chain([None]).any(|interface| {
        let wish = Wish {
            protocol: Protocol::Tcp,
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
        if how == Applies::Some {
            continue;
        }
        match &rule.target {
            Target::Jump { name, .. } if name == "RETURN" => break,
            Target::Goto(name) => {
                if walk.chain(name, 0) == Ends::No {
                    break;
                }
                return false;
            }
            _ if walk.ends(rule) == Ends::Closes && !walk.some_escape => return false,
            _ => {}
        }
    }
    let input = ruleset.chain("filter", "INPUT");
    let policy = input.and_then(|chain| chain.policy.as_deref());
    policy.is_none_or(|policy| policy == "ACCEPT")
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
