//! The jumps from the built-in chains to our hooks: where they should be, which are missing, which are too many.

use std::collections::HashMap;
use std::sync::Arc;

use super::View;
use super::desired::{accepted_ports, service};
use super::installed::is_ours;
use super::names::{Generation, Hook, Owned};
use super::place::{self, Place, only_takes_away};
use super::rule::{Match, Rule};
use super::ruleset::Ruleset;
use super::walk::Wish;
use super::words::quote;
use crate::mapping::{MappingSet, Protocol};

/// A jump that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub hook: Hook,
    /// What it matches, with a blank at the end; empty for every packet.
    pub service: String,
    /// The same, typed.
    conditions: Vec<Match>,
    /// How many foreign rules may be above it: the least, and the number to aim at. `None`: it is the first rule.
    pub between: Option<(usize, usize)>,
}

impl Wanted {
    fn new(hook: Hook, service: String, between: Option<(usize, usize)>) -> Self {
        let rule = Rule::from_spec(&service);
        let conditions = rule.map_or_else(Vec::new, |rule| rule.conditions().into_iter().cloned().collect());
        Self {
            hook,
            service,
            conditions,
            between,
        }
    }

    /// The jump as a generation writes it, after `-A CHAIN`.
    pub fn spec(&self, generation: Generation) -> String {
        format!(
            "{}-m comment --comment {} -j {}",
            self.service,
            generation.comment(),
            self.hook.name()
        )
    }

    fn describe(&self) -> String {
        let (hook, builtin, table) = (self.hook.name(), self.hook.builtin(), self.hook.table());
        match self.between {
            None => format!("no jump to {hook} at the top of {builtin} ({table})"),
            Some((_, to)) => {
                let what = self.service.trim_end();
                let what = if what.is_empty() {
                    String::new()
                } else {
                    format!(" for {what}")
                };
                let place = match to {
                    0 => "above the other rules".to_owned(),
                    1 => "below the first other rule".to_owned(),
                    many => format!("below the first {many} other rules"),
                };
                format!("no jump to {hook}{what} {place} of {builtin} ({table})")
            }
        }
    }

    /// Whether this jump is the one. The guard may stand below rules that only take away, as fail2ban inserts them.
    fn is_met_by(&self, rule: &Rule, spot: Spot) -> bool {
        let placed = match (self.between, self.hook) {
            (Some((from, to)), _) => (from..=to).contains(&spot.above),
            (None, Hook::Guard) => spot.index <= spot.top,
            (None, _) => spot.index == 0,
        };
        placed && rule.leads_to() == Some(self.hook.name()) && rule.conditions().into_iter().eq(&self.conditions)
    }
}

/// Where a jump was found.
#[derive(Clone, Copy)]
struct Spot {
    /// Its place in the chain, from 0.
    index: usize,
    /// How many rules at the top of the chain only take away.
    top: usize,
    /// How many foreign rules are above it.
    above: usize,
}

/// The jumps that a ruleset should hold, and what to tell people about the accept's place.
pub(super) fn wanted(view: &View, set: &MappingSet) -> (Vec<Wanted>, Vec<String>) {
    wanted_in(view, &view.ruleset, set)
}

/// As [`wanted`], for a later reading of the same host.
pub(super) fn wanted_in(view: &View, ruleset: &Ruleset, set: &MappingSet) -> (Vec<Wanted>, Vec<String>) {
    let tops = view.hooks().iter().filter(|hook| **hook != Hook::Accept);
    let mut wanted: Vec<_> = tops.map(|hook| Wanted::new(*hook, String::new(), None)).collect();
    let (accepts, bans) = if view.nat {
        accepts(view, ruleset, set)
    } else {
        (Vec::new(), Vec::new())
    };
    wanted.extend(accepts);
    (wanted, bans)
}

/// The jumps to the accept, and the bans that they stand above. One jump for what comes in by any interface; another for
/// each interface that has its place further up.
fn accepts(view: &View, ruleset: &Ruleset, set: &MappingSet) -> (Vec<Wanted>, Vec<String>) {
    let ports = accepted_ports(view.family, set);
    let places = |interface| {
        let place = |(protocol, port): &_| {
            let wish = Wish {
                protocol: *protocol,
                port: *port,
                interface,
            };
            place::place(ruleset, wish)
        };
        ports.iter().map(place).collect::<Vec<_>>()
    };
    let general = places(None);
    let mut bans: Vec<_> = general.iter().flat_map(|place| place.bans.clone()).collect();
    let all: Vec<_> = ports.iter().copied().zip(&general).collect();
    let mut wanted = jumps("", &all, true);
    for interface in place::interfaces(ruleset) {
        let own = places(Some(interface));
        let mut higher = Vec::new();
        for ((service, general), own) in ports.iter().zip(&general).zip(&own) {
            let (protocol, port) = *service;
            if own.to < general.to && !own.superfluous {
                bans.extend(own.bans.iter().cloned());
                higher.push((*service, own));
            } else if own.to > general.to {
                let wish = Wish {
                    protocol,
                    port,
                    interface: Some(interface),
                };
                bans.extend(place::passed_by(ruleset, wish, general.to..own.to));
            }
        }
        let whole = higher.len() == ports.len();
        wanted.extend(jumps(&format!("-i {} ", quote(interface)), &higher, whole));
    }
    bans.sort_unstable();
    bans.dedup();
    (wanted, bans)
}

/// One jump where all ports have one place, and they are all that there are; else one for each.
fn jumps(interface: &str, places: &[((Protocol, u16), &Place)], whole: bool) -> Vec<Wanted> {
    let wanted = |words: String, from, to| Wanted::new(Hook::Accept, words, Some((from, to)));
    let Some((_, first)) = places.first() else {
        return Vec::new();
    };
    if whole && places.iter().all(|(_, place)| place.to == first.to) {
        let from = places.iter().map(|(_, place)| place.from).max().unwrap_or(first.to);
        return vec![wanted(interface.to_owned(), from, first.to)];
    }
    let each = places.iter().map(|((protocol, port), place)| {
        let words = format!("{interface}{}", service(*protocol, *port));
        wanted(words, place.from, place.to)
    });
    each.collect()
}

/// A jump to insert: before the rule that has this number, from 1, now; `None`: at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Insert {
    pub wanted: Wanted,
    pub position: Option<usize>,
}

impl Insert {
    /// The iptables words that do it.
    pub fn words(&self, generation: Generation) -> String {
        let (chain, spec) = (self.wanted.hook.builtin(), self.wanted.spec(generation));
        match self.position {
            Some(position) => format!("-I {chain} {position} {spec}"),
            None => format!("-A {chain} {spec}"),
        }
    }
}

/// How the jumps that are there compare with those that should be.
#[derive(Debug, Default)]
pub(super) struct Layout<'a> {
    /// What is missing, from the last position to the first, so that no insert moves the place of a later one.
    pub insert: Vec<Insert>,
    /// Jumps of ours that nothing asks for: table, built-in chain, rule.
    pub superseded: Vec<(&'a str, &'a str, &'a Rule)>,
    /// What is missing, for people, and in which table.
    pub missing: Vec<(&'static str, String)>,
}

/// Compares.
pub(super) fn layout<'a>(ruleset: &'a Ruleset, wanted: &[Wanted]) -> Layout<'a> {
    let mut layout = Layout::default();
    for (table, builtin) in [
        ("nat", "PREROUTING"),
        ("nat", "OUTPUT"),
        ("nat", "INPUT"),
        ("filter", "INPUT"),
    ] {
        let here = wanted
            .iter()
            .filter(|wanted| wanted.hook.table() == table && wanted.hook.builtin() == builtin);
        chain(&mut layout, ruleset, (table, builtin), here.collect());
    }
    layout
        .insert
        .sort_by_key(|insert| std::cmp::Reverse(insert.position.unwrap_or(usize::MAX)));
    // The guard goes above an accept that is inserted at the top as well.
    layout.insert.sort_by_key(|insert| insert.wanted.between.is_none());
    layout
}

fn chain<'a>(
    layout: &mut Layout<'a>,
    ruleset: &'a Ruleset,
    (table, builtin): (&'a str, &'a str),
    mut wanted: Vec<&Wanted>,
) {
    let rules = ruleset.rules(table, builtin);
    let top = rules.iter().take_while(|rule| only_takes_away(ruleset, rule)).count();
    let mut twins = HashMap::new();
    for rule in rules.iter().filter(|rule| is_ours(table, rule)) {
        *twins.entry(rule.meaning()).or_insert(0) += 1;
    }
    let mut foreign = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        if !is_ours(table, rule) {
            foreign.push(index);
            continue;
        }
        let spot = Spot {
            index,
            top,
            above: foreign.len(),
        };
        // Of two that are the same, `-D` by specification would delete the first: both go, and a new one comes.
        let alone = twins.get(&rule.meaning()) == Some(&1);
        match wanted.iter().position(|wanted| alone && wanted.is_met_by(rule, spot)) {
            Some(met) => drop(wanted.remove(met)),
            None => layout.superseded.push((table, builtin, rule)),
        }
    }
    for wanted in wanted {
        let position = match wanted.between {
            None => Some(1),
            Some((_, to)) => foreign.get(to).map(|index| index + 1),
        };
        layout.missing.push((wanted.hook.table(), wanted.describe()));
        layout.insert.push(Insert {
            wanted: wanted.clone(),
            position,
        });
    }
}

/// A ruleset as it would be without us.
pub(super) fn without_ours(ruleset: &Ruleset) -> Ruleset {
    let mut foreign = ruleset.clone();
    for table in &mut foreign.tables {
        let name = table.name.clone();
        table.chains.retain(|chain| Owned::parse(&name, &chain.name).is_none());
        for chain in &mut table.chains {
            if chain.rules.iter().any(|rule| is_ours(&name, rule)) {
                Arc::make_mut(&mut chain.rules).retain(|rule| !is_ours(&name, rule));
            }
        }
    }
    foreign
}
