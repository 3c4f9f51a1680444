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

pub use host::{Connection, HostKeyChecking, HostSpec};
pub use password::Password;
pub(crate) use privilege::unsupported as unsupported_become;
pub use settings::{Setting, Settings};
pub(crate) use variables::boolean;
pub use variables::{MAX_ROLLBACK_AFTER, MIN_ROLLBACK_AFTER, OURS, rollback_after};

use data::{Data, GroupId, HostId, Vars};
use dump::Dump;
use graph::Graph;
use pattern::{Members, Patterns, Selected, Selection};
use precedence::{Files, Fleet, Precedence};
use scope::PlayScope;
use shared::Shared;
use text::Texts;

use crate::problem::{Problem, nearest};
use crate::template::Templates;
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
        let mut reader = source::Reader::new(texts, request.ignored_extensions.clone());
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

    /// The hosts that a play's pattern means and that the limit leaves, in the order of the pattern. No limit at all
    /// leaves all.
    ///
    /// # Errors
    /// What Ansible warns about or takes for all hosts: an empty limit, a term that matches nothing, and when no host is
    /// left. A deploy must not go to hosts that nobody named.
    fn select(&self, hosts: &Patterns, limit: &[String], world: &dyn World) -> Result<Vec<HostId>, Vec<Problem>> {
        let limit = self.limit(limit, world)?;
        if limit.as_ref().is_some_and(Patterns::is_empty) {
            let problem = Problem::new("the limit is empty").hint("leave `--limit` out for all hosts");
            return Err(vec![problem]);
        }
        let selection = pattern::select(self, hosts, limit.as_ref()).map_err(|problem| vec![problem])?;
        if !selection.unmatched.is_empty() {
            return Err(selection.unmatched);
        }
        let mut chosen = Vec::new();
        for selected in selection.hosts {
            match selected {
                Selected::Host(host) => chosen.push(host),
                Selected::Localhost(name) => {
                    let problem = Problem::new(format!("{name} is not in the inventory"));
                    return Err(vec![problem.hint("write it there, with how to log in to it")]);
                }
            }
        }
        if chosen.is_empty() {
            return Err(vec![Problem::new(match limit {
                None => "the inventory holds no hosts",
                Some(_) => "the limit leaves no host",
            })]);
        }
        Ok(chosen)
    }

    fn limit(&self, limit: &[String], world: &dyn World) -> Result<Option<Patterns>, Vec<Problem>> {
        if limit.is_empty() {
            return Ok(None);
        }
        let limit = Patterns::limit(limit.iter().map(String::as_str), world);
        limit.map(Some).map_err(|problem| vec![problem])
    }

    /// As [`Self::select`] of all hosts under Ansible's rules, with what should be said.
    fn ask(&self, hosts: &str, limit: &[String], world: &dyn World) -> Result<Selection, Vec<Problem>> {
        let limit = self.limit(limit, world)?;
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

impl Fleet {
    /// Everything that says variables for a run.
    fn load(request: &Request, world: &Arc<dyn World>) -> Result<Self, Vec<Problem>> {
        let texts = Texts {
            world: Arc::clone(world),
            secrets: Arc::clone(&request.secrets),
        };
        let mut inventory = Inventory::load(request, &texts)?;
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
    /// The passwords of encrypted files and values.
    pub secrets: Arc<Secrets>,
    /// Ends of names that are no sources in folders, in place of Ansible's own.
    pub ignored_extensions: Option<Vec<String>>,
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
    let all = Patterns::parse([data::ALL]);
    let selected = fleet.inventory.select(&all, &request.limit, &**world)?;
    let fleet = Arc::new(fleet);
    let scope = PlayScope::new(&fleet, Vars::new(), selected, &request.playbook_folder);
    let texts = fleet.files.texts.clone();
    let templates = Templates::new(Arc::clone(world), Box::new(move |text| texts.decrypt(text)));
    let hosts = specs(&scope, &templates)?;
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
    let precedence = Precedence::new(&fleet, &none);
    let text = answer(&precedence, request, question, &**world, &mut warnings)?;
    Ok(Answer { text, warnings })
}

fn answer(
    precedence: &Precedence<'_>,
    request: &Request,
    question: &Question,
    world: &dyn World,
    warnings: &mut Vec<Problem>,
) -> Result<String, Vec<Problem>> {
    let inventory = &precedence.fleet.inventory;
    let everything = || Dump::new(precedence, Dump::everything(precedence));
    let mut limited = || {
        let mut selection = inventory.ask(data::ALL, &request.limit, world)?;
        warnings.append(&mut selection.unmatched);
        warnings.append(&mut selection.warnings);
        Ok::<_, Vec<Problem>>(selection)
    };
    let mut text = match question {
        Question::List => Dump::of(precedence, &limited()?).list()?,
        Question::ListYaml => Dump::of(precedence, &limited()?).yaml()?,
        Question::Host(pattern) => everything().host(inventory.one_host(pattern, world)?)?,
        Question::HostYaml(pattern) => everything().host_yaml(inventory.one_host(pattern, world)?)?,
        Question::Graph { group, vars } => everything().graph(inventory.known_group(group)?, *vars)?,
        Question::ListHosts => {
            let selection = limited()?;
            if selection.hosts.is_empty() && !inventory.data.hosts.is_empty() && !request.limit.is_empty() {
                return Err(vec![Problem::new("the limit leaves no host")]);
            }
            Dump::of(precedence, &selection).names()
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// What a deploy to the hosts of a play needs to know.
fn specs(play: &Arc<PlayScope>, templates: &Templates) -> Result<Vec<HostSpec>, Vec<Problem>> {
    let precedence = Precedence::new(&play.fleet, &play.vars);
    let mut shared = Shared::default();
    let mut specs = Vec::new();
    for &host in &play.hosts {
        let vars = match precedence.of(host) {
            Ok(vars) => vars,
            Err(problems) => {
                shared.add_files(problems);
                continue;
            }
        };
        let scope = play.of(host);
        match HostSpec::from_vars(&vars, &|node| templates.render(node, &scope)) {
            Ok(spec) => specs.push(spec),
            Err(problems) => shared.add(&vars, problems),
        }
    }
    shared.named().map_or(Ok(specs), Err)
}

#[cfg(test)]
mod tests;
