//! What differs between two looks at one host.

use std::collections::BTreeMap;

use super::{Managed, Observed};

/// A chain's policy and rules as printed, by table and name.
type Chains<'a> = BTreeMap<(&'a str, &'a str), (Option<&'a str>, Vec<&'a str>)>;

impl Observed {
    /// How the rules differ from those of an earlier look, a sentence each. Counters, and tables without any rule, are none.
    #[must_use]
    pub fn differences(&self, earlier: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for now in &self.families {
            let before = earlier
                .families
                .iter()
                .find(|other| other.view.family == now.view.family);
            match before {
                Some(before) => found.extend(of_chains(&chains(before), &chains(now), now)),
                None => found.push(format!("{} is managed now", now.view.family.name())),
            }
        }
        if self.families.len() < earlier.families.len() {
            found.push("a family of addresses is managed no more".to_owned());
        }
        found
    }
}

fn chains(managed: &Managed) -> Chains<'_> {
    let mut chains = Chains::new();
    for table in &managed.view.ruleset.tables {
        for chain in &table.chains {
            let policy = chain.policy.as_deref();
            if policy == Some("ACCEPT") && chain.rules.is_empty() {
                continue;
            }
            let rules = chain.rules.iter().map(|rule| rule.raw.as_str()).collect();
            chains.insert((&table.name, &chain.name), (policy, rules));
        }
    }
    chains
}

fn of_chains(before: &Chains<'_>, now: &Chains<'_>, managed: &Managed) -> Vec<String> {
    let family = managed.view.family.name();
    let mut found = Vec::new();
    for (place, was) in before {
        let (table, chain) = place;
        match now.get(place) {
            Some(is) if is == was => {}
            Some(is) if is.0 == was.0 => found.push(format!("{family}: rules of {chain} ({table}) are others")),
            Some(_) => found.push(format!("{family}: the policy of {chain} ({table}) is another")),
            None => found.push(format!("{family}: {chain} ({table}) is gone")),
        }
    }
    let added = now.keys().filter(|place| !before.contains_key(place));
    found.extend(added.map(|(table, chain)| format!("{family}: {chain} ({table}) is new")));
    found
}
