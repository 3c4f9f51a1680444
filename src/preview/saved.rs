//! A plan that is kept and carried out later, if what it rests on is still so. Holds no secrets.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{Previews, State};
use crate::plan::Basis;

/// The form of the file; others are refused.
const VERSION: u32 = 1;

/// What was planned, by host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    version: u32,
    /// The version of the program that made it.
    program: String,
    /// The hosts that can be deployed to, in their order.
    hosts: IndexMap<String, SavedHost>,
}

/// What was planned for a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedHost {
    /// Whether it changes.
    pub changes: bool,
    /// The name or address that was logged in to.
    pub address: String,
    /// The mappings that it shall have, a line each.
    pub mappings: String,
    /// What was found there.
    pub basis: Basis,
}

/// What a run asks of a host now, to be compared with the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The host's name in the inventory.
    pub name: String,
    /// The name or address that is logged in to.
    pub address: String,
    /// The mappings that it shall have, a line each.
    pub mappings: String,
}

impl SavedPlan {
    /// Of hosts that would change or stay; the others cannot be deployed to, and are left out.
    #[must_use]
    pub fn of(previews: &Previews, asked: &[Asked]) -> Self {
        let hosts = previews.hosts.iter().filter_map(|(name, preview)| {
            let asked = asked.iter().find(|asked| asked.name == *name)?;
            let planned = matches!(preview.state, State::Unchanged | State::Changes);
            let host = SavedHost {
                changes: preview.state == State::Changes,
                address: asked.address.clone(),
                mappings: asked.mappings.clone(),
                basis: preview.basis.clone().filter(|_| planned)?,
            };
            Some((name.clone(), host))
        });
        Self {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            hosts: hosts.collect(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it: not a plan, of another form, of another version of this program.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
            program: String,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| format!("it is not a saved plan: {error}"))?;
        if head.version != VERSION || head.program != env!("CARGO_PKG_VERSION") {
            return Err(format!(
                "it was made by portmap-deploy {}, this is {}: plan again",
                crate::report::sanitise(&head.program),
                env!("CARGO_PKG_VERSION")
            ));
        }
        serde_json::from_str(text).map_err(|error| format!("it is not a whole plan: {error}"))
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// How many hosts it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// What it rests on at a host.
    #[must_use]
    pub fn basis(&self, name: &str) -> Option<&Basis> {
        self.hosts.get(name).map(|host| &host.basis)
    }

    /// What a run would do otherwise than it was planned, a sentence each.
    #[must_use]
    pub fn differences(&self, asked: &[Asked]) -> Vec<String> {
        let mut found: Vec<String> = asked.iter().filter_map(|asked| self.difference(asked)).collect();
        let missing = self
            .hosts
            .keys()
            .filter(|name| !asked.iter().any(|asked| asked.name == **name));
        found.extend(missing.map(|name| format!("{name} is planned, and not among the hosts of this run")));
        found
    }

    fn difference(&self, asked: &Asked) -> Option<String> {
        let name = &asked.name;
        let Some(planned) = self.hosts.get(name) else {
            return Some(format!("{name} is not planned"));
        };
        if planned.address != asked.address {
            return Some(format!(
                "{name} was planned at {}, and is at {} now",
                planned.address, asked.address
            ));
        }
        (planned.mappings != asked.mappings).then(|| format!("{name} was planned with other mappings"))
    }
}
