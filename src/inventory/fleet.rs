//! An inventory for a run that goes to hosts: which hosts a play means, and what each of them is to become. Stricter
//! than questions are: whatever could lose a mapping, or reach a host that nobody named, is an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::data::{ALL, HostId, Vars};
use super::host::{HostSpec, not_obeyed};
use super::pattern::Patterns;
use super::precedence::{Layered, Precedence};
use super::scope::PlayScope;
use super::shared::Shared;
use super::variables::Render;
use super::vars_files::read_map;
use super::{Request, pattern};
use crate::problem::{Problem, Source};
use crate::template::{Templates, needs_rendering};
use crate::world::{Kind, World};
use crate::yaml::Node;

/// An inventory, with everything else that says variables, and a limit.
pub struct Fleet {
    layered: Arc<Layered>,
    templates: Templates,
    limit: Option<Patterns>,
}

/// What a play says of its hosts' variables.
#[derive(Debug, Clone, Default)]
pub struct PlayVars {
    /// What counts where no variable of the same name does: `ansible_port` of the keyword `port`.
    pub keywords: Vec<(String, Node)>,
    /// `vars`; a later one wins over an earlier one of the same name.
    pub vars: Vec<(String, Node)>,
    /// `vars_files`: for each the candidates, of which the first that exists is read.
    pub vars_files: Vec<Vec<Node>>,
    /// What wins over both: the play's own `portmap`.
    pub own: Vec<(String, Node)>,
    /// The playbook's folder.
    pub folder: PathBuf,
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
    let fleet = Fleet::load(request, world)?;
    let play = PlayVars {
        folder: request.playbook_folder.clone().unwrap_or_default(),
        ..PlayVars::default()
    };
    let hosts = fleet.hosts(&[ALL.to_owned()], &play)?;
    if hosts.is_empty() {
        return Err(vec![fleet.nobody()]);
    }
    let warnings = fleet.take_warnings();
    Ok(Loaded { hosts, warnings })
}

impl Fleet {
    /// Reads sources and the limit.
    ///
    /// # Errors
    /// All problems of the sources, an empty limit, and a limit with a term that matches nothing: Ansible takes the first
    /// for no limit and the second for a warning.
    pub fn load(request: &Request, world: &Arc<dyn World>) -> Result<Self, Vec<Problem>> {
        let mut layered = Layered::load(request, world)?;
        if !layered.inventory.data.lost.is_empty() {
            return Err(std::mem::take(&mut layered.inventory.data.lost));
        }
        let texts = layered.files.texts.clone();
        let fleet = Self {
            limit: super::limit(&request.limit, &**world)?,
            layered: Arc::new(layered),
            templates: Templates::new(Arc::clone(world), Box::new(move |text| texts.decrypt(text))),
        };
        fleet.check_limit()?;
        Ok(fleet)
    }

    fn check_limit(&self) -> Result<(), Vec<Problem>> {
        let Some(limit) = &self.limit else { return Ok(()) };
        if limit.is_empty() {
            let problem = Problem::new("the limit is empty").hint("leave `--limit` out for all hosts");
            return Err(vec![problem]);
        }
        let selection = pattern::select(&self.layered.inventory, limit, None).map_err(|problem| vec![problem])?;
        if selection.unmatched.is_empty() {
            Ok(())
        } else {
            Err(selection.unmatched)
        }
    }

    /// What to say when no play has a host.
    #[must_use]
    pub fn nobody(&self) -> Problem {
        Problem::new(match self.limit {
            _ if self.layered.inventory.data.hosts.is_empty() => "the inventory holds no hosts",
            None => "no host is meant",
            Some(_) => "the limit leaves no host",
        })
    }

    /// The text of a file that belongs to the run, such as a playbook, decrypted if need be.
    ///
    /// # Errors
    /// It cannot be read, is no UTF-8, or no password decrypts it.
    pub fn read(&self, path: &Path) -> Result<Arc<Source>, Problem> {
        self.layered.files.texts.read(path)
    }

    /// What should be said since this was asked last.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<Problem> {
        self.layered.files.texts.take_warnings()
    }

    /// Renders a key of a play, which belongs to no host: of the play's variables and those of `--extra-vars`.
    ///
    /// # Errors
    /// What is wrong with the templates.
    pub fn render(&self, node: &Node, play: &PlayVars) -> Result<Node, Vec<Problem>> {
        let scope = PlayScope::new(&self.layered, own_vars(play), Vec::new(), &play.folder);
        self.templates.render(node, &scope.alone())
    }

    /// The hosts that patterns mean and that the limit leaves, in the order of the patterns, each with what a deploy
    /// needs to know. Patterns that match nothing are warned about, as by Ansible.
    ///
    /// # Errors
    /// What is wrong with the patterns, or with the variables of any of the hosts.
    pub fn hosts(&self, patterns: &[String], play: &PlayVars) -> Result<Vec<HostSpec>, Vec<Problem>> {
        self.hosts_as(patterns, play, &|host, _| Ok(host))
    }

    /// The same, each made into something by `make`, which may render more of the play with the host's variables.
    ///
    /// # Errors
    /// As [`Self::hosts`], and what `make` says of any of the hosts.
    pub fn hosts_as<T>(
        &self,
        patterns: &[String],
        play: &PlayVars,
        make: &Make<'_, T>,
    ) -> Result<Vec<T>, Vec<Problem>> {
        let chosen = self.chosen(patterns)?;
        let scope = PlayScope::new(&self.layered, own_vars(play), chosen, &play.folder);
        let keywords: Vars = play.keywords.iter().cloned().collect();
        let files = FilesOfPlay::read(self, play)?;
        let vars = with_files(play, &files.fixed);
        let precedence = Precedence::new(&self.layered, &keywords, &vars);
        let mut hosts = Made::default();
        let scope = scope.with_vars(vars.clone());
        for &host in &scope.hosts {
            if files.are_fixed() {
                self.host(&precedence, &scope, host, make, &mut hosts);
                continue;
            }
            match files.of_host(self, play, &scope, host) {
                Ok(vars) => {
                    let scope = scope.with_vars(vars.clone());
                    let precedence = Precedence::new(&self.layered, &keywords, &vars);
                    self.host(&precedence, &scope, host, make, &mut hosts);
                }
                Err(problems) => hosts.shared.add_files(problems),
            }
        }
        hosts.shared.named().map_or(Ok(hosts.made), Err)
    }

    fn chosen(&self, patterns: &[String]) -> Result<Vec<HostId>, Vec<Problem>> {
        let patterns = Patterns::parse(patterns.iter().map(String::as_str));
        let inventory = &self.layered.inventory;
        let selection = pattern::select(inventory, &patterns, self.limit.as_ref()).map_err(|problem| vec![problem])?;
        let texts = &self.layered.files.texts;
        texts.warn(selection.unmatched);
        texts.warn(selection.warnings);
        let known = |selected| match selected {
            pattern::Selected::Host(host) => Ok(host),
            pattern::Selected::Localhost(name) => {
                let problem = Problem::new(format!("{name} is not in the inventory"));
                Err(vec![problem.hint("write it there, with how to log in to it")])
            }
        };
        selection.hosts.into_iter().map(known).collect()
    }

    fn host<T>(
        &self,
        precedence: &Precedence<'_>,
        scope: &Arc<PlayScope>,
        host: HostId,
        make: &Make<'_, T>,
        hosts: &mut Made<T>,
    ) {
        let vars = match precedence.of(host) {
            Ok(vars) => vars,
            Err(problems) => return hosts.shared.add_files(problems),
        };
        self.layered.files.texts.warn(not_obeyed(&vars));
        let scope = scope.of(host);
        let render = |node: &Node| self.templates.render(node, &scope);
        match HostSpec::from_vars(&vars, &render).and_then(|spec| make(spec, &render)) {
            Ok(host) => hosts.made.push(host),
            Err(problems) => hosts.shared.add(&vars, problems),
        }
    }
}

/// Makes something of a host; also given what renders values with its variables.
pub type Make<'m, T> = dyn Fn(HostSpec, &Render<'_>) -> Result<T, Vec<Problem>> + 'm;

/// What was made of the hosts so far, and what was wrong with others.
struct Made<T> {
    made: Vec<T>,
    shared: Shared,
}

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self {
            made: Vec::new(),
            shared: Shared::default(),
        }
    }
}

/// The play's variables without those of files.
fn own_vars(play: &PlayVars) -> Vars {
    play.vars.iter().chain(&play.own).cloned().collect()
}

/// The variables of a play's files.
struct FilesOfPlay<'p> {
    /// Files whose names hold no template, in their order, until the first that does.
    fixed: Vars,
    /// The others, which may be others for each host.
    templated: &'p [Vec<Node>],
}

/// All variables of a play: its own, those of its files, and its keys.
fn with_files(play: &PlayVars, files: &Vars) -> Vars {
    let files = files.iter().map(|(name, node)| (name.clone(), node.clone()));
    play.vars
        .iter()
        .cloned()
        .chain(files)
        .chain(play.own.iter().cloned())
        .collect()
}

impl<'p> FilesOfPlay<'p> {
    fn read(fleet: &Fleet, play: &'p PlayVars) -> Result<Self, Vec<Problem>> {
        let is_fixed = |candidates: &Vec<Node>| !candidates.iter().any(needs_rendering);
        let count = play
            .vars_files
            .iter()
            .take_while(|candidates| is_fixed(candidates))
            .count();
        let (plain, templated) = play.vars_files.split_at(count);
        let mut fixed = Vars::new();
        for candidates in plain {
            fixed.extend(fleet.vars_file(candidates, play)?);
        }
        Ok(Self { fixed, templated })
    }

    fn are_fixed(&self) -> bool {
        self.templated.is_empty()
    }

    /// The play's variables for one host, whose own variables may name the files.
    fn of_host(
        &self,
        fleet: &Fleet,
        play: &PlayVars,
        scope: &Arc<PlayScope>,
        host: HostId,
    ) -> Result<Vars, Vec<Problem>> {
        let mut files = self.fixed.clone();
        for candidates in self.templated {
            let scope = scope.with_vars(with_files(play, &files)).of(host);
            let render = |node| fleet.templates.render(node, &scope);
            let rendered: Vec<Node> = candidates.iter().map(render).collect::<Result<_, _>>()?;
            files.extend(fleet.vars_file(&rendered, play)?);
        }
        Ok(with_files(play, &files))
    }
}

impl Fleet {
    /// The first of the files that exists, beside the playbook in `vars` or there itself.
    fn vars_file(&self, candidates: &[Node], play: &PlayVars) -> Result<Vars, Vec<Problem>> {
        let texts = &self.layered.files.texts;
        for node in candidates {
            let name = node.text("the name of a vars file").map_err(|problem| vec![problem])?;
            let places = [play.folder.join("vars").join(name), play.folder.join(name)];
            let is_file = |path: &&PathBuf| matches!(texts.world.kind(path), Some(Kind::File { .. }));
            if let Some(path) = places.iter().find(is_file) {
                return read_map(path, texts);
            }
        }
        let Some(first) = candidates.first() else {
            return Ok(Vars::new());
        };
        let folder = if play.folder == Path::new("") {
            Path::new(".")
        } else {
            &play.folder
        };
        let problem = Problem::at(&first.at, "this vars file does not exist");
        Err(vec![problem.hint(format!(
            "it is looked for in {0}/vars and in {0}",
            folder.display()
        ))])
    }
}
