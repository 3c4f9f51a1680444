//! Hosts and groups as the sources describe them, one after the other. What Ansible's `InventoryData`, `Group` and
//! `Host` do while sources are read; what must hold in the end is seen to in [`super::graph`].

use std::path::PathBuf;
use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use crate::problem::{Location, Problem};
use crate::yaml::{Node, Value};

pub(super) const ALL: &str = "all";
pub(super) const UNGROUPED: &str = "ungrouped";
const PRIORITY: &str = "ansible_group_priority";
/// The most hosts of an inventory.
pub(super) const MAX_HOSTS: usize = 500_000;

/// Variables by name.
pub(super) type Vars = IndexMap<String, Node>;

/// A group, by its position among the groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GroupId(pub usize);

/// A host, by its position among the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct HostId(pub usize);

/// The file that a host was named in first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// `inventory_file`.
    pub file: PathBuf,
    /// `inventory_dir`.
    pub folder: PathBuf,
}

/// A group as all sources together describe it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    pub vars: Vars,
    /// `ansible_group_priority`, 1 unless said.
    pub priority: i128,
    /// The variable that says so, and its value as Python's `int()` has it; none where it is 1.
    pub said_priority: Option<(&'static str, Node)>,
    /// In the order in which they were added, with the place that says so.
    pub children: IndexMap<GroupId, Option<Location>>,
    /// In the order in which they were added.
    pub hosts: IndexSet<HostId>,
}

/// A host as all sources together describe it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Host {
    /// Where it was named first.
    pub at: Location,
    pub vars: Vars,
    pub origin: Option<Arc<Origin>>,
}

/// What was read so far.
#[derive(Debug)]
pub(super) struct Data {
    pub groups: IndexMap<String, Group>,
    pub hosts: IndexMap<String, Host>,
    pub warnings: Vec<Problem>,
    /// What Ansible warns about and what matters to nobody here.
    pub remarks: Vec<Problem>,
    /// What Ansible passes over with a warning, and what would lose a mapping: whoever touches hosts refuses it.
    pub lost: Vec<Problem>,
    /// The file that is read now; none for a list of hosts.
    pub current: Option<Arc<Origin>>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            vars: Vars::new(),
            priority: 1,
            said_priority: None,
            children: IndexMap::new(),
            hosts: IndexSet::new(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        let mut data = Self {
            groups: IndexMap::new(),
            hosts: IndexMap::new(),
            warnings: Vec::new(),
            remarks: Vec::new(),
            lost: Vec::new(),
            current: None,
        };
        let all = data.insert_group(ALL);
        let ungrouped = data.insert_group(UNGROUPED);
        data.link(all, ungrouped, None);
        data
    }
}

impl Data {
    pub fn group(&self, name: &str) -> Option<GroupId> {
        self.groups.get_index_of(name).map(GroupId)
    }

    pub fn host(&self, name: &str) -> Option<HostId> {
        self.hosts.get_index_of(name).map(HostId)
    }

    /// Adds a group, or finds it.
    pub fn add_group(&mut self, name: &str, at: &Location) -> Result<GroupId, Problem> {
        if name.is_empty() {
            return Err(Problem::at(at, "the name of a group is empty"));
        }
        Ok(self.insert_group(name))
    }

    fn insert_group(&mut self, name: &str) -> GroupId {
        if let Some(group) = self.group(name) {
            return group;
        }
        GroupId(self.groups.insert_full(name.to_owned(), Group::default()).0)
    }

    /// Adds a host, or finds it, and puts it into a group. The port behind its name counts at its first mention.
    pub fn add_host(
        &mut self,
        name: &str,
        group: Option<GroupId>,
        port: Option<Node>,
        at: &Location,
    ) -> Result<HostId, Problem> {
        if name.is_empty() {
            return Err(Problem::at(at, "the name of a host is empty"));
        }
        let host = match self.host(name) {
            Some(host) => host,
            None => self.new_host(name, port, at)?,
        };
        if let Some(group) = group {
            self.add_member(group, host);
        }
        Ok(host)
    }

    fn new_host(&mut self, name: &str, port: Option<Node>, at: &Location) -> Result<HostId, Problem> {
        if self.hosts.len() >= MAX_HOSTS {
            return Err(Problem::at(
                at,
                format!("the inventory holds more than {MAX_HOSTS} hosts"),
            ));
        }
        let host = Host {
            at: at.clone(),
            vars: port.map(|port| ("ansible_port".to_owned(), port)).into_iter().collect(),
            origin: self.current.clone(),
        };
        Ok(HostId(self.hosts.insert_full(name.to_owned(), host).0))
    }

    /// Puts a host into a group.
    pub fn add_member(&mut self, group: GroupId, host: HostId) {
        if let Some((_, group)) = self.groups.get_index_mut(group.0) {
            group.hosts.insert(host);
        }
    }

    /// Makes a group the child of another.
    pub fn add_child(&mut self, parent: GroupId, child: GroupId, at: &Location) -> Result<(), Problem> {
        if parent == child {
            let name = self.groups.get_index(child.0).map_or("", |(name, _)| name);
            return Err(Problem::at(at, format!("group {name} cannot be its own child")));
        }
        self.link(parent, child, Some(at));
        Ok(())
    }

    pub(super) fn link(&mut self, parent: GroupId, child: GroupId, at: Option<&Location>) {
        if let Some((_, group)) = self.groups.get_index_mut(parent.0) {
            group.children.entry(child).or_insert_with(|| at.cloned());
        }
    }

    /// Sets a group's variable, or its priority. Of maps of one name the later replaces the earlier.
    pub fn set_group_variable(&mut self, group: GroupId, name: &str, node: Node) -> Result<(), Problem> {
        let Some((_, group)) = self.groups.get_index_mut(group.0) else {
            return Ok(());
        };
        if name == PRIORITY {
            group.priority = priority(&node)?;
            let value = Value::Int(group.priority);
            group.said_priority = (group.priority != 1).then_some((PRIORITY, Node { value, ..node }));
        } else {
            group.vars.insert(name.to_owned(), node);
        }
        Ok(())
    }

    /// Sets a host's variable.
    pub fn set_host_variable(&mut self, host: HostId, name: &str, value: Node) {
        if let Some((_, host)) = self.hosts.get_index_mut(host.0) {
            host.vars.insert(name.to_owned(), value);
        }
    }

    /// Sets a variable of the group of this name, else of the host: Ansible asks in this order, whatever was meant.
    pub fn set_variable(&mut self, entity: &str, name: &str, value: Node) -> Result<(), Problem> {
        match (self.group(entity), self.host(entity)) {
            (Some(group), _) => self.set_group_variable(group, name, value),
            (None, Some(host)) => {
                self.set_host_variable(host, name, value);
                Ok(())
            }
            (None, None) => Err(Problem::at(
                &value.at,
                format!("there is no group or host named {entity}"),
            )),
        }
    }
}

/// As Python's `int()` reads it.
fn priority(value: &Node) -> Result<i128, Problem> {
    let number = match &value.value {
        Value::Int(number) => Some(*number),
        Value::Bool(yes) => Some(i128::from(*yes)),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "int() cuts fractions off, and `as` keeps within bounds"
        )]
        Value::Float(number) if number.is_finite() => Some(number.trunc() as i128),
        Value::String(text) => text.trim().replace('_', "").parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Problem::at(&value.at, "ansible_group_priority is a number"))
}
