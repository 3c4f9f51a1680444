//! Ansible inventories: texts become hosts with variables, hosts become what a deploy needs to know.
//!
//! [`Inventory::parse`] reads YAML inventories as Ansible does: groups, nesting, host ranges and the precedence of
//! variables. [`Inventory::select`] applies a limit, [`HostSpec::from_host`] turns a host's variables into a checked
//! request, and [`load`] does all three. Where Ansible warns and goes on with less, this module refuses: half an
//! inventory deployed is worse than none. It reads no files.

#[allow(dead_code, reason = "the inventory is about to be kept there")]
mod data;
mod host;
mod limit;
mod names;
mod password;
#[allow(dead_code, reason = "plays and limits are about to be read there")]
mod pattern;
mod privilege;
mod read;
mod resolve;
#[allow(dead_code, unreachable_pub, reason = "commands are about to obey it")]
mod settings;
mod variables;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

pub use host::{Connection, HostKeyChecking, HostSpec};
pub use password::Password;
pub use variables::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, rollback_after};

use crate::problem::{Location, Problem, Source};
use crate::yaml::Node;

/// A host with all of its variables, inherited ones included.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// The inventory's name of it.
    pub name: String,
    /// Where it was named first.
    pub at: Location,
    /// The groups it is in, directly or through their children, `all` left out; groups whose variables win come last.
    pub groups: Vec<String>,
    /// Its variables after Ansible's precedence.
    pub vars: IndexMap<String, Node>,
}

/// Hosts and groups of one or several sources.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    hosts: IndexMap<String, Host>,
    /// Members of each group, those of its children included, as positions in `hosts`.
    groups: IndexMap<String, IndexSet<usize>>,
    warnings: Vec<Problem>,
}

impl Inventory {
    /// Reads sources in order; what a later one says wins over an earlier one at the same level.
    ///
    /// # Errors
    /// Everything that is wrong in any of the sources.
    pub fn parse(sources: &[Arc<Source>]) -> Result<Self, Vec<Problem>> {
        let mut draft = read::Draft::default();
        for source in sources {
            draft.read(source);
        }
        resolve::inventory(draft)
    }

    /// All hosts, in the order of their first mention.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// A host by its name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// Things that Ansible lets pass and that are hardly meant, such as unknown keys.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The hosts that a limit (Ansible's `-l`) leaves, in inventory order. No limit at all leaves all. Terms are
    /// split at `,` and `:`; each is a host, a group or a glob of either, `&` keeps, `!` takes away.
    ///
    /// # Errors
    /// An empty limit, a term that matches nothing, and a limit that leaves no host. Ansible takes the first for no
    /// limit and the second for a warning; a deploy must not go to hosts that nobody named.
    pub fn select(&self, limit: &[&str]) -> Result<Vec<&Host>, Problem> {
        limit::select(self, limit)
    }

    /// What a deploy to these hosts needs to know.
    ///
    /// # Errors
    /// The problems of all of the hosts, each place once, with the hosts that share it.
    pub fn specs(hosts: &[&Host]) -> Result<Vec<HostSpec>, Vec<Problem>> {
        let mut shared = Shared::default();
        let mut specs = Vec::new();
        for host in hosts {
            match HostSpec::from_host(host) {
                Ok(spec) => specs.push(spec),
                Err(problems) => shared.add(&host.name, problems),
            }
        }
        if shared.problems.is_empty() {
            Ok(specs)
        } else {
            Err(shared.named())
        }
    }
}

/// What [`load`] read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The hosts that the limit leaves, in inventory order.
    pub hosts: Vec<HostSpec>,
    /// What should be said and stops nothing.
    pub warnings: Vec<Problem>,
}

/// Reads sources, applies a limit (see [`Inventory::select`]) and checks every host that it leaves.
///
/// # Errors
/// Everything that is wrong: all problems of the sources, else of the limit, else of the hosts.
pub fn load(sources: &[Arc<Source>], limit: &[&str]) -> Result<Loaded, Vec<Problem>> {
    let inventory = Inventory::parse(sources)?;
    let selected = inventory.select(limit).map_err(|problem| vec![problem])?;
    let hosts = Inventory::specs(&selected)?;
    Ok(Loaded {
        hosts,
        warnings: inventory.warnings,
    })
}

/// Problems of several hosts, of which a group's value gives each of its hosts the same.
#[derive(Default)]
struct Shared {
    problems: Vec<(Problem, Vec<String>)>,
    places: HashMap<(String, usize, String), usize>,
}

impl Shared {
    fn add(&mut self, host: &str, problems: Vec<Problem>) {
        for problem in problems {
            let (file, start) = problem
                .at
                .as_ref()
                .map_or((String::new(), 0), |at| (at.source.name.clone(), at.span.start));
            let next = self.problems.len();
            let place = *self
                .places
                .entry((file, start, problem.message.clone()))
                .or_insert(next);
            match self.problems.get_mut(place) {
                Some((_, hosts)) => hosts.push(host.to_owned()),
                None => self.problems.push((problem, vec![host.to_owned()])),
            }
        }
    }

    /// The problems, the hosts of a shared one in its message.
    fn named(self) -> Vec<Problem> {
        self.problems
            .into_iter()
            .map(|(problem, hosts)| name_hosts(problem, &hosts))
            .collect()
    }
}

fn name_hosts(problem: Problem, hosts: &[String]) -> Problem {
    const SHOWN: usize = 3;
    let names = hosts
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let suffix = match hosts.len() {
        0 | 1 => return problem,
        count if count > SHOWN => format!("{names} and {} more", count - SHOWN),
        _ => names,
    };
    Problem {
        message: format!("{} (hosts {suffix})", problem.message),
        ..problem
    }
}

#[cfg(test)]
mod tests;
