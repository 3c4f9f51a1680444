//! The `iptables-restore --noflush` inputs that take one family of one host from its old rules to new ones.
//!
//! A hook is switched by inserting a goto above its old line: the old line is dead from then on, and the commit is a
//! pure addition (measured with iptables-nft 1.8.9: 2 ms, where flushing a chain waits 20-50 ms). Clean-up leaves one line.

use super::desired::{Line, bodies};
use super::installed::{Installed, installed, owned_chains};
use super::loosened::loosened;
use super::names::{Generation, Hook, Owned};
use super::placing::{self, Layout, Wanted, layout};
use super::ruleset::Ruleset;
use super::staged::{Staged, StagedHook, commit, declared, filled, refilled, unmarked};
use super::undo::{Undo, undo};
use super::{Family, Mark, View};
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
    pub(super) staged: Staged,
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

/// The `iptables-restore --noflush` input that gives a host without any rules, of ours or others, what a first change to
/// these mappings ends with. Empty where there are no mappings.
#[must_use]
pub fn fresh(family: Family, set: &MappingSet, generation: Generation) -> String {
    if set.mappings().is_empty() {
        return String::new();
    }
    let view = View {
        family,
        ruleset: Ruleset::default(),
        nat: true,
    };
    let boot = change(&view, set, generation, &Mark::default()).boot;
    boot.into_iter()
        .filter_map(|input| input.tries.into_iter().next())
        .collect()
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
    above.collect()
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
