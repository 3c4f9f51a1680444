//! One spelling for each rule: the one of `iptables-save` as far as it can be told without the extensions themselves.

use super::rule::{self, Rule};
use super::spec::{Opt, Spec};
use super::values::{network, protocol_name};
use super::words::{quote, value};

/// In this order `iptables-save` prints the options of no module.
const ORDER: [&str; 8] = ["-s", "-d", "-i", "-o", "-p", "-f", "-4", "-6"];

/// A rule of a chain, respelled.
pub(super) fn spelled(chain: &str, rule: &Rule) -> String {
    let words = rule::split(&rule.raw).ok();
    let spec = words.and_then(|words| Spec::read(words.get(2..)?).ok());
    spec.map_or_else(|| rule.raw.clone(), |spec| rule_text(chain, &spec))
}

/// `-A CHAIN …`.
pub(super) fn rule_text(chain: &str, spec: &Spec) -> String {
    let mut words = vec!["-A".to_owned(), quote(chain)];
    for name in ORDER {
        let option = spec.general.iter().find(|option| option.name == name);
        words.extend(option.and_then(general).into_iter().flatten());
    }
    for module in &spec.modules {
        words.extend(["-m".to_owned(), value(&module.name)]);
        words.extend(module.options.iter().flat_map(option));
    }
    if let Some(target) = &spec.target {
        words.extend([if target.goto { "-g" } else { "-j" }.to_owned(), value(&target.name)]);
        words.extend(target.options.iter().flat_map(option));
    }
    words.join(" ")
}

/// An option of no module; `None`: it says nothing.
fn general(option: &Opt) -> Option<Vec<String>> {
    let written = option.values.first().map_or("", String::as_str);
    let respelled = match option.name.as_str() {
        "-p" => protocol_name(written),
        "-s" | "-d" => match network(written) {
            Some(net) if net.prefix_len() == 0 => None,
            Some(net) => Some(net.to_string()),
            None => Some(written.to_owned()),
        },
        "-i" | "-o" => (written != "+").then(|| written.to_owned()),
        _ => return Some(self::option(option)),
    };
    let respelled = match respelled {
        None if option.negated => written.to_owned(),
        other => other?,
    };
    let changed = Opt {
        values: vec![respelled],
        ..option.clone()
    };
    Some(self::option(&changed))
}

fn option(option: &Opt) -> Vec<String> {
    let negation = option.negated.then(|| "!".to_owned());
    let name = Some(option.name.clone()).filter(|name| !name.is_empty());
    let values = option.values.iter().map(|word| value(word));
    negation.into_iter().chain(name).chain(values).collect()
}
