//! Whether a host already has what it should have.

use super::check::differing;
use super::desired::{Line, bodies};
use super::installed::{Installed, installed};
use super::names::{Generation, Hook};
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
    let mut reasons = layout.missing;
    let jump =
        |(table, chain, rule): (_, _, &super::Rule)| format!("a jump too many in {chain} ({table}): `{}`", rule.spec());
    reasons.extend(layout.superseded.into_iter().map(jump));
    reasons.extend(
        live.left_over
            .iter()
            .map(|(table, chain)| format!("left-over chain {chain} ({table})")),
    );
    let generation = generation(view, &live, &mut reasons);
    if let Some(generation) = generation {
        for (hook, lines) in bodies(view, set, &Mark::default()) {
            reasons.extend(body(view, hook, generation, &lines));
        }
    }
    match generation {
        Some(generation) if reasons.is_empty() => Standing::InSync(generation),
        _ => Standing::Differs(reasons),
    }
}

/// The one generation that all hooks hold one line for.
fn generation(view: &View, live: &Installed, reasons: &mut Vec<String>) -> Option<Generation> {
    let unused = live.hooks.keys().filter(|hook| !view.hooks().contains(hook));
    reasons.extend(unused.map(|hook| format!("{} is not in use here", hook.name())));
    let mut found = None;
    for hook in view.hooks() {
        let state = live.hooks.get(hook).filter(|state| state.rules.len() == 1);
        match (state.and_then(|state| state.generation), found) {
            (None, _) => reasons.push(format!(
                "{} ({}) does not lead to a generation's chain alone",
                hook.name(),
                hook.table()
            )),
            (Some(one), Some(other)) if one != other => {
                reasons.push(format!(
                    "{} leads to generation {one}, another hook to {other}",
                    hook.name()
                ));
            }
            (one, _) => found = one,
        }
    }
    found
}

fn body(view: &View, hook: Hook, generation: Generation, lines: &[Line]) -> Option<String> {
    differing(&view.ruleset, hook.table(), &hook.chain(generation), lines)
}
