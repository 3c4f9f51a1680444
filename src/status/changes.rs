//! How two sets of mappings differ, for people.

use crate::mapping::{Mapping, MappingSet};

/// What leads from one set of mappings to another, a line each: `+ tcp 443 → 8443`, `- udp 53 → 5353`, and `~` for a
/// mapping that is another now. Names are for people alone and make no difference.
#[must_use]
pub fn changes(from: &MappingSet, to: &MappingSet) -> Vec<String> {
    let counterpart = |set: &MappingSet, one: &Mapping| {
        let same = |other: &&Mapping| (other.protocol, other.port) == (one.protocol, one.port);
        set.mappings().iter().find(same).cloned()
    };
    let gone = from.mappings().iter().filter(|one| counterpart(to, one).is_none());
    let gone = gone.map(|one| format!("- {}", described(one)));
    let come = to.mappings().iter().filter_map(|one| match counterpart(from, one) {
        None => Some(format!("+ {}", described(one))),
        Some(before) => changed(&before, one).map(|how| format!("~ {} ({how})", described(one))),
    });
    let all: Vec<String> = gone.chain(come).collect();
    if all.is_empty() && from != to && order(from) != order(to) {
        return vec!["the same mappings in another order".to_owned()];
    }
    all
}

fn order(set: &MappingSet) -> Vec<String> {
    set.mappings().iter().map(described).collect()
}

fn described(mapping: &Mapping) -> String {
    format!("{} {} → {}", mapping.protocol, mapping.port, mapping.to_port)
}

/// In what a mapping of the same port is another.
fn changed(before: &Mapping, after: &Mapping) -> Option<String> {
    let target = (before.to_port != after.to_port).then(|| format!("was {}", before.to_port));
    let others = [
        ("source", before.source != after.source),
        ("interface", before.interface != after.interface),
        ("direct", before.direct != after.direct),
        ("direct_source", before.direct_source != after.direct_source),
        ("loopback", before.loopback != after.loopback),
    ];
    let others = others
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(what, _)| format!("another {what}"));
    let all: Vec<String> = target.into_iter().chain(others).collect();
    (!all.is_empty()).then(|| all.join(", "))
}
