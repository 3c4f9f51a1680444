//! Rule sets at random, out of everything that the tracer says it models. Words come from small pools, so that rules and
//! packets meet.

use std::fmt::Write as _;

use fastrand::Rng;
use portmap_deploy::firewall::Family;

use super::words::{self, Place};

/// How many chains of the user's a built-in chain may have.
const MOST_CHAINS: usize = 3;

/// The built-in chains of a table.
pub fn hooks(table: &str) -> &'static [&'static str] {
    match table {
        "raw" => &["PREROUTING", "OUTPUT"],
        "mangle" => &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
        "nat" => &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
        _ => &["INPUT", "FORWARD", "OUTPUT"],
    }
}

/// Text for `iptables-restore` that replaces every table. With `all` also of conditions that depend on what is not told
/// of a packet, or on luck.
pub fn ruleset(rng: &mut Rng, family: Family, all: bool) -> String {
    let mut text = String::new();
    for table in ["raw", "mangle", "nat", "filter", "security"] {
        let busy = match table {
            "filter" => 100,
            "nat" => 80,
            "security" => 10,
            _ => 40,
        };
        let busy = rng.u32(..100) < busy;
        text.push_str(&self::table(rng, family, table, busy, all));
    }
    text
}

fn table(rng: &mut Rng, family: Family, table: &'static str, busy: bool, all: bool) -> String {
    let (mut head, mut rules) = (format!("*{table}\n"), String::new());
    for hook in hooks(table) {
        let policy = if rng.u32(..5) == 0 && busy && table != "nat" && *hook != "OUTPUT" {
            "DROP"
        } else {
            "ACCEPT"
        };
        let _ = writeln!(head, ":{hook} {policy} [0:0]");
        if *hook == "OUTPUT" || !busy {
            continue;
        }
        // A chain leads to later ones alone: there are no loops.
        let chains = rng.usize(..=MOST_CHAINS);
        let name = |number: usize| format!("{hook}-{number}");
        for number in 0..chains {
            let _ = writeln!(head, ":{} - [0:0]", name(number));
        }
        let place = Place {
            family,
            table,
            hook,
            all,
        };
        for number in 0..=chains {
            let chain = if number == 0 {
                (*hook).to_owned()
            } else {
                name(number - 1)
            };
            let later: Vec<String> = (number..chains).map(name).collect();
            for _ in 0..rng.usize(..6) {
                let _ = writeln!(rules, "-A {chain} {}", rule(rng, place, &later));
            }
        }
    }
    head + &rules + "COMMIT\n"
}

fn rule(rng: &mut Rng, place: Place, later: &[String]) -> String {
    let target = words::target(rng, place, later);
    let mut rule = words::protocol(rng, place.family, target.needs);
    let most = if rng.u32(..4) == 0 { 3 } else { 1 };
    let mut used = vec![];
    for _ in 0..rng.usize(..=most) {
        let (module, words) = words::condition(rng, place, rule.name);
        if !used.contains(&module) {
            rule.text.push_str(&words);
            used.push(module);
        }
    }
    format!("{}{}", rule.text, target.text)
}
