//! A family's rules as a change will leave them, computed without touching anything: its `iptables-restore --noflush`
//! inputs carried out on the rules that were observed.

use std::sync::Arc;

use super::View;
use super::change::Change;
use super::rule::Rule;
use super::ruleset::{Chain, Ruleset, Table};

/// The rules once the change is confirmed and cleaned up.
#[must_use]
pub fn after(view: &View, change: &Change) -> Ruleset {
    let mut ruleset = loosened(view, change);
    if let Some(input) = &change.tighten {
        run(&mut ruleset, input);
    }
    let cleaning = change.clean.iter().filter_map(|input| input.tries.first());
    cleaning.for_each(|input| run(&mut ruleset, input));
    ruleset
}

/// The rules while the ways in of before and of afterwards both work.
#[must_use]
pub fn loosened(view: &View, change: &Change) -> Ruleset {
    let mut ruleset = view.ruleset.clone();
    let inputs = [Some(&change.stage), change.place.as_ref(), Some(&change.loosen)];
    inputs.into_iter().flatten().for_each(|input| run(&mut ruleset, input));
    ruleset
}

/// Carries out one of our own inputs. What names no chain that is there does nothing.
fn run(ruleset: &mut Ruleset, input: &str) {
    let mut open = None;
    for line in input.lines() {
        if let Some(name) = line.strip_prefix('*') {
            open = Some(table(ruleset, name));
        } else if let Some(place) = open
            && let Some(table) = ruleset.tables.get_mut(place)
        {
            step(table, line);
        }
    }
}

/// Where a table is. One that nothing was loaded into yet is not printed: it has its built-in chains, and no rule.
fn table(ruleset: &mut Ruleset, name: &str) -> usize {
    if let Some(place) = ruleset.tables.iter().position(|table| table.name == name) {
        return place;
    }
    let builtin: &[&str] = match name {
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        _ => &["INPUT", "FORWARD", "OUTPUT"],
    };
    let chains = builtin.iter().map(|name| chain(name, Some("ACCEPT"))).collect();
    ruleset.tables.push(Table {
        name: name.to_owned(),
        chains,
    });
    ruleset.tables.len() - 1
}

fn chain(name: &str, policy: Option<&str>) -> Chain {
    Chain {
        name: name.to_owned(),
        policy: policy.map(str::to_owned),
        counters: (0, 0),
        rules: Arc::default(),
    }
}

/// `:CHAIN - [0:0]`, `-A`, `-I CHAIN NUMBER`, `-D` by specification, `-X`.
fn step(table: &mut Table, line: &str) {
    if let Some(declared) = line.strip_prefix(':') {
        return declare(table, declared.split(' ').next().unwrap_or_default());
    }
    let mut words = line.splitn(3, ' ');
    let (command, name, rest) = (words.next(), words.next(), words.next().unwrap_or_default());
    let Some(name) = name else { return };
    if command == Some("-X") {
        return table.chains.retain(|chain| chain.name != name);
    }
    let Some(chain) = table.chains.iter_mut().find(|chain| chain.name == name) else {
        return;
    };
    match command {
        Some("-A") => Arc::make_mut(&mut chain.rules).extend(rule(name, rest)),
        Some("-I") => insert(chain, rest),
        Some("-D") => delete(chain, rest),
        _ => {}
    }
}

fn rule(chain: &str, spec: &str) -> Option<Rule> {
    Rule::read(&format!("-A {chain} {spec}")).ok().map(|(_, rule)| rule)
}

/// Makes a chain, or empties it.
fn declare(table: &mut Table, name: &str) {
    match table.chains.iter_mut().find(|chain| chain.name == name) {
        Some(chain) => chain.rules = Arc::default(),
        None => table.chains.push(chain(name, None)),
    }
}

fn insert(chain: &mut Chain, rest: &str) {
    let Some((number, spec)) = rest.split_once(' ') else {
        return;
    };
    let Some(rule) = rule(&chain.name, spec) else { return };
    let place = number.parse::<usize>().unwrap_or(1).saturating_sub(1);
    let rules = Arc::make_mut(&mut chain.rules);
    rules.insert(place.min(rules.len()), rule);
}

fn delete(chain: &mut Chain, spec: &str) {
    let gone = rule(&chain.name, spec);
    let place = gone.and_then(|gone| chain.rules.iter().position(|rule| rule.same(&gone)));
    if let Some(place) = place {
        Arc::make_mut(&mut chain.rules).remove(place);
    }
}
