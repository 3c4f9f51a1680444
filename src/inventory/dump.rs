//! Inventories as `ansible-inventory` prints them: `--list` in JSON and YAML, `--host`, `--graph`.

mod graph;
mod json;
pub(super) mod python;
mod yaml;

use std::collections::HashSet;

use self::json::{Marks, Writer};
use super::data::{ALL, GroupId, HostId};
use super::pattern::{Selected, Selection};
use super::precedence::{Precedence, Var};
use crate::problem::Problem;

/// Variables that Ansible sets itself and does not print: `INTERNAL_STATIC_VARS`.
const INTERNAL: [&str; 33] = [
    "ansible_async_path",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

/// Where `--list` keeps variables.
const META: &str = "_meta";

/// An inventory to print.
pub(super) struct Dump<'p, 'v> {
    precedence: &'p Precedence<'v>,
    /// The hosts that a limit leaves.
    hosts: Vec<HostId>,
    left: HashSet<HostId>,
    /// Whether groups have the variables beside the playbook as well.
    with_playbook: bool,
}

impl<'p, 'v> Dump<'p, 'v> {
    /// Of these hosts; all groups stay.
    pub fn new(precedence: &'p Precedence<'v>, hosts: Vec<HostId>) -> Self {
        let left = hosts.iter().copied().collect();
        Self {
            precedence,
            hosts,
            left,
            with_playbook: false,
        }
    }

    /// Whether groups have the variables beside the playbook as well: to Ansible they have when its folder is named.
    pub fn with_playbook(self, with_playbook: bool) -> Self {
        Self { with_playbook, ..self }
    }

    /// Of the hosts of a selection that are in the inventory.
    pub fn of(precedence: &'p Precedence<'v>, selection: &Selection) -> Self {
        let known = |selected: &Selected| match selected {
            Selected::Host(host) => Some(*host),
            Selected::Localhost(_) => None,
        };
        Self::new(precedence, selection.hosts.iter().filter_map(known).collect())
    }

    /// All hosts and groups, as `ansible-inventory --list`.
    pub fn list(&self) -> Result<String, Vec<Problem>> {
        let mut named: Vec<(&str, HostId)> = self.hosts.iter().map(|host| (self.host_name(*host), *host)).collect();
        named.sort_unstable_by_key(|(name, _)| *name);
        let mut groups = self.groups();
        groups.retain(|group| group.name != META);
        groups.sort_unstable_by_key(|group| group.name);
        let before_meta = groups.partition_point(|group| group.name < META);
        let mut json = Writer::default();
        json.begin('{');
        groups.iter().take(before_meta).for_each(|group| group.write(&mut json));
        json.key(META);
        json.begin('{');
        json.key("hostvars");
        json.begin('{');
        for (name, host) in named {
            // Not kept: all variables of all hosts would be more than the inventory itself.
            let vars = self.host_vars(host)?;
            if !vars.is_empty() {
                json.key(name);
                json.vars(&vars, Marks::Shown);
            }
        }
        json.end('}');
        json.key("profile");
        json.string("inventory_legacy");
        json.end('}');
        groups.iter().skip(before_meta).for_each(|group| group.write(&mut json));
        json.end('}');
        Ok(json.finish())
    }

    /// A host's variables, as `ansible-inventory --host`.
    pub fn host(&self, host: HostId) -> Result<String, Vec<Problem>> {
        let mut json = Writer::default();
        json.vars(&self.host_vars(host)?, Marks::Left);
        Ok(json.finish())
    }

    /// The names of the hosts, one a line.
    pub fn names(&self) -> String {
        let mut names = String::new();
        for host in &self.hosts {
            names.push_str(self.host_name(*host));
            names.push('\n');
        }
        names
    }

    fn host_vars(&self, host: HostId) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let vars = self.precedence.of(host)?;
        Ok(vars.iter().filter(|var| is_shown(var)).copied().collect())
    }

    fn group_vars(&self, group: GroupId) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let vars = self.precedence.of_group(group, self.with_playbook)?;
        Ok(vars.into_iter().filter(is_shown).collect())
    }

    fn host_name(&self, host: HostId) -> &'v str {
        let found = self.precedence.layered.inventory.data.hosts.get_index(host.0);
        found.map_or("", |(name, _)| name)
    }

    fn group_name(&self, group: GroupId) -> &'v str {
        let found = self.precedence.layered.inventory.data.groups.get_index(group.0);
        found.map_or("", |(name, _)| name)
    }

    /// The children of a group, and those of its hosts that the limit leaves.
    fn members(&self, group: GroupId) -> (Vec<GroupId>, Vec<HostId>) {
        let Some((_, found)) = self.precedence.layered.inventory.data.groups.get_index(group.0) else {
            return (Vec::new(), Vec::new());
        };
        let left = found.hosts.iter().copied().filter(|host| self.left.contains(host));
        (found.children.keys().copied().collect(), left.collect())
    }

    /// Every group that has children or hosts: an empty one is only named by its parents.
    fn groups(&self) -> Vec<Members<'v>> {
        let ids = (0..self.precedence.layered.inventory.data.groups.len()).map(GroupId);
        let members = |id: GroupId| {
            let (children, mut hosts) = self.members(id);
            let name = self.group_name(id);
            if name == ALL {
                hosts.clear();
            }
            Members {
                name,
                children: children.into_iter().map(|child| self.group_name(child)).collect(),
                hosts: hosts.into_iter().map(|host| self.host_name(host)).collect(),
            }
        };
        let groups = ids.map(members);
        groups
            .filter(|group| !group.children.is_empty() || !group.hosts.is_empty())
            .collect()
    }

    /// All hosts of the inventory, in the order of `all`.
    pub fn everything(precedence: &Precedence<'_>) -> Vec<HostId> {
        let inventory = &precedence.layered.inventory;
        let all = inventory.data.group(ALL);
        all.map_or_else(Vec::new, |all| {
            inventory.graph.hosts_of(&inventory.data.groups, all).to_vec()
        })
    }
}

fn is_shown(var: &Var<'_>) -> bool {
    !INTERNAL.contains(&var.name)
}

/// A group by its names.
struct Members<'v> {
    name: &'v str,
    children: Vec<&'v str>,
    hosts: Vec<&'v str>,
}

impl Members<'_> {
    fn write(&self, json: &mut Writer) {
        json.key(self.name);
        json.begin('{');
        for (key, names) in [("children", &self.children), ("hosts", &self.hosts)] {
            if !names.is_empty() {
                json.key(key);
                json.strings(names.iter().copied());
            }
        }
        json.end('}');
    }
}
