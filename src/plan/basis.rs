//! What a plan rests on: a host's rules, and its own generation.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Observed;

/// What was found on a host when its change was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The generation that it kept as its own.
    pub generation: Option<u32>,
    /// SHA-256 of its rules, both families, without counters, in hexadecimal digits.
    pub rules: String,
}

impl Observed {
    /// What a plan for this host rests on.
    #[must_use]
    pub fn basis(&self) -> Basis {
        let mut hash = Sha256::new();
        for managed in &self.families {
            hash.update(format!("{} {}\n", managed.view.family.name(), managed.tool));
            for table in &managed.view.ruleset.tables {
                for chain in &table.chains {
                    let policy = chain.policy.as_deref().unwrap_or("-");
                    hash.update(format!("{} {} {policy}\n", table.name, chain.name));
                    chain
                        .rules
                        .iter()
                        .for_each(|rule| hash.update(format!("{}\n", rule.raw)));
                }
            }
        }
        Basis {
            generation: self.current,
            rules: hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}
