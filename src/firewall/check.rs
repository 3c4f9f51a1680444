//! Whether rules that were read back are what a change should have made of them.

use std::fmt::Write;

use super::change::Change;
use super::desired::Line;
use super::installed::leads_to;
use super::names::{Generation, Hook};
use super::placing::{self, layout};
use super::rule::{Meanings, Rule};
use super::ruleset::Ruleset;
use super::staged::{Staged, StagedHook};

impl Change {
    /// Whether the rules read back after `loosen` are what it should have made of them, jumps and their places included.
    ///
    /// # Errors
    /// What differs, a sentence each.
    pub fn check_loosened(&self, ruleset: &Ruleset) -> Result<(), Vec<String>> {
        self.check(ruleset, StagedHook::loosened_name)
    }

    /// Whether the rules read back after `tighten` are what it should have made of them, jumps and their places included.
    /// Before clean-up, that is; [`super::standing()`] judges what is left after it.
    ///
    /// # Errors
    /// What differs, a sentence each.
    pub fn check_tightened(&self, ruleset: &Ruleset) -> Result<(), Vec<String>> {
        self.check(ruleset, StagedHook::final_name)
    }

    fn check(&self, ruleset: &Ruleset, name: impl Fn(&StagedHook, Generation) -> String) -> Result<(), Vec<String>> {
        let Staged {
            view,
            set,
            generation,
            chains,
        } = &self.staged;
        let missing = layout(ruleset, &placing::wanted_in(view, ruleset, set).0).missing;
        let mut wrong: Vec<_> = missing.into_iter().map(|(_, what)| what).collect();
        for hook in chains {
            let wanted = name(hook, *generation);
            wrong.extend(leading_wrong(ruleset, hook.hook, &wanted));
            let lines = hook
                .chains(*generation)
                .find(|(chain, _)| *chain == wanted)
                .map_or(&[][..], |(_, lines)| lines);
            wrong.extend(differing(ruleset, hook.hook.table(), &wanted, lines));
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// The generation's chains: table, name, lines.
    pub(super) fn chains(&self) -> impl Iterator<Item = (&'static str, String, &[Line])> {
        let generation = self.staged.generation;
        let hooks = self.staged.chains.iter();
        hooks.flat_map(move |hook| {
            hook.chains(generation)
                .map(|(name, lines)| (hook.hook.table(), name, lines))
        })
    }
}

fn leading_wrong(ruleset: &Ruleset, hook: Hook, wanted: &str) -> Option<String> {
    let live = leads_to(ruleset.rules(hook.table(), hook.name()));
    (live != Some(wanted)).then(|| format!("{} ({}) does not lead to {wanted}", hook.name(), hook.table()))
}

/// How a chain differs from the lines that it should hold.
pub(super) fn differing(ruleset: &Ruleset, table: &str, chain: &str, lines: &[Line]) -> Option<String> {
    let Some(live) = ruleset.chain(table, chain) else {
        return Some(format!("no chain {chain} ({table})"));
    };
    let wanted: Vec<_> = lines.iter().filter_map(Line::rule).collect();
    let same =
        wanted.len() == live.rules.len() && wanted.iter().zip(live.rules.iter()).all(|(one, other)| one.same(other));
    (!same).then(|| explain(chain, table, &wanted, &live.rules))
}

fn explain(chain: &str, table: &str, wanted: &[Rule], live: &[Rule]) -> String {
    let (known, there) = (Meanings::of(wanted), Meanings::of(live));
    let extra = live.iter().find(|rule| !known.contain(rule));
    let missing = wanted.iter().find(|rule| !there.contain(rule));
    let mut text = format!("{chain} ({table}) differs");
    if missing.is_none() && extra.is_none() {
        text.push_str(": its rules are in another order, or there more than once");
    }
    if let Some(rule) = missing {
        let _ = write!(text, ": `{}` is missing", rule.spec());
    }
    if let Some(rule) = extra {
        let _ = write!(text, ": `{}` is too much", rule.spec());
    }
    text
}
