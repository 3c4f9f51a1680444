//! How our rules on a host differ before and after a change, as operators know them: by hook, without the numbers of
//! generations, each jump with the rule that it stands above.

use std::fmt;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::Prospect;
use crate::firewall::{Family, Hook, Ruleset, View, installed};
use crate::report::sanitise;

/// A chain that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainDiff {
    /// Of which family.
    pub family: Family,
    /// In which table.
    pub table: &'static str,
    /// Its name; for a generation's chain that of its hook.
    pub chain: &'static str,
    /// What changes in it, in its order.
    pub lines: Vec<DiffLine>,
}

/// A rule that comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiffLine {
    /// It was not there.
    Added(String),
    /// It will not be there.
    Removed(String),
}

impl fmt::Display for DiffLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(rule) => write!(f, "+ {rule}"),
            Self::Removed(rule) => write!(f, "- {rule}"),
        }
    }
}

impl ChainDiff {
    /// Makes it fit to be shown: rules of hosts are in it.
    pub fn sanitise(&mut self) {
        for line in &mut self.lines {
            match line {
                DiffLine::Added(text) | DiffLine::Removed(text) => *text = sanitise(text),
            }
        }
    }
}

impl Prospect<'_> {
    /// What of our rules comes and goes. Empty: their text stays, and a new generation of it is loaded.
    #[must_use]
    pub fn rule_diff(&self) -> Vec<ChainDiff> {
        let families = self.families.iter();
        families
            .flat_map(|outlook| of_family(&outlook.managed.view, outlook.after))
            .collect()
    }
}

fn of_family(view: &View, then: &Ruleset) -> Vec<ChainDiff> {
    let family = view.family;
    let (before, after) = (chains(&view.ruleset), chains(then));
    let pairs = before.into_iter().zip(after);
    pairs
        .map(|((table, chain, old), (_, _, new))| ChainDiff {
            family,
            table,
            chain,
            lines: lines(&old, &new),
        })
        .filter(|diff| !diff.lines.is_empty())
        .collect()
}

type Lines = (&'static str, &'static str, Vec<String>);

/// Built-in chains with our jumps, and our chains; always the same ones in the same order.
fn chains(ruleset: &Ruleset) -> Vec<Lines> {
    let builtin = [
        ("nat", "PREROUTING"),
        ("nat", "INPUT"),
        ("nat", "OUTPUT"),
        ("filter", "INPUT"),
    ];
    let jumps = builtin.map(|(table, chain)| (table, chain, jumps(ruleset, table, chain)));
    let live = installed(ruleset).hooks;
    let bodies = Hook::ALL.map(|hook| {
        let chains = live.get(&hook).into_iter().flat_map(|state| &state.chains);
        let rules = chains.flat_map(|chain| ruleset.rules(hook.table(), chain));
        (
            hook.table(),
            hook.name(),
            rules.map(|rule| rule.spec().to_owned()).collect(),
        )
    });
    jumps.into_iter().chain(bodies).collect()
}

/// Our jumps from a built-in chain, each with the next rule that is not ours.
fn jumps(ruleset: &Ruleset, table: &str, chain: &str) -> Vec<String> {
    let rules = ruleset.rules(table, chain);
    let hook = |name: Option<&str>| {
        Hook::ALL
            .iter()
            .any(|hook| hook.table() == table && Some(hook.name()) == name)
    };
    let is_ours = |rule: &&crate::firewall::Rule| hook(rule.leads_to());
    let ours = rules.iter().enumerate().filter(|(_, rule)| is_ours(rule));
    ours.map(|(place, rule)| {
        let next = rules.iter().skip(place).find(|rule| !is_ours(rule));
        let place = next.map_or_else(|| "at the end".to_owned(), |next| format!("above `{}`", next.spec()));
        format!("{} ({place})", rule.spec_without_comments())
    })
    .collect()
}

fn lines(old: &[String], new: &[String]) -> Vec<DiffLine> {
    let part =
        |lines: &[String], start: usize, len: usize| lines.iter().skip(start).take(len).cloned().collect::<Vec<_>>();
    let mut found = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, old, new) {
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let (before, after) = (op.old_range(), op.new_range());
        found.extend(part(old, before.start, before.len()).into_iter().map(DiffLine::Removed));
        found.extend(part(new, after.start, after.len()).into_iter().map(DiffLine::Added));
    }
    found
}
