//! Ansible inventories: sources become hosts with variables, hosts become what a deploy needs to know.
//!
//! [`load`] and [`ask`] read sources as Ansible does: files in YAML, JSON and INI, folders, scripts and lists of hosts.
//! A limit leaves some of the hosts, precedence says what a host's variables are, and a [`HostSpec`] is a host's checked
//! request. Where Ansible warns and goes on with less, this module refuses: half an
//! inventory deployed is worse than none. What it needs of the machine it asks through [`World`].

mod address;
mod answer;
mod data;
mod dump;
mod extra_vars;
mod fleet;
mod graph;
mod host;
mod literal;
mod names;
mod password;
mod pattern;
mod precedence;
mod privilege;
mod scope;
mod settings;
mod shared;
mod source;
mod text;
mod variables;
mod vars_files;

use std::path::PathBuf;
use std::sync::Arc;

pub use answer::{Answer, Question, ask};
pub use fleet::{Fleet, Loaded, Make, PlayVars, load};
pub use host::{Connection, HostKeyChecking, HostSpec};
pub use password::Password;
pub(crate) use pattern::names_nothing;
pub(crate) use privilege::unsupported as unsupported_become;
pub use settings::{Setting, Settings};
pub use source::Ignored;
pub(crate) use variables::boolean;
pub use variables::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, OURS, ROLLBACK_AFTER, Render, rollback_after};

use data::{Data, GroupId, HostId};
use graph::Graph;
use pattern::{Members, Patterns, Selected, Selection};
use text::Texts;

use crate::problem::{Problem, nearest};
use crate::vault::Secrets;
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
    fn load(request: &Request, texts: &Texts) -> Result<Self, Vec<Problem>> {
        let sources = &request.inventory;
        let mut reader = source::Reader::new(texts, request);
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

    /// What a pattern and a limit mean under Ansible's rules.
    fn ask(&self, hosts: &str, limit: &[String], world: &dyn World) -> Result<Selection, Vec<Problem>> {
        let limit = self::limit(limit, world)?;
        pattern::select(self, &Patterns::parse([hosts]), limit.as_ref()).map_err(|problem| vec![problem])
    }

    /// The host that a pattern matches, which must be one.
    fn one_host(&self, pattern: &str, world: &dyn World) -> Result<HostId, Vec<Problem>> {
        match self.ask(pattern, &[], world)?.hosts.as_slice() {
            [Selected::Host(host)] => Ok(*host),
            hosts => {
                let message = format!("`{pattern}` matches {} hosts, and must match one", hosts.len());
                Err(vec![Problem::new(message)])
            }
        }
    }

    fn known_group(&self, name: &str) -> Result<GroupId, Vec<Problem>> {
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

/// The terms of limits; none where there is no limit.
fn limit(limit: &[String], world: &dyn World) -> Result<Option<Patterns>, Vec<Problem>> {
    if limit.is_empty() {
        return Ok(None);
    }
    let limit = Patterns::limit(limit.iter().map(String::as_str), world);
    limit.map(Some).map_err(|problem| vec![problem])
}

impl Members for Inventory {
    fn groups(&self) -> impl Iterator<Item = (&str, GroupId)> {
        let names = self.data.groups.keys().enumerate();
        names.map(|(at, name)| (name.as_str(), GroupId(at)))
    }

    fn group(&self, name: &str) -> Option<GroupId> {
        self.data.group(name)
    }

    fn hosts_of(&self, group: GroupId) -> &[HostId] {
        self.graph.hosts_of(&self.data.groups, group)
    }

    fn hosts(&self) -> impl ExactSizeIterator<Item = &str> {
        self.data.hosts.keys().map(String::as_str)
    }

    fn host(&self, name: &str) -> Option<HostId> {
        self.data.host(name)
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
    /// Where vars files are looked for beside those of the inventory: the playbook's folder; none: the working one.
    pub playbook_folder: Option<PathBuf>,
    /// The passwords of encrypted files and values.
    pub secrets: Arc<Secrets>,
    /// Which names in folders are no sources.
    pub ignored: Ignored,
    /// The extensions of files in YAML, in place of Ansible's own.
    pub yaml_extensions: Option<Vec<String>>,
}

#[cfg(test)]
mod tests;
