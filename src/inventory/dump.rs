//! Inventories as `ansible-inventory` prints them: `--list` in JSON and YAML, `--host`, `--graph`.

mod graph;
mod python;
mod yaml;

use std::collections::{HashMap, HashSet};
use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::ser::{Formatter, PrettyFormatter};

use super::data::{ALL, GroupId, HostId};
use super::graph::hosts_of;
use super::precedence::{Precedence, Var};
use crate::problem::Problem;
use crate::yaml::{Node, Style, Value};

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

/// An inventory to print.
pub(super) struct Dump<'p, 'v> {
    precedence: &'p Precedence<'v>,
    /// The hosts that a limit leaves.
    hosts: Vec<HostId>,
    left: HashSet<HostId>,
}

impl<'p, 'v> Dump<'p, 'v> {
    /// Of these hosts; all groups stay.
    pub fn new(precedence: &'p Precedence<'v>, hosts: Vec<HostId>) -> Self {
        let left = hosts.iter().copied().collect();
        Self {
            precedence,
            hosts,
            left,
        }
    }

    /// All hosts and groups, as `ansible-inventory --list`.
    pub fn list(&self) -> Result<String, Vec<Problem>> {
        let mut vars = Vec::with_capacity(self.hosts.len());
        for &host in &self.hosts {
            vars.push(self.host_vars(host)?);
        }
        let names: Vec<&str> = self.hosts.iter().map(|host| self.host_name(*host)).collect();
        let named = names.iter().zip(&vars).filter(|(_, vars)| !vars.is_empty());
        let mut meta: Vec<(&str, &[Var<'_>])> = named.map(|(name, vars)| (*name, vars.as_slice())).collect();
        meta.sort_unstable_by_key(|(name, _)| *name);
        let mut groups = self.groups();
        groups.sort_unstable_by_key(|(name, ..)| *name);
        Ok(json(&Whole { meta, groups }))
    }

    /// A host's variables, as `ansible-inventory --host`.
    pub fn host(&self, host: HostId) -> Result<String, Vec<Problem>> {
        let vars = self.host_vars(host)?;
        Ok(json(&Plain(&vars)))
    }

    /// The names of the hosts, one a line.
    pub fn names(&self) -> String {
        self.hosts
            .iter()
            .map(|host| format!("{}\n", self.host_name(*host)))
            .collect()
    }

    fn host_vars(&self, host: HostId) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let vars = self.precedence.of(host)?;
        Ok(vars.iter().filter(|var| is_shown(var)).copied().collect())
    }

    fn group_vars(&self, group: GroupId) -> Result<Vec<Var<'v>>, Vec<Problem>> {
        let vars = self.precedence.of_group(group)?;
        Ok(vars.into_iter().filter(is_shown).collect())
    }

    fn host_name(&self, host: HostId) -> &'v str {
        let found = self.precedence.fleet.inventory.data.hosts.get_index(host.0);
        found.map_or("", |(name, _)| name)
    }

    fn group_name(&self, group: GroupId) -> &'v str {
        let found = self.precedence.fleet.inventory.data.groups.get_index(group.0);
        found.map_or("", |(name, _)| name)
    }

    /// The children of a group, and those of its hosts that the limit leaves.
    fn members(&self, group: GroupId) -> (Vec<GroupId>, Vec<HostId>) {
        let Some((_, found)) = self.precedence.fleet.inventory.data.groups.get_index(group.0) else {
            return (Vec::new(), Vec::new());
        };
        let left = found.hosts.iter().copied().filter(|host| self.left.contains(host));
        (found.children.keys().copied().collect(), left.collect())
    }

    /// Every group that has children or hosts, by name: an empty one is only named by its parents.
    fn groups(&self) -> Vec<(&'v str, Vec<&'v str>, Vec<&'v str>)> {
        let ids = (0..self.precedence.fleet.inventory.data.groups.len()).map(GroupId);
        let named = |id: GroupId| {
            let (children, mut hosts) = self.members(id);
            if self.group_name(id) == ALL {
                hosts.clear();
            }
            let children = children.into_iter().map(|child| self.group_name(child)).collect();
            let hosts = hosts.into_iter().map(|host| self.host_name(host)).collect();
            (self.group_name(id), children, hosts)
        };
        ids.map(named)
            .filter(|(_, children, hosts): &(_, Vec<&str>, Vec<&str>)| !children.is_empty() || !hosts.is_empty())
            .collect()
    }

    /// All hosts of the inventory, in the order of `all`.
    pub fn everything(precedence: &Precedence<'_>) -> Vec<HostId> {
        let data = &precedence.fleet.inventory.data;
        data.group(ALL).map_or_else(Vec::new, |all| hosts_of(&data.groups, all))
    }
}

fn is_shown(var: &Var<'_>) -> bool {
    !INTERNAL.contains(&var.name)
}

/// The document of `--list`.
struct Whole<'v> {
    meta: Vec<(&'v str, &'v [Var<'v>])>,
    groups: Vec<(&'v str, Vec<&'v str>, Vec<&'v str>)>,
}

impl Serialize for Whole<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut groups = self.groups.iter().peekable();
        // A group's name may sort before `_meta`.
        while let Some((name, children, hosts)) = groups.next_if(|(name, ..)| *name < "_meta") {
            map.serialize_entry(name, &Members { children, hosts })?;
        }
        map.serialize_entry("_meta", &Meta(&self.meta))?;
        for (name, children, hosts) in groups.filter(|(name, ..)| *name != "_meta") {
            map.serialize_entry(name, &Members { children, hosts })?;
        }
        map.end()
    }
}

struct Members<'v> {
    children: &'v [&'v str],
    hosts: &'v [&'v str],
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, names) in [("children", self.children), ("hosts", self.hosts)] {
            if !names.is_empty() {
                map.serialize_entry(key, names)?;
            }
        }
        map.end()
    }
}

struct Meta<'v>(&'v [(&'v str, &'v [Var<'v>])]);

impl Serialize for Meta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("hostvars", &HostVars(self.0))?;
        map.serialize_entry("profile", "inventory_legacy")?;
        map.end()
    }
}

struct HostVars<'v>(&'v [(&'v str, &'v [Var<'v>])]);

impl Serialize for HostVars<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, vars)| (name, Tagged(vars))))
    }
}

/// Variables where Ansible marks text that is no template.
struct Tagged<'v>(&'v [Var<'v>]);

impl Serialize for Tagged<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|var| {
            (
                var.name,
                Json {
                    node: var.node,
                    tags: true,
                },
            )
        }))
    }
}

/// Variables where it does not.
struct Plain<'v>(&'v [Var<'v>]);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|var| {
            (
                var.name,
                Json {
                    node: var.node,
                    tags: false,
                },
            )
        }))
    }
}

/// A value as Ansible's encoder writes it.
#[derive(Clone, Copy)]
struct Json<'n> {
    node: &'n Node,
    tags: bool,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |node| Json { node, ..*self };
        match &self.node.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i128(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(text) if self.tags && self.node.style == Style::Unsafe => {
                serializer.collect_map([("__ansible_unsafe", text)])
            }
            Value::String(text) | Value::Timestamp(text) => serializer.serialize_str(text),
            Value::Vault(text) => serializer.collect_map([("__ansible_vault", text)]),
            Value::List(items) => serializer.collect_seq(items.iter().map(inner)),
            Value::Map(entries) => serializer.collect_map(sorted(entries).iter().map(|(key, node)| (key, inner(node)))),
        }
    }
}

/// The entries of a map by their keys' text; of equal ones the last.
fn sorted(entries: &[(Node, Node)]) -> Vec<(String, &Node)> {
    let mut by_text: HashMap<String, &Node> = HashMap::with_capacity(entries.len());
    by_text.extend(entries.iter().map(|(key, node)| (key_text(key), node)));
    let mut sorted: Vec<_> = by_text.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    sorted
}

/// A key as Python's `json.dumps` writes those that are no text.
fn key_text(key: &Node) -> String {
    match &key.value {
        Value::String(text) | Value::Timestamp(text) | Value::Vault(text) => text.clone(),
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => python::float(*value),
        Value::List(_) | Value::Map(_) => key.raw().to_owned(),
    }
}

/// Python's `json.dumps(…, indent=4)`.
fn json(value: &impl Serialize) -> String {
    let mut text = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, AsPython::default());
    // A vector takes all bytes, and no value fails to serialize.
    let _ = value.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

/// Four blanks, floats as `repr`, and nothing but ASCII.
struct AsPython(PrettyFormatter<'static>);

impl Default for AsPython {
    fn default() -> Self {
        Self(PrettyFormatter::with_indent(b"    "))
    }
}

impl Formatter for AsPython {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(python::float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if fragment.is_ascii() && !fragment.contains('\u{7f}') {
            return writer.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if c.is_ascii() {
                write!(writer, "{c}")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}
