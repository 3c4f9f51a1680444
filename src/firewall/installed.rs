//! What of ours is in a ruleset.

use std::collections::BTreeMap;

use super::names::{Generation, Hook, Owned};
use super::rule::{PortSpan, Rule, Target};
use super::ruleset::Ruleset;
use crate::mapping::Protocol;

/// What of ours one family's rules hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Installed {
    /// The hooks that exist.
    pub hooks: BTreeMap<Hook, HookState>,
    /// Chains of ours that no hook leads to: table and name.
    pub left_over: Vec<(String, String)>,
    /// The highest generation number seen, in chains or in jumps' comments.
    pub highest: Option<Generation>,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookState {
    /// The generation that it leads to; `None` if it leads to none, or not to one whole.
    pub generation: Option<Generation>,
    /// The chains that it leads to, those that a packet can reach: normally one.
    pub chains: Vec<String>,
    /// The rules of the hook itself.
    pub rules: Vec<Rule>,
    /// The jumps to it from its built-in chain.
    pub jumps: Vec<Jump>,
}

/// A jump to a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jump {
    /// Its place in the built-in chain, from 0.
    pub index: usize,
    /// The generation whose comment it carries.
    pub placed_by: Option<Generation>,
    /// The rule.
    pub rule: Rule,
}

/// Finds what is ours.
#[must_use]
pub fn installed(ruleset: &Ruleset) -> Installed {
    let mut found = Installed::default();
    for hook in Hook::ALL {
        if let Some(chain) = ruleset.chain(hook.table(), hook.name()) {
            found.hooks.insert(hook, state(ruleset, hook, &chain.rules));
        }
    }
    for (table, chain, owned) in owned_chains(ruleset) {
        let led_to = |state: &HookState| state.chains.iter().any(|known| known == chain);
        if let Owned::Generation { hook, generation, .. } = owned {
            found.highest = found.highest.max(Some(generation));
            if !found.hooks.get(&hook).is_some_and(led_to) {
                found.left_over.push((table.to_owned(), chain.to_owned()));
            }
        }
    }
    let jumps = found.hooks.values().flat_map(|state| &state.jumps);
    let placed = jumps.filter_map(|jump| jump.placed_by).max();
    found.highest = found.highest.max(placed);
    found
}

/// Whether our rules send new TCP connections to this port elsewhere.
#[must_use]
pub fn redirects(ruleset: &Ruleset, port: u16) -> bool {
    let hooks = installed(ruleset).hooks;
    let chains = hooks.get(&Hook::Prerouting).into_iter().flat_map(|state| &state.chains);
    let mut rules = chains.flat_map(|chain| ruleset.rules(Hook::Prerouting.table(), chain));
    rules.any(|rule| {
        let is_it = |(protocol, ports): (Protocol, PortSpan)| protocol == Protocol::Tcp && ports.contains(port);
        rule.leads_to() == Some("REDIRECT") && rule.service().is_some_and(is_it)
    })
}

/// Chains that are ours: table, name, what it is.
pub(super) fn owned_chains(ruleset: &Ruleset) -> impl Iterator<Item = (&str, &str, Owned)> {
    ruleset.tables.iter().flat_map(|table| {
        table.chains.iter().filter_map(|chain| {
            Some((
                table.name.as_str(),
                chain.name.as_str(),
                Owned::parse(&table.name, &chain.name)?,
            ))
        })
    })
}

fn state(ruleset: &Ruleset, hook: Hook, rules: &[Rule]) -> HookState {
    HookState {
        generation: leads_to(rules).and_then(|chain| match Owned::parse(hook.table(), chain)? {
            Owned::Generation {
                hook: of,
                generation,
                loosened: false,
            } if of == hook => Some(generation),
            _ => None,
        }),
        chains: reached(rules, hook),
        rules: rules.to_vec(),
        jumps: jumps(ruleset, hook),
    }
}

/// The chain that a hook's rules lead every packet to: its only rule, or a goto that leaves the others dead.
pub(super) fn leads_to(rules: &[Rule]) -> Option<&str> {
    let first = rules.first().filter(|rule| rule.conditions().is_empty())?;
    let alone = rules.len() == 1 || matches!(first.target, Target::Goto(_));
    alone.then(|| first.leads_to()).flatten()
}

/// Our chains that a packet in the hook can reach.
fn reached(rules: &[Rule], hook: Hook) -> Vec<String> {
    let dead = |rule: &Rule| matches!(rule.target, Target::Goto(_)) && rule.conditions().is_empty();
    let end = rules.iter().position(dead).map_or(rules.len(), |index| index + 1);
    let live = rules.iter().take(end).filter_map(Rule::leads_to);
    live.filter(|chain| Owned::parse(hook.table(), chain).is_some())
        .map(str::to_owned)
        .collect()
}

fn jumps(ruleset: &Ruleset, hook: Hook) -> Vec<Jump> {
    let rules = ruleset.rules(hook.table(), hook.builtin()).iter().enumerate();
    rules
        .filter(|(_, rule)| rule.leads_to() == Some(hook.name()))
        .map(|(index, rule)| Jump {
            index,
            placed_by: rule.comments().find_map(Generation::from_comment),
            rule: rule.clone(),
        })
        .collect()
}

/// Whether a rule of a table leads to a chain of ours.
pub(super) fn is_ours(table: &str, rule: &Rule) -> bool {
    rule.leads_to()
        .is_some_and(|chain| Owned::parse(table, chain).is_some())
}
