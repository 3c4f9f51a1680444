//! Ansible inventories: sources become hosts with variables, hosts become what a deploy needs to know.
//!
//! [`load`] and [`ask`] read sources as Ansible does: files in YAML, JSON and INI, folders, scripts and lists of hosts.
//! A limit leaves some of the hosts, precedence says what a host's variables are, and a [`HostSpec`] is a host's checked
//! request. Where Ansible warns and goes on with less, this module refuses: half an
//! inventory deployed is worse than none. What it needs of the machine it asks through [`World`].

mod address;
mod data;
mod dump;
mod extra_vars;
mod graph;
mod host;
mod limit;
mod literal;
mod names;
mod password;
mod precedence;
mod privilege;
#[cfg(test)]
mod recorded;
mod shared;
mod source;
mod text;
mod variables;
mod vars_files;

use std::path::PathBuf;
use std::sync::Arc;

pub use host::{Connection, HostKeyChecking, HostSpec};
pub use password::Password;
pub(crate) use privilege::unsupported as unsupported_become;
pub(crate) use variables::boolean;
pub use variables::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, OURS, rollback_after};

use data::{Data, GroupId, HostId, Vars};
use dump::Dump;
use graph::Graph;
use precedence::{Files, Fleet, Precedence};
use shared::Shared;
use text::Texts;

use crate::problem::{Problem, nearest};
use crate::world::{Kind, World};

/// Hosts and groups of one or several sources.
#[derive(Debug)]
struct Inventory {
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
    fn load(sources: &[String], texts: &Texts) -> Result<Self, Vec<Problem>> {
        let mut reader = source::Reader {
            texts,
            data: Data::default(),
            ignored: None,
        };
        let mut problems: Vec<Problem> = sources
            .iter()
            .filter_map(|source| reader.add(source).err())
            .flatten()
            .collect();
        let folders = sources
            .iter()
            .filter_map(|source| folder(source, &*texts.world))
            .collect();
        if !problems.is_empty() {
            problems.append(&mut reader.data.lost);
        }
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

    /// The hosts that a limit (Ansible's `-l`) leaves, in inventory order. No limit at all leaves all.
    ///
    /// # Errors
    /// An empty limit, a term that matches nothing, and a limit that leaves no host. Ansible takes the first for no
    /// limit and the second for a warning; a deploy must not go to hosts that nobody named.
    fn select(&self, limit: &[String]) -> Result<Vec<HostId>, Problem> {
        let limit: Vec<&str> = limit.iter().map(String::as_str).collect();
        limit::select(self, &limit)
    }

    /// The host that a pattern matches, which must be one.
    fn one_host(&self, pattern: &str) -> Result<HostId, Vec<Problem>> {
        match self
            .select(&[pattern.to_owned()])
            .map_err(|problem| vec![problem])?
            .as_slice()
        {
            [host] => Ok(*host),
            hosts => {
                let message = format!("`{pattern}` matches {} hosts, and must match one", hosts.len());
                Err(vec![Problem::new(message)])
            }
        }
    }

    fn group(&self, name: &str) -> Result<GroupId, Vec<Problem>> {
        self.data.group(name).ok_or_else(|| {
            let names: Vec<&str> = self.data.groups.keys().map(String::as_str).collect();
            let problem = Problem::new(format!("there is no group {name}"));
            vec![match nearest(name, &names) {
                Some(name) => problem.hint(format!("did you mean `{name}`?")),
                None => problem,
            }]
        })
    }
}

impl Fleet {
    /// Everything that says variables for a run.
    fn load(request: &Request, world: &Arc<dyn World>) -> Result<Self, Vec<Problem>> {
        let texts = Texts {
            world: Arc::clone(world),
        };
        let mut inventory = Inventory::load(&request.inventory, &texts)?;
        let extra = extra_vars::read(&request.extra_vars, &texts, &mut inventory.data.warnings)?;
        Ok(Self {
            files: Files::new(&inventory, texts, &request.playbook_folder),
            inventory,
            extra,
        })
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
    /// As they are given with `-e`.
    pub extra_vars: Vec<String>,
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
pub fn load(request: &Request, world: &Arc<dyn World>) -> Result<Loaded, Vec<Problem>> {
    let mut fleet = Fleet::load(request, world)?;
    if !fleet.inventory.data.lost.is_empty() {
        return Err(fleet.inventory.data.lost);
    }
    let warnings = std::mem::take(&mut fleet.inventory.data.warnings);
    let selected = fleet
        .inventory
        .select(&request.limit)
        .map_err(|problem| vec![problem])?;
    let none = Vars::new();
    let precedence = Precedence::new(&fleet, &none);
    let hosts = specs(&precedence, &selected)?;
    Ok(Loaded { hosts, warnings })
}

/// What to print of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// All hosts and groups in JSON, as `ansible-inventory --list`.
    List,
    /// The same in YAML.
    ListYaml,
    /// The variables of the one host that a pattern matches, in JSON.
    Host(String),
    /// The same in YAML.
    HostYaml(String),
    /// The tree from a group on, as `ansible-inventory --graph`.
    Graph {
        /// Its name.
        group: String,
        /// With the variables of hosts and groups.
        vars: bool,
    },
    /// The names of the hosts, one a line.
    ListHosts,
}

/// Text for people or programs, and what should be said beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text, with a line end behind it.
    pub text: String,
    /// What should be said and stops nothing.
    pub warnings: Vec<Problem>,
}

/// Answers a question about sources, under Ansible's rules: no host need be fit for a deploy.
///
/// # Errors
/// Everything that is wrong with the sources, the limit, or the vars files that the answer needs.
pub fn ask(request: &Request, question: &Question, world: &Arc<dyn World>) -> Result<Answer, Vec<Problem>> {
    let mut fleet = Fleet::load(request, world)?;
    let mut warnings = std::mem::take(&mut fleet.inventory.data.warnings);
    warnings.append(&mut fleet.inventory.data.lost);
    let none = Vars::new();
    let text = answer(&Precedence::new(&fleet, &none), request, question)?;
    Ok(Answer { text, warnings })
}

fn answer(precedence: &Precedence<'_>, request: &Request, question: &Question) -> Result<String, Vec<Problem>> {
    let inventory = &precedence.fleet.inventory;
    let everything = || Dump::new(precedence, Dump::everything(precedence));
    let limited = || {
        let hosts = inventory.select(&request.limit).map_err(|problem| vec![problem])?;
        Ok::<_, Vec<Problem>>(Dump::new(precedence, hosts))
    };
    let mut text = match question {
        Question::List => limited()?.list()?,
        Question::ListYaml => limited()?.yaml()?,
        Question::Host(pattern) => everything().host(inventory.one_host(pattern)?)?,
        Question::HostYaml(pattern) => everything().host_yaml(inventory.one_host(pattern)?)?,
        Question::Graph { group, vars } => everything().graph(inventory.group(group)?, *vars)?,
        Question::ListHosts => limited()?.names(),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// What a deploy to these hosts needs to know.
fn specs(precedence: &Precedence<'_>, hosts: &[HostId]) -> Result<Vec<HostSpec>, Vec<Problem>> {
    let mut shared = Shared::default();
    let mut specs = Vec::new();
    for host in hosts {
        let vars = match precedence.of(*host) {
            Ok(vars) => vars,
            Err(problems) => {
                shared.add_files(problems);
                continue;
            }
        };
        match HostSpec::from_vars(&vars) {
            Ok(spec) => specs.push(spec),
            Err(problems) => shared.add(&vars, problems),
        }
    }
    shared.named().map_or(Ok(specs), Err)
}

#[cfg(test)]
mod tests;
