//! Which variable wins. The layers of Ansible's `VariableManager.get_vars`, the weakest first:
//!
//! 1. variables of `all`, then of the other groups (by depth, priority and name), in the inventory;
//! 2. `group_vars/all` beside each inventory, then beside the playbook;
//! 3. `group_vars` of the other groups beside each inventory, then beside the playbook;
//! 4. the host's own in the inventory, its `host_vars` beside each inventory, then beside the playbook;
//! 5. those of the play, then those of `--extra-vars`.
//!
//! Below all of them is what a play's keywords (`port`, `remote_user`, `become`) set: it counts where no variable does.
//!
//! Maps are replaced, never merged (Ansible's `hash_behaviour=replace`).

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::data::{ALL, GroupId, HostId, Vars};
use super::text::Texts;
use super::vars_files::VarsFiles;
use super::{Inventory, Request, extra_vars};
use crate::problem::{Location, Problem};
use crate::world::World;
use crate::yaml::Node;

/// Who says what a variable is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said<'v> {
    Group(&'v str),
    Host,
    Play,
    ExtraVars,
}

/// A host's variables after precedence, sorted by name.
#[derive(Debug, Clone)]
pub(super) struct HostVars<'v> {
    pub name: &'v str,
    /// Where the host was named first.
    pub at: &'v Location,
    vars: Vec<Var<'v>>,
}

/// One variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Var<'v> {
    pub name: &'v str,
    pub node: &'v Node,
    pub said: Said<'v>,
}

/// Files that variables come from, beside those of the inventory itself.
pub(super) struct Files {
    pub texts: Texts,
    /// Beside each source, in their order.
    inventory: Vec<VarsFiles>,
    /// Beside the playbook, or in the working folder.
    playbook: VarsFiles,
}

/// An inventory with everything else that says variables for a whole run.
pub(super) struct Layered {
    pub inventory: Inventory,
    pub files: Files,
    pub extra: Vars,
}

/// Variables of hosts in a play.
pub(super) struct Precedence<'v> {
    pub layered: &'v Layered,
    /// What says how to log in where nothing else does.
    keywords: &'v Vars,
    play: &'v Vars,
    /// What hosts of the same groups inherit.
    inherited: RefCell<HashMap<&'v [GroupId], Rc<[Var<'v>]>>>,
}

impl<'v> HostVars<'v> {
    /// All variables, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Var<'v>> {
        self.vars.iter()
    }

    pub fn get(&self, name: &str) -> Option<&Var<'v>> {
        let at = self.vars.binary_search_by(|var| var.name.cmp(name)).ok()?;
        self.vars.get(at)
    }
}

impl Files {
    pub fn new(inventory: &Inventory, texts: Texts, playbook_folder: &Path) -> Self {
        let (groups, hosts) = (inventory.data.groups.len(), inventory.data.hosts.len());
        let beside = |folder: &PathBuf| VarsFiles::in_folder(folder, groups, hosts);
        let files = Self {
            inventory: inventory.folders.iter().map(beside).collect(),
            playbook: VarsFiles::in_folder(playbook_folder, groups, hosts),
            texts,
        };
        files.all().for_each(|beside| beside.check(&files.texts));
        files
    }

    /// A path from the root.
    pub fn absolute(&self, path: &Path) -> PathBuf {
        self.texts.absolute(path)
    }

    fn all(&self) -> impl DoubleEndedIterator<Item = &VarsFiles> {
        self.inventory.iter().chain([&self.playbook])
    }
}

impl Layered {
    /// Everything that says variables for a run.
    pub fn load(request: &Request, world: &Arc<dyn World>) -> Result<Self, Vec<Problem>> {
        let texts = Texts::new(world, &request.secrets);
        let mut inventory = Inventory::load(request, &texts)?;
        texts.warn(std::mem::take(&mut inventory.data.warnings));
        let extra = extra_vars::read(&request.extra_vars, &texts)?;
        let folder = request.playbook_folder.as_deref().unwrap_or(Path::new(""));
        Ok(Self {
            files: Files::new(&inventory, texts, folder),
            inventory,
            extra,
        })
    }

    /// The layers of a host's variables in the inventory and in files, the strongest first. Files that cannot be read
    /// are left out: whoever asks for all of a host's variables is told.
    fn layers(&self, host: HostId) -> impl Iterator<Item = &Vars> {
        let data = &self.inventory.data;
        let own = data.hosts.get_index(host.0);
        let host_files = self.files.all().rev().filter_map(move |files| {
            let (name, _) = own?;
            files.of_host(host, name, &self.files.texts).ok()
        });
        let groups = self.inventory.graph.groups_of(host);
        let named = |group: &GroupId| Some((*group, data.groups.get_index(group.0)?));
        let group_files = [false, true].into_iter().flat_map(move |only_all| {
            self.files.all().rev().flat_map(move |files| {
                let ids = groups.iter().rev().filter_map(named);
                let ids = ids.filter(move |(_, (name, _))| (*name == ALL) == only_all);
                ids.filter_map(move |(id, (name, _))| files.of_group(id, name, &self.files.texts).ok())
            })
        });
        let inline = groups.iter().rev().filter_map(named).map(|(_, (_, group))| &group.vars);
        let own = own.map(|(_, host)| &host.vars);
        host_files.chain(own).chain(group_files).chain(inline)
    }

    /// A host's variable.
    pub fn strongest(&self, host: HostId, name: &str) -> Option<&Node> {
        self.layers(host).find_map(|vars| vars.get(name))
    }

    /// The names of all of a host's variables, some of them several times.
    pub fn names(&self, host: HostId) -> impl Iterator<Item = &str> {
        self.layers(host).flat_map(|vars| vars.keys().map(String::as_str))
    }
}

impl<'v> Precedence<'v> {
    pub fn new(layered: &'v Layered, keywords: &'v Vars, play: &'v Vars) -> Self {
        Self {
            layered,
            keywords,
            play,
            inherited: RefCell::default(),
        }
    }

    /// A host's variables.
    ///
    /// # Errors
    /// What is wrong with the files that hold them.
    pub fn of(&self, host: HostId) -> Result<HostVars<'v>, Vec<Problem>> {
        let Some((name, own)) = self.layered.inventory.data.hosts.get_index(host.0) else {
            return Err(Vec::new());
        };
        let mut layers = Layers::default();
        layers.add(self.keywords, Said::Play);
        let inherited = self.inherited(self.layered.inventory.graph.groups_of(host))?;
        layers.vars.extend_from_slice(&inherited);
        layers.add(&own.vars, Said::Host);
        for files in self.layered.files.all() {
            layers.add(files.of_host(host, name, &self.layered.files.texts)?, Said::Host);
        }
        layers.add(self.play, Said::Play);
        layers.add(&self.layered.extra, Said::ExtraVars);
        Ok(HostVars {
            name,
            at: &own.at,
            vars: layers.settled(),
        })
    }

    fn inherited(&self, groups: &'v [GroupId]) -> Result<Rc<[Var<'v>]>, Vec<Problem>> {
        if let Some(known) = self.inherited.borrow().get(groups) {
            return Ok(Rc::clone(known));
        }
        let vars: Rc<[Var<'v>]> = self.of_groups(groups)?.into();
        self.inherited.borrow_mut().insert(groups, Rc::clone(&vars));
        Ok(vars)
    }

    fn of_groups(&self, groups: &'v [GroupId]) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let mut layers = Layers::default();
        let named = |group: &GroupId| Some((*group, self.layered.inventory.data.groups.get_index(group.0)?));
        let groups = || groups.iter().filter_map(named);
        for (_, (name, group)) in groups() {
            layers.add(&group.vars, Said::Group(name));
        }
        for only_all in [true, false] {
            for files in self.layered.files.all() {
                for (id, (name, _)) in groups().filter(|(_, (name, _))| (*name == ALL) == only_all) {
                    layers.add(files.of_group(id, name, &self.layered.files.texts)?, Said::Group(name));
                }
            }
        }
        Ok(layers.settled())
    }

    /// A group's own variables, its files included, as `ansible-inventory --graph --vars` shows them.
    pub fn of_group(&self, group: GroupId, with_playbook: bool) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let layered = self.layered;
        let Some((name, own)) = layered.inventory.data.groups.get_index(group.0) else {
            return Ok(Vec::new());
        };
        let mut layers = Layers::default();
        layers.add(&own.vars, Said::Group(name));
        let playbook = with_playbook.then_some(&layered.files.playbook);
        for files in layered.files.inventory.iter().chain(playbook) {
            layers.add(files.of_group(group, name, &layered.files.texts)?, Said::Group(name));
        }
        if let Some((name, priority)) = &own.said_priority {
            layers.vars.push(Var {
                name,
                node: priority,
                said: Said::Group(name),
            });
        }
        Ok(layers.settled())
    }
}

/// Variables of several layers, one after the other.
#[derive(Default)]
struct Layers<'v> {
    vars: Vec<Var<'v>>,
}

impl<'v> Layers<'v> {
    fn add(&mut self, vars: &'v Vars, said: Said<'v>) {
        self.vars
            .extend(vars.iter().map(|(name, node)| Var { name, node, said }));
    }

    /// The last one of each name, sorted by name.
    fn settled(mut self) -> Vec<Var<'v>> {
        // The sort is stable, so that the strongest of a name comes last; what is kept is the first of a name.
        self.vars.reverse();
        self.vars.sort_by(|a, b| a.name.cmp(b.name));
        self.vars.dedup_by(|later, kept| later.name == kept.name);
        self.vars
    }
}
