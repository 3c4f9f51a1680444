//! Options that belong together: a packet without a connection passes an `-m conntrack` by its `--ctstate` alone, whatever
//! the other options of that `-m conntrack` say (`xt_conntrack.c`); on their own they fail it.

use super::conntrack::{self, Conntrack};
use super::words::choices;
use super::{Condition, Test, test};
use crate::firewall::spec::{Module, Opt, Spec};
use crate::firewall::{Family, Match, Rule, words};

/// The conditions of a rule, all of which must hold.
pub(super) fn conditions(rule: &Rule, family: Family) -> Vec<Condition> {
    let apart = || rule.matches.iter().map(|one| Condition::read(one, family)).collect();
    let asks = |about: fn(&Match) -> bool| rule.matches.iter().any(about);
    if !(asks(is_state) && asks(is_entry)) {
        return apart();
    }
    regrouped(rule, family).unwrap_or_else(apart)
}

fn plain(one: &Match) -> &Match {
    match one {
        Match::Not(inner) => inner,
        one => one,
    }
}

fn is_state(one: &Match) -> bool {
    matches!(plain(one), Match::State(_))
}

fn is_entry(one: &Match) -> bool {
    match plain(one) {
        Match::OriginalPort(_) => true,
        Match::Other { module, .. } => module == "conntrack",
        _ => false,
    }
}

/// By the rule's own words, each `-m conntrack` by itself.
fn regrouped(rule: &Rule, family: Family) -> Option<Vec<Condition>> {
    let words = words::split(&rule.raw).ok()?;
    let spec = Spec::read(words.get(2..)?).ok()?;
    let others = rule.matches.iter().filter(|one| !is_state(one) && !is_entry(one));
    let modules = spec
        .modules
        .iter()
        .filter(|module| ["conntrack", "state"].contains(&module.name.as_str()));
    let tests = others
        .map(|one| test(one, family))
        .chain(modules.map(|module| group(module, family)));
    Some(tests.map(Condition).collect())
}

fn group(module: &Module, family: Family) -> Test {
    let words: Vec<String> = module.options.iter().flat_map(Opt::words).collect();
    let read = |choice| conntrack::option(choice, family).unwrap_or_else(|| Test::Unknown("conntrack".to_owned()));
    let (states, entries) = choices(&words).iter().map(read).partition(|test| match test {
        Test::Not(inner) => matches!(**inner, Test::Conntrack(Conntrack::State(_))),
        one => matches!(one, Test::Conntrack(Conntrack::State(_))),
    });
    Test::Connection { states, entries }
}
