//! A host's variables as templates see them: what precedence leaves, and the magic variables that Ansible sets itself
//! and that win over all others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::data::{ALL, GroupId, HostId, Vars};
use super::precedence::Layered;
use crate::template::{Computed, Scope, Variable};
use crate::yaml::Node;

/// Magic variables, but for `hostvars`, `vars` and `omit`, which templates make themselves.
const MAGIC: [&str; 10] = [
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "group_names",
    "groups",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "playbook_dir",
];

/// What hosts of a play have in common.
pub(super) struct PlayScope {
    pub layered: Arc<Layered>,
    /// The play's own variables.
    pub vars: Arc<Vars>,
    /// The hosts of the play.
    pub hosts: Vec<HostId>,
    pub folder: PathBuf,
    groups: OnceLock<Computed>,
    host_names: OnceLock<Computed>,
}

/// One host's variables, or those of the play alone.
struct HostScope {
    play: Arc<PlayScope>,
    host: Option<HostId>,
}

impl PlayScope {
    /// The scope of these hosts, of a playbook in this folder.
    pub fn new(layered: &Arc<Layered>, vars: Vars, hosts: Vec<HostId>, folder: &Path) -> Arc<Self> {
        Arc::new(Self {
            layered: Arc::clone(layered),
            vars: Arc::new(vars),
            hosts,
            folder: layered.files.absolute(folder),
            groups: OnceLock::new(),
            host_names: OnceLock::new(),
        })
    }

    /// The same with other variables of the play.
    pub fn with_vars(self: &Arc<Self>, vars: Vars) -> Arc<Self> {
        Arc::new(Self {
            layered: Arc::clone(&self.layered),
            vars: Arc::new(vars),
            hosts: self.hosts.clone(),
            folder: self.folder.clone(),
            groups: self.groups.clone(),
            host_names: self.host_names.clone(),
        })
    }

    /// The scope of one of its hosts, or of any other.
    pub fn of(self: &Arc<Self>, host: HostId) -> Arc<dyn Scope> {
        Arc::new(HostScope {
            play: Arc::clone(self),
            host: Some(host),
        })
    }

    /// The scope of the play's own keys, which belong to no host.
    pub fn alone(self: &Arc<Self>) -> Arc<dyn Scope> {
        Arc::new(HostScope {
            play: Arc::clone(self),
            host: None,
        })
    }

    fn name(&self, host: HostId) -> &str {
        let found = self.layered.inventory.data.hosts.get_index(host.0);
        found.map_or("", |(name, _)| name)
    }

    /// The names of hosts by the group that they are in.
    fn groups(&self) -> Computed {
        let groups = &self.layered.inventory.data.groups;
        let names = |id: usize| -> Computed {
            let hosts = self.layered.inventory.graph.hosts_of(groups, GroupId(id));
            hosts.iter().map(|host| self.name(*host)).collect()
        };
        let made = || {
            groups
                .keys()
                .enumerate()
                .map(|(id, name)| (name.clone(), names(id)))
                .collect()
        };
        self.groups.get_or_init(made).clone()
    }

    fn host_names(&self) -> Computed {
        let made = || self.hosts.iter().map(|host| self.name(*host)).collect();
        self.host_names.get_or_init(made).clone()
    }
}

impl HostScope {
    fn magic(&self, name: &str) -> Option<Computed> {
        let of_play = match name {
            "groups" => Some(self.play.groups()),
            "ansible_play_hosts" | "ansible_play_hosts_all" | "ansible_play_batch" => Some(self.play.host_names()),
            "playbook_dir" => Some(path(&self.play.folder)),
            _ => None,
        };
        of_play.or_else(|| self.magic_of_host(self.host?, name))
    }

    fn magic_of_host(&self, host: HostId, name: &str) -> Option<Computed> {
        let own = self.play.name(host);
        let value = match name {
            "inventory_hostname" => Computed::from(own),
            "inventory_hostname_short" => Computed::from(short(own)),
            "group_names" => self.group_names(host).into_iter().collect(),
            "inventory_dir" => self.origin(host, |origin| &origin.folder),
            "inventory_file" => self.origin(host, |origin| &origin.file),
            _ => return None,
        };
        Some(value)
    }

    /// Sorted, without `all`.
    fn group_names(&self, host: HostId) -> Vec<&str> {
        let inventory = &self.play.layered.inventory;
        let name = |group: &GroupId| inventory.data.groups.get_index(group.0).map(|(name, _)| name.as_str());
        let groups = inventory.graph.groups_of(host).iter();
        let mut names: Vec<&str> = groups.filter_map(name).filter(|name| *name != ALL).collect();
        names.sort_unstable();
        names
    }

    fn origin(&self, host: HostId, part: impl Fn(&super::data::Origin) -> &PathBuf) -> Computed {
        let host = self.play.layered.inventory.data.hosts.get_index(host.0);
        let origin = host.and_then(|(_, host)| host.origin.as_ref());
        origin.map_or_else(|| Computed::from(()), |origin| path(part(origin)))
    }

    fn node(&self, name: &str) -> Option<&Node> {
        let layered = &self.play.layered;
        let strong = [&layered.extra, &*self.play.vars];
        let said = strong.into_iter().find_map(|vars| vars.get(name));
        said.or_else(|| layered.strongest(self.host?, name))
    }
}

impl Scope for HostScope {
    fn variable(&self, name: &str) -> Option<Variable> {
        if let Some(value) = self.magic(name) {
            return Some(Variable::Computed(value));
        }
        self.node(name).cloned().map(Variable::Node)
    }

    fn names(&self) -> Vec<String> {
        let layered = &self.play.layered;
        let strong = layered.extra.keys().chain(self.play.vars.keys()).map(String::as_str);
        let mut names: Vec<&str> = MAGIC
            .into_iter()
            .chain(strong)
            .chain(self.host.into_iter().flat_map(|host| layered.names(host)))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(str::to_owned).collect()
    }

    fn host(&self, name: &str) -> Option<Arc<dyn Scope>> {
        let host = self.play.layered.inventory.data.host(name)?;
        Some(self.play.of(host))
    }

    fn hosts(&self) -> Vec<String> {
        self.play.layered.inventory.data.hosts.keys().cloned().collect()
    }

    fn folders(&self) -> Vec<PathBuf> {
        vec![self.play.folder.clone()]
    }
}

/// The name up to its first dot; an address as it is.
fn short(name: &str) -> &str {
    if name.parse::<std::net::IpAddr>().is_ok() {
        return name;
    }
    name.split('.').next().unwrap_or(name)
}

fn path(path: &Path) -> Computed {
    Computed::from(path.to_string_lossy().into_owned())
}
