//! What the texts of a change say, without a kernel; `tests/firewall_kernel.rs` runs them.

mod accept_place;
mod changes;
mod standings;
mod without_us;

use super::*;
use crate::mapping::MappingSet;
use crate::problem::Source;

/// Mappings as people write them.
fn mappings(text: &str) -> MappingSet {
    let source = Source::new("test", text);
    MappingSet::parse(&crate::yaml::read(&source).unwrap().root).unwrap()
}

/// A view of filter rules: the chains besides the built-in ones, and the rules.
pub(crate) fn view(chains: &str, rules: &str) -> View {
    let chains: Vec<_> = chains
        .split_whitespace()
        .map(|name| format!(":{name} - [0:0]\n"))
        .collect();
    let chains = chains.concat();
    let rules: String = rules
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .filter(|line| line.len() > 1)
        .collect();
    let text = format!("*filter\n:INPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n");
    View {
        family: Family::V4,
        ruleset: Ruleset::parse(&text).unwrap(),
        nat: true,
    }
}

/// Chains and their specs, by table.
type Model = Vec<(String, Vec<(String, Vec<String>)>)>;

/// A host's rules after a stream of restore inputs, as far as our inputs go: a small model of
/// `iptables-restore --noflush`, tried against the real one by the kernel tests' texts.
fn applied(view: &View, inputs: &[&str]) -> View {
    let mut tables: Model = Vec::new();
    for table in &view.ruleset.tables {
        let chains = table.chains.iter().map(|chain| {
            let rules = chain.rules.iter().map(|rule| rule.spec().to_owned()).collect();
            (chain.name.clone(), rules)
        });
        tables.push((table.name.clone(), chains.collect()));
    }
    let mut at = 0;
    for line in inputs.iter().flat_map(|input| input.lines()) {
        if let Some(name) = line.strip_prefix('*') {
            let known = tables.iter().position(|(table, _)| table == name);
            at = known.unwrap_or_else(|| {
                let chains = ["PREROUTING", "INPUT", "OUTPUT"].map(|chain| (chain.to_owned(), Vec::new()));
                tables.push((name.to_owned(), chains.to_vec()));
                tables.len() - 1
            });
        } else if line != "COMMIT" {
            apply(&mut tables[at].1, line);
        }
    }
    let text: String = tables.iter().map(|(name, chains)| printed(name, chains)).collect();
    View {
        ruleset: Ruleset::parse(&text).unwrap(),
        ..view.clone()
    }
}

fn apply(chains: &mut Vec<(String, Vec<String>)>, line: &str) {
    if let Some(chain) = line.strip_prefix(':') {
        let name = chain.split(' ').next().unwrap().to_owned();
        chains.retain(|(known, _)| *known != name);
        chains.push((name, Vec::new()));
        return;
    }
    let words: Vec<_> = line.splitn(3, ' ').collect();
    let at = chains
        .iter()
        .position(|(name, _)| name == words[1])
        .unwrap_or_else(|| panic!("no chain for {line}"));
    match words[0] {
        "-A" => chains[at].1.push(words[2].to_owned()),
        "-I" => {
            let (position, spec) = words[2].split_once(' ').unwrap();
            chains[at]
                .1
                .insert(position.parse::<usize>().unwrap() - 1, spec.to_owned());
        }
        "-D" => {
            let index = chains[at].1.iter().position(|spec| spec == words[2]);
            drop(
                chains[at]
                    .1
                    .remove(index.unwrap_or_else(|| panic!("not there: {line}"))),
            );
        }
        "-X" => drop(chains.remove(at)),
        other => panic!("{other}"),
    }
}

fn printed(table: &str, chains: &[(String, Vec<String>)]) -> String {
    let policy = |name: &str| {
        if ["PREROUTING", "INPUT", "OUTPUT"].contains(&name) {
            "ACCEPT"
        } else {
            "-"
        }
    };
    let declared: Vec<_> = chains
        .iter()
        .map(|(name, _)| format!(":{name} {} [0:0]\n", policy(name)))
        .collect();
    let declared = declared.concat();
    let rules = chains
        .iter()
        .flat_map(|(name, rules)| rules.iter().map(move |spec| format!("-A {name} {spec}\n")));
    format!("*{table}\n{declared}{}COMMIT\n", rules.collect::<String>())
}

/// A host that has settled on these mappings.
pub(crate) fn settled(view: &View, set: &MappingSet, generation: u32) -> View {
    let change = change(view, set, Generation(generation), &Mark::default());
    let mut inputs = vec![change.stage.as_str()];
    inputs.extend(change.place.as_deref());
    inputs.push(&change.loosen);
    inputs.extend(change.tighten.as_deref());
    inputs.extend(change.clean.iter().map(|input| input.tries[0].as_str()));
    let settled = applied(view, &inputs);
    assert_eq!(standing(&settled, set), Standing::InSync(Generation(generation)));
    settled
}

/// The specs of a chain.
fn specs<'a>(view: &'a View, table: &str, chain: &str) -> Vec<&'a str> {
    view.ruleset.rules(table, chain).iter().map(Rule::spec).collect()
}
