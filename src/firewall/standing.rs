//! Whether a host already has what it should have.

use super::check::differing;
use super::desired::{Line, bodies};
use super::installed::{HookState, Installed, installed, is_ours};
use super::names::{Generation, Hook, Owned};
use super::placing::{layout, wanted};
use super::{Mark, View};
use crate::mapping::MappingSet;

/// How one family's live rules stand to a mapping set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Exactly this generation is in force, and it is what the mappings ask for.
    InSync(Generation),
    /// Nothing of ours is there and no mapping asks for anything.
    Absent,
    /// It differs: how, a sentence each.
    Differs(Vec<String>),
}

/// Compares live rules with mappings, rule by typed rule, the jumps' places included.
#[must_use]
pub fn standing(view: &View, set: &MappingSet) -> Standing {
    let live = installed(&view.ruleset);
    let (jumps, _) = wanted(view, set);
    let layout = layout(&view.ruleset, &jumps);
    let nothing = live.hooks.is_empty() && live.left_over.is_empty() && layout.superseded.is_empty();
    if nothing && set.mappings().is_empty() {
        return Standing::Absent;
    }
    if nothing {
        return Standing::Differs(vec!["none of our rules are there".to_owned()]);
    }
    let mut faults = layout.missing;
    faults.extend(layout.superseded.into_iter().map(|(table, chain, rule)| {
        let jump = format!("a jump too many in {chain} ({table}): `{}`", rule.spec());
        (table_name(table), jump)
    }));
    let generation = generation(view, &live, &mut faults);
    if let Some(generation) = generation {
        for (hook, lines) in bodies(view, set, &Mark::default()) {
            faults.extend(body(view, hook, generation, &lines).map(|fault| (hook.table(), fault)));
        }
    }
    // Last: mostly they are left over of what is said above.
    faults.extend(live.left_over.iter().map(|(table, chain)| {
        let chain = format!("left-over chain {chain} ({table})");
        (table_name(table), chain)
    }));
    match generation {
        Some(generation) if faults.is_empty() => Standing::InSync(generation),
        _ => Standing::Differs(summed_up(view, faults)),
    }
}

/// What is wrong, and in which table.
type Fault = (&'static str, String);

fn table_name(table: &str) -> &'static str {
    TABLES.into_iter().find(|known| *known == table).unwrap_or_default()
}

const TABLES: [&str; 2] = ["nat", "filter"];

/// Of a table in which no rule of ours is left, that alone is said.
fn summed_up(view: &View, faults: Vec<Fault>) -> Vec<String> {
    let mut reasons = Vec::new();
    let flushed = TABLES.into_iter().filter(|table| is_flushed(view, table));
    let flushed: Vec<_> = flushed.collect();
    for table in &flushed {
        if faults.iter().any(|(of, _)| of == table) {
            reasons.push(format!("the {table} table was flushed: no rule of ours is left in it"));
        }
    }
    let others = faults.into_iter().filter(|(of, _)| !flushed.contains(of));
    reasons.extend(others.map(|(_, fault)| fault));
    reasons
}

fn is_flushed(view: &View, table: &str) -> bool {
    let Some(found) = view.ruleset.table(table) else {
        return true;
    };
    let mut rules = found.chains.iter().flat_map(|chain| {
        let own = Owned::parse(table, &chain.name).is_some();
        chain.rules.iter().map(move |rule| own || is_ours(table, rule))
    });
    !rules.any(|ours| ours)
}

/// The one generation that all hooks hold one line for.
fn generation(view: &View, live: &Installed, faults: &mut Vec<Fault>) -> Option<Generation> {
    let unused = live.hooks.keys().filter(|hook| !view.hooks().contains(hook));
    faults.extend(unused.map(|hook| (hook.table(), format!("{} is not in use here", hook.name()))));
    let mut found = None;
    for hook in view.hooks() {
        let state = live.hooks.get(hook);
        let one = state.filter(|state| state.rules.len() == 1);
        match (one.and_then(|state| state.generation), found) {
            (None, _) => faults.push((hook.table(), astray(*hook, state))),
            (Some(one), Some(other)) if one != other => faults.push((
                hook.table(),
                format!("{} leads to generation {one}, another hook to {other}", hook.name()),
            )),
            (one, _) => found = one,
        }
    }
    found
}

/// How a hook leads nowhere, or not only there.
fn astray(hook: Hook, state: Option<&HookState>) -> String {
    let (name, table) = (hook.name(), hook.table());
    match state {
        None => format!("no chain {name} ({table})"),
        Some(state) if state.rules.is_empty() => format!("{name} ({table}) is empty"),
        Some(_) => format!("{name} ({table}) does not lead to a generation's chain alone"),
    }
}

fn body(view: &View, hook: Hook, generation: Generation, lines: &[Line]) -> Option<String> {
    differing(&view.ruleset, hook.table(), &hook.chain(generation), lines)
}
