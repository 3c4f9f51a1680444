//! The way back, prepared from what was observed before anything changed.

use super::installed::{Installed, is_ours, owned_chains};
use super::names::Hook;
use super::placing::Layout;
use super::rule::Rule;
use super::ruleset::Ruleset;
use super::staged::{Staged, commit, declared};

/// How to get one family back to the rules that were observed. In this order: `loosen`, then for each table
/// the first level that succeeds, then `rejump`, then compare with `want`, then `after`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Undo {
    /// filter input: old and new ways in both work. Allowed to fail.
    pub loosen: String,
    /// nat, then filter (nat is missing where the family has none).
    pub tables: Vec<TableUndo>,
    /// Jumps of the old state: `TABLE<TAB>line as iptables-save prints it<TAB>arguments that insert it`. A line's
    /// arguments run only while the line is missing; allowed to fail. A jump has more lines for when its old place does not
    /// exist any more.
    pub rejump: Vec<String>,
    /// `TABLE<TAB>arguments`, one command each, allowed to fail: takes away what the new generation added.
    pub after: Vec<String>,
}

/// One table's way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableUndo {
    /// Which table.
    pub table: &'static str,
    /// `iptables-restore --noflush` inputs, from best to last resort: (1) hooks refilled, (2) all our old chains
    /// in full, (3) hooks emptied: as reachable as without us. The first that succeeds is enough.
    pub levels: Vec<String>,
    /// Every old line of ours, as `iptables-save` without counters printed it: rules in our chains and jumps to them, in
    /// the order of `LC_ALL=C sort` (jumps for different ports may change places among themselves). The read-back,
    /// sorted, must hold exactly these among its lines that begin with `-A` and contain `PORTMAP-`, but for those that
    /// contain `-` and the new generation's number.
    pub want: Vec<String>,
}

pub(super) fn undo(staged: &Staged, old: &Installed, layout: &Layout<'_>) -> Undo {
    let tables = ["nat", "filter"]
        .into_iter()
        .filter(|table| staged.of(table).next().is_some());
    Undo {
        loosen: staged.refill_loosened(),
        tables: tables.clone().map(|table| table_undo(staged, old, table)).collect(),
        rejump: tables
            .clone()
            .flat_map(|table| rejump(&staged.view.ruleset, table))
            .collect(),
        after: tables.flat_map(|table| after(staged, old, layout, table)).collect(),
    }
}

fn table_undo(staged: &Staged, old: &Installed, table: &'static str) -> TableUndo {
    let ruleset = &staged.view.ruleset;
    let all = hooks(staged, old, table);
    let refilled: Vec<_> = all
        .iter()
        .map(|hook| declared(hook.name()))
        .chain(hook_lines(old, &all))
        .collect();
    let mut whole: Vec<_> = old_chains(ruleset, table).map(|(name, _)| declared(name)).collect();
    whole.extend(
        all.iter()
            .filter(|hook| !old.hooks.contains_key(hook))
            .map(|hook| declared(hook.name())),
    );
    whole.extend(
        old_chains(ruleset, table)
            .flat_map(|(_, rules)| rules)
            .map(|rule| rule.raw.clone()),
    );
    let emptied = all.iter().map(|hook| declared(hook.name())).collect();
    let mut levels: Vec<_> = [refilled, whole, emptied]
        .into_iter()
        .map(|lines| commit(table, lines))
        .collect();
    levels.dedup();
    TableUndo {
        table,
        levels,
        want: want(ruleset, table),
    }
}

/// The hooks of a table that exist or will.
fn hooks(staged: &Staged, old: &Installed, table: &str) -> Vec<Hook> {
    let concerned = |hook: &Hook| old.hooks.contains_key(hook) || staged.chains.iter().any(|one| one.hook == *hook);
    Hook::ALL
        .into_iter()
        .filter(|hook| hook.table() == table)
        .filter(concerned)
        .collect()
}

fn hook_lines(old: &Installed, hooks: &[Hook]) -> Vec<String> {
    let states = hooks.iter().filter_map(|hook| old.hooks.get(hook));
    states
        .flat_map(|state| &state.rules)
        .map(|rule| rule.raw.clone())
        .collect()
}

/// Our chains of a table as they were.
fn old_chains<'a>(ruleset: &'a Ruleset, table: &'a str) -> impl Iterator<Item = (&'a str, &'a [Rule])> {
    let ours = owned_chains(ruleset).filter(move |(of, _, _)| *of == table);
    ours.map(move |(_, name, _)| (name, ruleset.rules(table, name)))
}

fn want(ruleset: &Ruleset, table: &str) -> Vec<String> {
    let ours = |name: &str| super::Owned::parse(table, name).is_some();
    let chains = ruleset.table(table).map_or(&[][..], |table| &table.chains);
    let rules = chains
        .iter()
        .flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)));
    let wanted = rules.filter(|(chain, rule)| ours(&chain.name) || is_ours(table, rule));
    let mut lines: Vec<_> = wanted.map(|(_, rule)| rule.raw.clone()).collect();
    lines.sort_unstable();
    lines
}

/// Old jumps, top ones first. Without its old place a jump goes to the top, below the guard if that is there: reachable
/// counts first.
fn rejump(ruleset: &Ruleset, table: &str) -> Vec<String> {
    let chains = ruleset.table(table).map_or(&[][..], |table| &table.chains);
    let mut lines = Vec::new();
    for chain in chains
        .iter()
        .filter(|chain| super::Owned::parse(table, &chain.name).is_none())
    {
        let jumps = chain
            .rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| is_ours(table, rule) && is_plain(&rule.raw));
        for (index, rule) in jumps {
            let insert =
                |position: usize| format!("{table}\t{}\t-I {} {position} {}", rule.raw, chain.name, rule.spec());
            let mut positions = vec![index + 1, 2, 1];
            positions.retain(|position| *position <= index + 1);
            positions.dedup();
            lines.extend(positions.into_iter().map(insert));
        }
    }
    lines
}

/// Whether a line can be split at blanks without a shell's or iptables' quoting.
fn is_plain(line: &str) -> bool {
    line.chars()
        .all(|c| c.is_ascii_alphanumeric() || " -_.:/!,+".contains(c))
}

fn after(staged: &Staged, old: &Installed, layout: &Layout<'_>, table: &str) -> Vec<String> {
    let mine = layout
        .insert
        .iter()
        .map(|insert| &insert.wanted)
        .filter(|wanted| wanted.hook.table() == table);
    let jumps = mine.map(|wanted| format!("-D {} {}", wanted.hook.builtin(), wanted.spec(staged.generation)));
    let new_hooks = staged
        .of(table)
        .map(|hook| hook.hook)
        .filter(|hook| !old.hooks.contains_key(hook));
    let chains = new_hooks.map(|hook| hook.name().to_owned()).chain(staged.names(table));
    let deleted = chains.flat_map(|chain| [format!("-F {chain}"), format!("-X {chain}")]);
    jumps
        .chain(deleted)
        .map(|arguments| format!("{table}\t{arguments}"))
        .collect()
}
