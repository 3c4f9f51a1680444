//! The `iptables-restore --noflush` inputs that take one family of one host from its old rules to new ones.
//!
//! A hook is switched by inserting a goto above its old line: the old line is dead from then on, and the commit is a
//! pure addition (measured with iptables-nft 1.8.9: 2 ms, where flushing a chain waits 20-50 ms). Clean-up leaves one line.

use std::fmt::Write;

use super::desired::{Bodies, Line, bodies};
use super::installed::{Installed, installed, leads_to, owned_chains};
use super::loosened::loosened;
use super::names::{Generation, Hook, Owned};
use super::placing::{self, Layout, Wanted, layout};
use super::rule::{Meanings, Rule};
use super::ruleset::Ruleset;
use super::undo::{Undo, undo};
use super::{Mark, View};
use crate::mapping::MappingSet;

/// An input for `iptables-restore --noflush` that is about one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInput {
    /// Which table.
    pub table: &'static str,
    /// What to run: the first that succeeds is enough.
    pub tries: Vec<String>,
}

/// One family's change, as text to run on the host and checks of what was read back.
#[derive(Debug, Clone)]
pub struct Change {
    /// Loads the generation's chains and missing hooks. Nothing leads to them: no effect on traffic.
    pub stage: String,
    /// Inserts missing or misplaced jumps to hooks that are empty or unchanged. `None`: nothing to do.
    pub place: Option<String>,
    /// Old and new ways in both work from now on: filter, then nat.
    pub loosen: String,
    /// Only the new rules are in force from now on: nat, then filter. `None`: that is so already.
    pub tighten: Option<String>,
    /// How to go back, prepared from what was observed.
    pub undo: Undo,
    /// After confirm: takes away what the old generation left and our counting rules. Each is independent of the others
    /// but runs in this order.
    pub clean: Vec<TableInput>,
    /// Loads the whole generation where only foreign rules are. Stop at the first table none of whose tries succeeds:
    /// filter without nat would close the way in.
    pub boot: Vec<TableInput>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    staged: Staged,
}

/// What a change loads.
#[derive(Debug, Clone)]
pub(super) struct Staged {
    pub view: View,
    pub set: MappingSet,
    pub generation: Generation,
    pub chains: Vec<StagedHook>,
}

/// One hook's chains of a generation.
#[derive(Debug, Clone)]
pub(super) struct StagedHook {
    pub hook: Hook,
    pub lines: Vec<Line>,
    /// The loosened chain, where it differs.
    pub loosened: Option<Vec<Line>>,
}

/// Writes the change of one family to these mappings, as the given generation, which must be higher than any that
/// [`installed`] saw.
#[must_use]
pub fn change(view: &View, set: &MappingSet, generation: Generation, mark: &Mark) -> Change {
    let old = installed(&view.ruleset);
    let (wanted, bans) = placing::wanted(view, set);
    let layout = layout(&view.ruleset, &wanted);
    let chains = bodies(view, set, mark)
        .into_iter()
        .map(|(hook, lines)| hooked(view, &old, hook, lines))
        .collect();
    let staged = Staged {
        view: view.clone(),
        set: set.clone(),
        generation,
        chains,
    };
    Change {
        stage: stage(&staged, &old),
        place: place(&layout, generation),
        loosen: staged.switch(["filter", "nat"], |_| true, StagedHook::loosened_name),
        tighten: some(staged.switch(
            ["nat", "filter"],
            |hook| hook.loosened.is_some(),
            StagedHook::final_name,
        )),
        undo: undo(&staged, &old, &layout),
        clean: clean(&staged, &old, &layout),
        boot: boot(&staged, &wanted),
        warnings: warnings(view, &bans),
        staged,
    }
}

fn hooked(view: &View, old: &Installed, hook: Hook, lines: Vec<Line>) -> StagedHook {
    let chains = old.hooks.get(&hook).map_or(&[][..], |state| &state.chains);
    let rules: Vec<_> = chains
        .iter()
        .flat_map(|chain| view.ruleset.rules(hook.table(), chain))
        .cloned()
        .collect();
    let loosened = loosened(hook, &lines, &rules);
    StagedHook { hook, lines, loosened }
}

impl StagedHook {
    fn final_name(&self, generation: Generation) -> String {
        self.hook.chain(generation)
    }

    fn loosened_name(&self, generation: Generation) -> String {
        match self.loosened {
            Some(_) => self.hook.loosened_chain(generation),
            None => self.hook.chain(generation),
        }
    }

    /// Its chains: name and lines.
    fn chains(&self, generation: Generation) -> impl Iterator<Item = (String, &[Line])> {
        let loosened = self
            .loosened
            .as_deref()
            .map(|lines| (self.hook.loosened_chain(generation), lines));
        std::iter::once((self.hook.chain(generation), self.lines.as_slice())).chain(loosened)
    }
}

impl Staged {
    /// The hooks of a table.
    pub fn of(&self, table: &str) -> impl Iterator<Item = &StagedHook> {
        self.chains.iter().filter(move |hook| hook.hook.table() == table)
    }

    /// All chains of the generation in a table.
    pub fn names(&self, table: &str) -> Vec<String> {
        self.of(table)
            .flat_map(|hook| hook.chains(self.generation))
            .map(|(name, _)| name)
            .collect()
    }

    /// Leads hooks to other chains, a commit a table.
    fn switch(
        &self,
        tables: [&str; 2],
        concerns: impl Fn(&StagedHook) -> bool,
        name: impl Fn(&StagedHook, Generation) -> String,
    ) -> String {
        let line = |hook: &StagedHook| format!("-I {} 1 -g {}", hook.hook.name(), name(hook, self.generation));
        let hooks = |table| self.of(table).filter(|hook| concerns(hook));
        tables.map(|table| commit(table, hooks(table).map(line))).concat()
    }

    /// Refills filter's hooks with one line that leads to the loosened chains.
    pub fn refill_loosened(&self) -> String {
        let refill = |hook: &StagedHook| refilled(hook.hook, &hook.loosened_name(self.generation));
        commit("filter", self.of("filter").flat_map(refill))
    }
}

/// A hook with one line.
fn refilled(hook: Hook, chain: &str) -> [String; 2] {
    let name = hook.name();
    [declared(name), format!("-A {name} -g {chain}")]
}

/// With `--noflush` this creates a chain or empties it.
pub(super) fn declared(chain: &str) -> String {
    format!(":{chain} - [0:0]")
}

/// A table's lines in one commit; nothing for no lines.
pub(super) fn commit(table: &str, lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<_> = lines.into_iter().collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("*{table}\n{}\nCOMMIT\n", lines.join("\n"))
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// The lines that create a chain and fill it.
fn filled<'a>(chain: &'a str, lines: &'a [Line], keep: fn(&Line) -> bool) -> impl Iterator<Item = String> + 'a {
    let rules = lines
        .iter()
        .filter(move |line| keep(line))
        .map(move |line| format!("-A {chain} {}", line.spec));
    std::iter::once(declared(chain)).chain(rules)
}

fn unmarked(line: &Line) -> bool {
    line.counter.is_none()
}

fn stage(staged: &Staged, old: &Installed) -> String {
    let table = |table: &str| {
        let missing = staged.of(table).filter(|hook| !old.hooks.contains_key(&hook.hook));
        let mut lines: Vec<_> = missing.map(|hook| declared(hook.hook.name())).collect();
        for (name, body) in staged.of(table).flat_map(|hook| hook.chains(staged.generation)) {
            lines.extend(filled(&name, body, |_| true));
        }
        commit(table, lines)
    };
    ["nat", "filter"].map(table).concat()
}

fn place(layout: &Layout<'_>, generation: Generation) -> Option<String> {
    let table = |table: &str| {
        let here = layout
            .insert
            .iter()
            .filter(|insert| insert.wanted.hook.table() == table);
        commit(table, here.map(|insert| insert.words(generation)))
    };
    some(["nat", "filter"].map(table).concat())
}

/// Superseded jumps first: chains that something leads to cannot be deleted.
fn clean(staged: &Staged, old: &Installed, layout: &Layout<'_>) -> Vec<TableInput> {
    let jumps = |table: &'static str| {
        let here = layout.superseded.iter().filter(|(of, _, _)| *of == table);
        let deleted = here.map(|(_, chain, rule)| format!("-D {chain} {}", rule.spec()));
        (table, commit(table, deleted))
    };
    let chains = |table: &'static str| (table, commit(table, cleaned(staged, old, table)));
    let inputs = [jumps("nat"), jumps("filter"), chains("nat"), chains("filter")];
    inputs
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(table, text)| TableInput {
            table,
            tries: vec![text],
        })
        .collect()
}

/// Hooks hold one line, the generation's chains lose their counting rules, every other chain of ours goes. Refilling rather
/// than `-D`: it cannot fail for want of a rule.
fn cleaned(staged: &Staged, old: &Installed, table: &str) -> Vec<String> {
    let generation = staged.generation;
    let mut lines = Vec::new();
    for hook in staged.of(table) {
        let name = hook.final_name(generation);
        if hook.lines.iter().any(|line| !unmarked(line)) {
            lines.extend(filled(&name, &hook.lines, unmarked));
        }
        lines.extend(refilled(hook.hook, &name));
    }
    let keeps = |hook: Hook| staged.chains.iter().any(|staged| staged.hook == hook);
    let unused = old
        .hooks
        .keys()
        .filter(|hook| hook.table() == table && !keeps(**hook))
        .map(|hook| hook.name());
    let others = owned_chains(&staged.view.ruleset)
        .filter(|(of, _, owned)| *of == table && matches!(owned, Owned::Generation { .. }))
        .map(|(_, name, _)| name.to_owned());
    let loosened = staged.of(table).filter(|hook| hook.loosened.is_some());
    let loosened = loosened.map(|hook| hook.hook.loosened_chain(generation));
    let gone: Vec<_> = unused.map(str::to_owned).chain(others).chain(loosened).collect();
    lines.extend(gone.iter().map(|name| declared(name)));
    lines.extend(gone.iter().map(|name| format!("-X {name}")));
    lines
}

fn boot(staged: &Staged, wanted: &[Wanted]) -> Vec<TableInput> {
    let foreign = placing::without_ours(&staged.view.ruleset);
    let layout = layout(&foreign, wanted);
    let input = |table: &'static str| {
        let mut chains = Vec::new();
        for hook in staged.of(table) {
            let name = hook.final_name(staged.generation);
            chains.extend(filled(&name, &hook.lines, unmarked));
            chains.extend(refilled(hook.hook, &name));
        }
        let jumps = |at: fn(Option<usize>) -> Option<usize>| {
            let here = layout
                .insert
                .iter()
                .filter(|insert| insert.wanted.hook.table() == table);
            let words = here.map(|insert| {
                placing::Insert {
                    position: at(insert.position),
                    ..insert.clone()
                }
                .words(staged.generation)
            });
            commit(table, chains.iter().cloned().chain(words))
        };
        // With fewer foreign rules than were observed the place may not exist: the top always does.
        let mut tries = vec![jumps(|position| position), jumps(|_| Some(1))];
        tries.dedup();
        TableInput { table, tries }
    };
    let tables = ["nat", "filter"]
        .into_iter()
        .filter(|table| staged.of(table).next().is_some());
    tables.map(input).collect()
}

fn warnings(view: &View, bans: &[String]) -> Vec<String> {
    let above = bans.iter().map(|ban| {
        format!(
            "{}: mapped connections are accepted above the rule `{ban}`, which therefore no longer applies to them",
            view.family.name()
        )
    });
    let no_nat = format!(
        "{}: no nat table: mappings do not work, direct access is closed",
        view.family.name()
    );
    above.chain((!view.nat).then_some(no_nat)).collect()
}

impl Change {
    /// Whether the rules read back after `loosen` are what it should have made of them, jumps and their places included.
    ///
    /// # Errors
    /// What differs, a sentence each.
    pub fn check_loosened(&self, ruleset: &Ruleset) -> Result<(), Vec<String>> {
        self.check(ruleset, StagedHook::loosened_name)
    }

    /// Whether the rules read back after `tighten` are what it should have made of them, jumps and their places included.
    /// Holds before and after clean-up.
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
        let mut wrong = layout(ruleset, &placing::wanted_in(view, ruleset, set).0).missing;
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
    let same = wanted.len() == live.rules.len() && wanted.iter().zip(&live.rules).all(|(one, other)| one.same(other));
    (!same).then(|| explain(chain, table, &wanted, &live.rules))
}

fn explain(chain: &str, table: &str, wanted: &[Rule], live: &[Rule]) -> String {
    let (known, there) = (Meanings::of(wanted), Meanings::of(live));
    let extra = live.iter().find(|rule| !known.contain(rule));
    let missing = wanted.iter().find(|rule| !there.contain(rule));
    let mut text = format!("{chain} ({table}) differs");
    if let Some(rule) = missing {
        let _ = write!(text, ": `{}` is missing", rule.spec());
    }
    if let Some(rule) = extra {
        let _ = write!(text, ": `{}` is too much", rule.spec());
    }
    text
}

/// The lines that a generation has once it is cleaned up.
pub(super) fn settled(view: &View, set: &MappingSet) -> Bodies {
    bodies(view, set, &Mark::default())
}
