//! Rule sets of real hosts and netfilter's own rules, where they lie beside the checkout: hardly a match or a target of
//! theirs is not modelled.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::super::condition::{Condition, Facts, Holds, protocol};
use super::super::effect::Effect;
use super::super::{Host, State};
use crate::firewall::{Family, Rule, Ruleset, Target};

/// Relative to the checkout; the rules are other people's and not part of the project.
const FOLDER: &str = "../shared/rulesets";

/// Says it on the terminal, whatever the test harness captures.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A packet of which nothing is told but its protocol: nothing decides before the match in question.
fn facts(family: Family, number: u8) -> Facts {
    Facts {
        family,
        protocol: Some(number),
        source: None,
        destination: None,
        to_us: None,
        source_port: None,
        destination_port: None,
        in_interface: None,
        out_interface: None,
        table: "filter",
        hook: "FORWARD",
        state: State::New,
        original_destination: None,
        original_destination_port: None,
        original_source: None,
        original_source_port: None,
        dnat: false,
        snat: false,
        mark: None,
        connmark: None,
        changed_sets: Vec::new(),
    }
}

#[derive(Default)]
struct Census {
    rules: usize,
    unknown: usize,
    reasons: BTreeMap<String, usize>,
    maybe: BTreeMap<String, usize>,
}

impl Census {
    fn count(&mut self, rule: &Rule, family: Family, table: &str) {
        self.rules += 1;
        let mut unknown = false;
        for one in &rule.matches {
            let condition = Condition::read(one, family);
            for number in [protocol::TCP, protocol::UDP] {
                match condition.holds(&facts(family, number), &Host::default()) {
                    Holds::Unknown(reason) => {
                        *self.reasons.entry(reason.to_owned()).or_default() += 1;
                        unknown = true;
                    }
                    Holds::Maybe(reason) => *self.maybe.entry(reason.to_owned()).or_default() += 1,
                    _ => {}
                }
            }
        }
        if let Effect::Unknown(reason) = Effect::read(&rule.target, family, table) {
            *self.reasons.entry(format!("-j {reason}")).or_default() += 1;
            unknown = true;
        }
        let _ = Condition::of(rule, family);
        self.unknown += usize::from(unknown);
    }

    fn tell(&self, what: &str) {
        say(&format!("{what}: {} rules, {} not modelled", self.rules, self.unknown));
        for (reason, count) in &self.reasons {
            say(&format!("  not modelled, {count}: {reason}"));
        }
        for (reason, count) in &self.maybe {
            say(&format!("  both ways, {count}: {reason}"));
        }
    }
}

#[test]
fn real_rules_are_modelled() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let mut census = Census::default();
    for name in ["dumps", "seeds"] {
        let Ok(files) = std::fs::read_dir(folder.join(name)) else {
            say(&format!("SKIPPED: no {}", folder.join(name).display()));
            return;
        };
        for file in files.flatten() {
            let family = if file.path().extension().is_some_and(|end| end == "v6") {
                Family::V6
            } else {
                Family::V4
            };
            let text = std::fs::read_to_string(file.path()).unwrap();
            let Ok(ruleset) = Ruleset::parse_file(&text) else {
                say(&format!("cannot be read: {}", file.path().display()));
                continue;
            };
            for table in &ruleset.tables {
                let rules = table.chains.iter().flat_map(|chain| chain.rules.iter());
                rules.for_each(|rule| census.count(rule, family, &table.name));
            }
        }
    }
    census.tell("real rule sets");
    assert!(census.rules > 10_000);
    assert!(census.unknown * 500 < census.rules, "{:?}", census.reasons);
}

#[test]
fn rules_of_netfilters_tests_are_modelled() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(FOLDER)
        .join("ext_rules.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        say(&format!("SKIPPED: no {}", file.display()));
        return;
    };
    let (mut loading, mut others) = (Census::default(), Census::default());
    for line in text.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let family = if value["family"] == 6 { Family::V6 } else { Family::V4 };
        let Some(rule) = Rule::from_spec(value["rule"].as_str().unwrap_or("")) else {
            continue;
        };
        let census = if value["loads"] == true {
            &mut loading
        } else {
            &mut others
        };
        census.count(&rule, family, value["table"].as_str().unwrap_or(""));
        assert_ne!(rule.target, Target::Goto(String::new()));
    }
    loading.tell("netfilter's rules that load here");
    others.tell("netfilter's rules that do not load here");
    assert!(loading.rules > 1000);
    assert!(loading.unknown * 10 < loading.rules);
}
