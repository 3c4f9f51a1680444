//! The rules that one line makes.

use super::super::parse::Fault;
use super::super::rule::{Counts, Rule};
use super::super::spec::{Opt, Spec};
use super::super::spelling::rule_text;
use super::super::words::{Word, quote};

/// A line that holds a command.
pub(super) struct Line<'a> {
    pub text: &'a str,
    pub counters: Option<Counts>,
}

/// A rule, or one for each of its addresses.
pub(super) fn rules(line: &Line<'_>, chain: &str, words: &[Word]) -> Result<Vec<Rule>, Fault> {
    let spec = Spec::read(words)?;
    if let Some(stray) = spec.stray {
        return Err(stray);
    }
    let several = |option: &&Opt| is_address(option) && option.values.iter().any(|value| value.contains(','));
    if let Some(option) = spec.general.iter().find(several) {
        if option.negated {
            let at = words.first().map_or(0, |word| word.at);
            return Err((at, format!("`!` with several addresses in {}", option.name)));
        }
        let read = |spec: Spec| {
            let (_, rule) = Rule::read(&rule_text(chain, &spec))?;
            let counters = rule.counters.or(line.counters);
            Ok(Rule { counters, ..rule })
        };
        return each_address(spec).into_iter().map(read).collect();
    }
    let text = match words.first() {
        Some(first) => line.text.chars().skip(first.at).collect::<String>(),
        None => String::new(),
    };
    let raw = format!("-A {} {}", quote(chain), text.trim_end_matches([' ', '\t']));
    Ok(vec![Rule::new(&spec, line.counters, raw.trim_end().to_owned())])
}

fn is_address(option: &Opt) -> bool {
    ["-s", "-d"].contains(&option.name.as_str())
}

/// Sources in turn, each with all destinations.
fn each_address(spec: Spec) -> Vec<Spec> {
    ["-s", "-d"].into_iter().fold(vec![spec], |specs, name| {
        specs.into_iter().flat_map(|spec| each_value(&spec, name)).collect()
    })
}

fn each_value(spec: &Spec, name: &str) -> Vec<Spec> {
    let Some(place) = spec.general.iter().position(|option| option.name == name) else {
        return vec![spec.clone()];
    };
    let values = spec.general.get(place).into_iter().flat_map(|option| &option.values);
    let with = |value: &str| {
        let mut one = spec.clone();
        if let Some(option) = one.general.get_mut(place) {
            option.values = vec![value.to_owned()];
        }
        one
    };
    values.flat_map(|value| value.split(',')).map(with).collect()
}
