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
pub(super) struct Program<'a> {
    chains: Vec<Lines<'a>>,
    /// Where the built-in chains are.
    entries: HashMap<(&'a str, &'a str), usize>,
}

/// A chain.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub table: &'a str,
    pub name: &'a str,
    pub policy: Option<&'a str>,
    pub lines: Vec<Line<'a>>,
}

/// A rule.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub rule: &'a Rule,
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

impl<'a> Program<'a> {
    pub fn new(ruleset: &'a Ruleset, family: Family) -> Self {
        let tables = TABLES.iter().filter_map(|name| ruleset.table(name));
        let all: Vec<(&'a str, &'a Chain)> = tables
            .flat_map(|table| table.chains.iter().map(|chain| (table.name.as_str(), chain)))
            .collect();
        let places: HashMap<(&str, &str), usize> = all
            .iter()
            .enumerate()
            .map(|(index, (table, chain))| ((*table, chain.name.as_str()), index))
            .collect();
        let memories = Memories::of(all.iter().flat_map(|(_, chain)| &chain.rules));
        let chains = all
            .iter()
            .map(|(table, chain)| Lines {
                table,
                name: &chain.name,
                policy: chain.policy.as_deref(),
                lines: chain
                    .rules
                    .iter()
                    .map(|rule| line(rule, family, table, &places, &memories))
                    .collect(),
            })
            .collect();
        let builtin = |(_, index): &(_, usize)| all.get(*index).is_some_and(|(_, chain)| chain.policy.is_some());
        Self {
            chains,
            entries: places.into_iter().filter(builtin).collect(),
        }
    }

    /// A built-in chain's place.
    pub fn entry(&self, table: &str, hook: &str) -> Option<usize> {
        self.entries.get(&(table, hook)).copied()
    }

    pub fn chain(&self, index: usize) -> Option<&Lines<'a>> {
        self.chains.get(index)
    }
}

fn line<'a>(
    rule: &'a Rule,
    family: Family,
    table: &str,
    places: &HashMap<(&str, &str), usize>,
    memories: &Memories<'_>,
) -> Line<'a> {
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
        rule,
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

impl Line<'_> {
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
                match ask(asked) {
                    Some(yes) => one = Holds::when(yes),
                    None => {
                        open += 1;
                        memory = asked.memory;
                    }
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
