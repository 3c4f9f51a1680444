//! Hosts to which the same happens, told once.

use super::reach::{self, ReachLine};
use super::{Preview, Previews, State};
use crate::firewall::Family;
use crate::plan::{ChainDiff, DiffLine};

/// What becomes of one host or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub hosts: Vec<&'a str>,
    pub what: What,
}

/// All but the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct What {
    pub state: State,
    pub reasons: Vec<String>,
    pub rules: Vec<Changed>,
    pub reach: Vec<ReachLine>,
    pub warnings: Vec<String>,
    pub hint: Option<String>,
}

/// A chain that changes alike in these families.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    pub families: Vec<Family>,
    pub table: &'static str,
    pub chain: &'static str,
    pub lines: Vec<DiffLine>,
}

impl What {
    fn of(preview: &Preview) -> Self {
        Self {
            state: preview.state,
            reasons: preview.reasons.clone(),
            rules: chains(&preview.rules),
            reach: reach::lines(&preview.reach),
            warnings: preview.warnings.clone(),
            hint: preview.hint.clone(),
        }
    }
}

/// In the order of the first host of each.
pub(super) fn groups(previews: &Previews) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (name, preview) in &previews.hosts {
        let what = What::of(preview);
        match groups.iter_mut().find(|group| group.what == what) {
            Some(group) => group.hosts.push(name),
            None => groups.push(Group {
                hosts: vec![name],
                what,
            }),
        }
    }
    groups
}

fn chains(rules: &[ChainDiff]) -> Vec<Changed> {
    let mut chains: Vec<Changed> = Vec::new();
    for diff in rules {
        let alike =
            |chain: &&mut Changed| (chain.table, chain.chain) == (diff.table, diff.chain) && chain.lines == diff.lines;
        match chains.iter_mut().find(alike) {
            Some(chain) => chain.families.push(diff.family),
            None => chains.push(Changed {
                families: vec![diff.family],
                table: diff.table,
                chain: diff.chain,
                lines: diff.lines.clone(),
            }),
        }
    }
    chains
}
