//! What a change loads, and the lines of restore inputs that it is written with.

use super::View;
use super::desired::Line;
use super::names::{Generation, Hook};
use crate::mapping::MappingSet;

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

impl StagedHook {
    pub fn final_name(&self, generation: Generation) -> String {
        self.hook.chain(generation)
    }

    pub fn loosened_name(&self, generation: Generation) -> String {
        match self.loosened {
            Some(_) => self.hook.loosened_chain(generation),
            None => self.hook.chain(generation),
        }
    }

    /// Its chains: name and lines.
    pub fn chains(&self, generation: Generation) -> impl Iterator<Item = (String, &[Line])> {
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
    pub fn switch(
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
pub(super) fn refilled(hook: Hook, chain: &str) -> [String; 2] {
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

/// The lines that create a chain and fill it.
pub(super) fn filled<'a>(
    chain: &'a str,
    lines: &'a [Line],
    keep: fn(&Line) -> bool,
) -> impl Iterator<Item = String> + 'a {
    let rules = lines
        .iter()
        .filter(move |line| keep(line))
        .map(move |line| format!("-A {chain} {}", line.spec));
    std::iter::once(declared(chain)).chain(rules)
}

pub(super) fn unmarked(line: &Line) -> bool {
    line.counter.is_none()
}
