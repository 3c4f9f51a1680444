//! What is printed of rules reads back as the same rules, and their canonical text is canonical.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portmap_deploy::firewall::{Chain, Ruleset, format};

fn same(one: &Ruleset, other: &Ruleset) -> bool {
    let chains = |ruleset: &Ruleset| -> Vec<Chain> {
        ruleset.tables.iter().flat_map(|table| table.chains.iter().cloned()).collect()
    };
    let (one, other) = (chains(one), chains(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| same_chain(one, other))
}

fn same_chain(one: &Chain, other: &Chain) -> bool {
    (&one.name, &one.policy, one.counters) == (&other.name, &other.policy, other.counters)
        && one.rules.len() == other.rules.len()
        && one.rules.iter().zip(other.rules.iter()).all(|(one, other)| one.same(other) && one.counters == other.counters)
}

fuzz_target!(|text: &str| {
    let inside = format!("*filter\n:INPUT DROP [0:0]\n:MINE - [0:0]\n{text}\nCOMMIT\n");
    for text in [text, &inside] {
        for read in [Ruleset::parse, Ruleset::parse_file] {
            if let Ok(ruleset) = read(text) {
                assert_eq!(read(&ruleset.to_string()), Ok(ruleset));
            }
        }
        let Ok(ruleset) = Ruleset::parse_file(text) else { continue };
        for counters in [false, true] {
            let spelled = format(text, counters).expect("what is read can be spelled");
            assert_eq!(format(&spelled, counters).as_ref(), Ok(&spelled));
            let again = Ruleset::parse_file(&spelled).expect("what is spelled can be read");
            assert!(!counters || same(&ruleset, &again), "{spelled}");
        }
    }
});
