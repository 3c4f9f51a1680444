//! Ansible inventories: sources become hosts with variables, hosts become what a deploy needs to know.
//!
//! [`Inventory::load`] reads sources as Ansible does: files in YAML, JSON and INI, folders, scripts and lists of hosts.
//! [`Inventory::select`] applies host patterns, [`Variables`] says what a host's variables are after precedence, and
//! [`HostSpec`] is a host's checked request. Where Ansible warns and goes on with less, this module refuses: half an
//! inventory deployed is worse than none. What it needs of the machine it asks through [`World`].

mod data;
mod graph;
mod host;
mod limit;
mod names;
mod password;
mod precedence;
mod privilege;
mod source;
mod text;
mod variables;
mod vars_files;

use std::collections::HashMap;
use std::path::PathBuf;

pub use host::{Connection, HostKeyChecking, HostSpec};
pub use password::Password;
pub use variables::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, rollback_after};

use data::{Data, HostId, Vars};
use graph::Graph;
use precedence::{Files, Precedence};
use text::Texts;

use crate::problem::Problem;
use crate::world::{Kind, World};

/// Hosts and groups of one or several sources.
#[derive(Debug)]
pub struct Inventory {
    data: Data,
    graph: Graph,
    /// Where `group_vars` and `host_vars` are looked for.
    folders: Vec<PathBuf>,
}

impl Inventory {
    /// Reads sources in order; what a later one says wins over an earlier one at the same level. Each is what Ansible
    /// takes with `-i`: a file, a folder, a script, or names with a comma.
    ///
    /// # Errors
    /// Everything that is wrong in any of the sources.
    pub fn load(sources: &[String], world: &dyn World) -> Result<Self, Vec<Problem>> {
        let texts = Texts { world };
        let mut reader = source::Reader {
            texts: &texts,
            data: Data::default(),
            ignored: None,
        };
        let problems: Vec<Problem> = sources.iter().filter_map(|source| reader.add(source).err()).flatten().collect();
        let folders = sources.iter().filter_map(|source| folder(source, world)).collect();
        Self::settled(reader.data, folders, problems)
    }

    fn settled(mut data: Data, folders: Vec<PathBuf>, mut problems: Vec<Problem>) -> Result<Self, Vec<Problem>> {
        let graph = Graph::settle(&mut data);
        problems.extend(graph.as_ref().err().cloned());
        match graph {
            Ok(graph) if problems.is_empty() => Ok(Self { data, graph, folders }),
            _ => Err(problems),
        }
    }

    /// The names of all hosts, in the order of their first mention.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        self.data.hosts.keys().map(String::as_str)
    }

    /// The hosts that a limit (Ansible's `-l`) leaves, in inventory order. No limit at all leaves all.
    ///
    /// # Errors
    /// An empty limit, a term that matches nothing, and a limit that leaves no host. Ansible takes the first for no
    /// limit and the second for a warning; a deploy must not go to hosts that nobody named.
    fn select(&self, limit: &[&str]) -> Result<Vec<HostId>, Problem> {
        limit::select(self, limit)
    }

    /// Things that Ansible lets pass and that are hardly meant, such as unknown keys.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.data.warnings
    }

    /// Things that Ansible lets pass as well, and that would lose a mapping or a setting of the login: whoever touches
    /// hosts must refuse them.
    #[must_use]
    pub fn lost(&self) -> &[Problem] {
        &self.data.lost
    }
}

/// The folder of a source, beside which its vars files are.
fn folder(source: &str, world: &dyn World) -> Option<PathBuf> {
    let path = PathBuf::from(source);
    match world.kind(&path)? {
        Kind::Folder => Some(path),
        Kind::File { .. } => Some(path.parent().map_or_else(PathBuf::new, std::path::Path::to_path_buf)),
    }
}

/// What to load, as the command line says it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The sources, as they are given with `-i`.
    pub inventory: Vec<String>,
    /// The limits, as they are given with `-l`; none: all hosts.
    pub limit: Vec<String>,
    /// Where vars files are looked for beside those of the inventory: the playbook's folder, or the working one.
    pub playbook_folder: PathBuf,
}

/// What [`load`] read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The hosts that the limit leaves, in inventory order.
    pub hosts: Vec<HostSpec>,
    /// What should be said and stops nothing.
    pub warnings: Vec<Problem>,
}

/// Reads sources, applies a limit and checks every host that it leaves.
///
/// # Errors
/// Everything that is wrong: all problems of the sources, else of the limit, else of the hosts.
pub fn load(request: &Request, world: &dyn World) -> Result<Loaded, Vec<Problem>> {
    let inventory = Inventory::load(&request.inventory, world)?;
    if !inventory.lost().is_empty() {
        return Err(inventory.data.lost);
    }
    let limit: Vec<&str> = request.limit.iter().map(String::as_str).collect();
    let selected = inventory.select(&limit).map_err(|problem| vec![problem])?;
    let texts = Texts { world };
    let files = Files::new(&inventory, &texts, &request.playbook_folder);
    let none = Vars::new();
    let precedence = Precedence::new(&inventory, &files, &none, &none);
    let hosts = specs(&precedence, &selected)?;
    Ok(Loaded {
        hosts,
        warnings: inventory.data.warnings,
    })
}

/// What a deploy to these hosts needs to know.
fn specs(precedence: &Precedence<'_>, hosts: &[HostId]) -> Result<Vec<HostSpec>, Vec<Problem>> {
    let mut shared = Shared::default();
    let mut specs = Vec::new();
    for host in hosts {
        let vars = precedence.of(*host);
        let name = vars.as_ref().map_or("", |vars| vars.name).to_owned();
        match vars.and_then(|vars| HostSpec::from_vars(&vars)) {
            Ok(spec) => specs.push(spec),
            Err(problems) => shared.add(&name, problems),
        }
    }
    if shared.problems.is_empty() {
        Ok(specs)
    } else {
        Err(shared.named())
    }
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
