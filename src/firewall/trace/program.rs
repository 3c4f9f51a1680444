//! A family's rules, made ready once to be walked through many times.

use std::collections::HashMap;

use super::condition::{Condition, Holds};
use super::effect::Effect;
use super::memory::Memories;
use crate::firewall::{Chain, Family, Match, Rule, Ruleset};

/// The tables in the order in which a hook asks them; nat comes before filter where destinations are rewritten
/// (PREROUTING, OUTPUT) and last where sources are.
pub(super) const TABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// All chains of a family.
#[derive(Debug)]
pub(super) struct Program {
    chains: Vec<Lines>,
    /// Where the built-in chains are.
    entries: HashMap<(&'static str, String), usize>,
}

/// A chain.
#[derive(Debug)]
pub(super) struct Lines {
    pub table: &'static str,
    /// Its place among the tables of the rules, and among the chains of that.
    pub at: (usize, usize),
    /// Whether its policy is DROP.
    pub drops: bool,
    pub rules: Vec<Line>,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Line {
    pub asks: Vec<Asked>,
    pub act: Act,
}

/// A condition, and the number under which its answer is remembered, where there is another like it.
#[derive(Debug)]
pub(super) struct Asked {
    pub condition: Condition,
    pub memory: Option<Memory>,
}

/// What is remembered of a condition that is asked more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub number: u32,
    /// Whether this one is the opposite of what is remembered.
    pub turned: bool,
    /// Whether it stays as it is when the destination is rewritten.
    pub lasting: bool,
}

/// What a rule does.
#[derive(Debug)]
pub(super) enum Act {
    Effect(Effect),
    Jump(usize),
    Goto(usize),
}

impl Program {
    pub fn new(ruleset: &Ruleset, family: Family) -> Self {
        let all: Vec<_> = TABLES.iter().flat_map(|name| chains(ruleset, name)).collect();
        let places: HashMap<(&str, &str), usize> = all
            .iter()
            .enumerate()
            .map(|(index, (table, _, chain))| ((*table, chain.name.as_str()), index))
            .collect();
        let memories = Memories::of(all.iter().flat_map(|(_, _, chain)| chain.rules.iter()));
        let read = |rule, table| line(rule, family, table, &places, &memories);
        let chains = all.iter().map(|&(table, at, chain)| Lines {
            table,
            at,
            drops: chain.policy.as_deref() == Some("DROP"),
            rules: chain.rules.iter().map(|rule| read(rule, table)).collect(),
        });
        let chains = chains.collect();
        let builtin = all.iter().zip(0..).filter(|((_, _, chain), _)| chain.policy.is_some());
        Self {
            chains,
            entries: builtin
                .map(|((table, _, chain), index)| ((*table, chain.name.clone()), index))
                .collect(),
        }
    }

    /// A built-in chain's place.
    pub fn entry(&self, table: &'static str, hook: &str) -> Option<usize> {
        self.entries.get(&(table, hook.to_owned())).copied()
    }

    pub fn chain(&self, index: usize) -> Option<&Lines> {
        self.chains.get(index)
    }
}

/// The chains of a table, with their places.
fn chains<'a>(
    ruleset: &'a Ruleset,
    name: &'static str,
) -> impl Iterator<Item = (&'static str, (usize, usize), &'a Chain)> {
    let mut tables = ruleset
        .tables
        .iter()
        .enumerate()
        .filter(move |(_, table)| table.name == name);
    let table = tables.next_back();
    table.into_iter().flat_map(move |(at, table)| {
        let numbered = table.chains.iter().enumerate();
        numbered.map(move |(index, chain)| (name, (at, index), chain))
    })
}

fn line(
    rule: &Rule,
    family: Family,
    table: &str,
    places: &HashMap<(&str, &str), usize>,
    memories: &Memories<'_>,
) -> Line {
    let conditions = Condition::of(rule, family);
    let one_each = conditions.len() == rule.matches.len();
    let matches = rule.matches.iter().map(Some).chain(std::iter::repeat(None));
    let asks = conditions
        .into_iter()
        .zip(matches.map(|one| one.filter(|_| one_each)))
        .filter(|(_, one)| !matches!(one, Some(Match::Comment(_))))
        .map(|(condition, one)| Asked {
            condition,
            memory: one.and_then(|one| memories.of_match(one)),
        });
    Line {
        asks: asks.collect(),
        act: act(Effect::read(&rule.target, family, table), table, places),
    }
}

fn act(effect: Effect, table: &str, places: &HashMap<(&str, &str), usize>) -> Act {
    let place = |chain: &str| places.get(&(table, chain)).copied();
    match &effect {
        Effect::Jump(chain) => place(chain).map_or_else(|| missing(chain), Act::Jump),
        Effect::Goto(chain) => place(chain).map_or_else(|| missing(chain), Act::Goto),
        _ => Act::Effect(effect),
    }
}

fn missing(name: &str) -> Act {
    Act::Effect(Effect::Unknown(format!(
        "{name}: no chain of this table, and no target that is modelled"
    )))
}

impl Line {
    /// What all its conditions together say, and the one that is remembered for it, where only one is open.
    pub fn holds(
        &self,
        mut ask: impl FnMut(&Asked) -> Option<bool>,
        facts: &super::condition::Facts,
        host: &super::Host,
    ) -> (Holds<'_>, Option<Memory>, usize) {
        let mut sum = Holds::Yes;
        let (mut memory, mut open) = (None, 0);
        for asked in &self.asks {
            let mut one = asked.condition.holds(facts, host);
            if matches!(one, Holds::Maybe(_) | Holds::Unknown(_)) {
                if let Some(yes) = ask(asked) {
                    one = Holds::when(yes);
                } else {
                    open += 1;
                    memory = asked.memory;
                }
            }
            sum = sum.and(one);
            if sum == Holds::No {
                break;
            }
        }
        (sum, memory, open)
    }
}
