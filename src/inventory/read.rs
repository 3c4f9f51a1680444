//! One source after the other, as written: groups, their hosts, children and variables. As Ansible's `yaml`
//! inventory plugin, stricter where that one skips in silence.

use std::sync::Arc;

use indexmap::{IndexMap, IndexSet};

use super::names;
use super::variables::is_ours;
use crate::problem::{Location, Problem, Source, is_unprintable, nearest};
use crate::yaml::{self, Node, Value};

/// A group as all sources together describe it.
#[derive(Debug)]
pub(super) struct Group {
    pub vars: IndexMap<String, Node>,
    /// `ansible_group_priority`, 1 unless said.
    pub priority: i128,
    /// With the place that says so.
    pub children: IndexMap<String, Location>,
    pub hosts: IndexSet<String>,
}

impl Default for Group {
    fn default() -> Self {
        Self {
            vars: IndexMap::new(),
            priority: 1,
            children: IndexMap::new(),
            hosts: IndexSet::new(),
        }
    }
}

/// A host's own variables.
#[derive(Debug)]
pub(super) struct Single {
    pub at: Location,
    pub vars: IndexMap<String, Node>,
}

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub groups: IndexMap<String, Group>,
    pub hosts: IndexMap<String, Single>,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

const KEYS: [&str; 3] = ["hosts", "children", "vars"];
/// The most hosts of an inventory.
const MAX_HOSTS: usize = 200_000;

impl Draft {
    /// Adds a source.
    pub fn read(&mut self, source: &Arc<Source>) {
        match yaml::read(source) {
            Ok(document) => {
                self.warnings.extend(document.warnings);
                self.top(&document.root);
            }
            Err(problems) => self.problems.extend(problems.into_iter().map(hint_at_ini)),
        }
    }

    fn top(&mut self, root: &Node) {
        let Value::Map(groups) = &root.value else {
            self.no_groups(root);
            return;
        };
        if let Some(plugin) = root.get("plugin").filter(|node| node.as_str().is_some()) {
            let problem = Problem::at(
                &plugin.at,
                "this configures an inventory plugin, and plugins are not supported",
            );
            self.problems
                .push(problem.hint("save what `ansible-inventory --list --yaml` prints, and use that"));
            return;
        }
        for (name, body) in groups.iter() {
            self.group(name, body);
        }
    }

    fn no_groups(&mut self, root: &Node) {
        if root.value == Value::Null {
            self.warnings
                .push(Problem::new(format!("{} is empty", root.at.source.name)));
            return;
        }
        let problem = Problem::at(
            &root.at,
            format!("an inventory is a map of groups, and this is {}", root.value.kind()),
        );
        self.problems.push(hint_at_ini(problem));
    }

    /// Reads a group, or more of it. `None` for what is none.
    fn group(&mut self, key: &Node, body: &Node) -> Option<String> {
        let name = self.name(key, "group")?;
        let entries = match &body.value {
            Value::Map(entries) => entries.as_ref(),
            Value::Null => &[],
            other => {
                let message = format!("`{name}` is skipped: a group is a map, and this is {}", other.kind());
                self.misplaced(key, message, &[]);
                return None;
            }
        };
        self.groups.entry(name.clone()).or_default();
        for (section, value) in entries {
            self.section(&name, section, value);
        }
        Some(name)
    }

    fn section(&mut self, group: &str, key: &Node, body: &Node) {
        match key.as_str() {
            Some("vars") => self.group_vars(group, body),
            Some("hosts") => {
                for (host, vars) in self.entries("hosts", group, body) {
                    self.hosts(group, &host, vars.as_ref());
                }
            }
            Some("children") => {
                for (child, body) in self.entries("children", group, body) {
                    self.child(group, &child, body.as_ref());
                }
            }
            _ => {
                let message = format!(
                    "`{}` in group {group} is skipped: it is not hosts, children or vars",
                    key.raw()
                );
                self.misplaced(key, message, &KEYS);
            }
        }
    }

    /// Something where no such thing belongs: a warning, or an error if a mapping would get lost.
    fn misplaced(&mut self, key: &Node, message: String, known: &[&str]) {
        let name = key.as_str().unwrap_or_default();
        let problem = Problem::at(&key.at, message);
        if is_ours(name) || name.starts_with("ansible_") {
            let hint = format!("`{name}` is a variable: it belongs under `vars:` of a group, or under a host");
            self.problems.push(problem.hint(hint));
            return;
        }
        self.warnings.push(match nearest(name, known) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None => problem,
        });
    }

    /// The entries of `hosts` or `children`: a map, nothing, or one name.
    fn entries(&mut self, section: &str, group: &str, body: &Node) -> Vec<(Node, Option<Node>)> {
        match &body.value {
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| (key.clone(), Some(value.clone())))
                .collect(),
            Value::Null => Vec::new(),
            Value::String(_) => vec![(body.clone(), None)],
            other => {
                let message = format!("{section} of group {group} is {}, and must be a map", other.kind());
                self.problems.push(
                    Problem::at(&body.at, message).hint("write each name on a line of its own, with a colon behind it"),
                );
                Vec::new()
            }
        }
    }

    fn child(&mut self, group: &str, key: &Node, body: Option<&Node>) {
        let nothing = Node {
            value: Value::Null,
            ..key.clone()
        };
        let Some(child) = self.group(key, body.unwrap_or(&nothing)) else {
            return;
        };
        if child == "all" || child == group {
            self.problems.push(Problem::at(
                &key.at,
                format!("group {child} cannot be a child of {group}"),
            ));
            return;
        }
        self.groups
            .entry(group.to_owned())
            .or_default()
            .children
            .entry(child)
            .or_insert_with(|| key.at.clone());
    }

    fn group_vars(&mut self, group: &str, body: &Node) {
        for (name, value) in self.variables(body) {
            let entry = self.groups.entry(group.to_owned()).or_default();
            match (name.as_str(), &value.value) {
                ("ansible_group_priority", Value::Int(priority)) => entry.priority = *priority,
                ("ansible_group_priority", _) => {
                    self.problems
                        .push(Problem::at(&value.at, "ansible_group_priority is a number"));
                }
                _ => {
                    entry.vars.insert(name, value);
                }
            }
        }
    }

    fn hosts(&mut self, group: &str, key: &Node, vars: Option<&Node>) {
        let Some(name) = self.name(key, "host") else {
            return;
        };
        let names = match names::expand(&name) {
            Ok(names) => names,
            Err(why) => {
                self.problems.push(Problem::at(&key.at, format!("`{name}`: {why}")));
                return;
            }
        };
        let vars = vars.map(|body| self.variables(body)).unwrap_or_default();
        let port = names.port.map(|port| {
            let at = key.part(port.digits.clone());
            port.node(at)
        });
        for host in names.hosts {
            self.host(group, key, host, port.as_ref(), &vars);
        }
        if self.hosts.len() > MAX_HOSTS {
            self.problems.push(Problem::at(
                &key.at,
                format!("the inventory holds more than {MAX_HOSTS} hosts"),
            ));
            self.hosts.truncate(MAX_HOSTS);
        }
    }

    /// Adds a host to a group. The port behind its name counts at its first mention.
    fn host(&mut self, group: &str, key: &Node, name: String, port: Option<&Node>, vars: &[(String, Node)]) {
        self.groups
            .entry(group.to_owned())
            .or_default()
            .hosts
            .insert(name.clone());
        let new = || {
            let port = port.map(|port| ("ansible_port".to_owned(), port.clone()));
            Single {
                at: key.at.clone(),
                vars: port.into_iter().collect(),
            }
        };
        self.hosts
            .entry(name)
            .or_insert_with(new)
            .vars
            .extend(vars.iter().cloned());
    }

    fn variables(&mut self, body: &Node) -> Vec<(String, Node)> {
        let entries = match &body.value {
            Value::Map(entries) => entries.as_ref(),
            Value::Null => &[],
            other => {
                self.problems.push(Problem::at(
                    &body.at,
                    format!("variables are a map, and this is {}", other.kind()),
                ));
                &[]
            }
        };
        entries
            .iter()
            .filter_map(|(key, value)| Some((self.name(key, "variable")?, value.clone())))
            .collect()
    }

    /// A key that is a name.
    fn name(&mut self, key: &Node, what: &str) -> Option<String> {
        let problem = match key.as_str() {
            None => not_text(key, what),
            Some("") => Problem::at(&key.at, format!("the name of a {what} is empty")),
            Some(name) if name.chars().any(is_unprintable) => Problem::at(
                &key.at,
                format!("the name of a {what} holds a control or invisible character"),
            ),
            Some(name) => return Some(name.to_owned()),
        };
        self.problems.push(problem);
        None
    }
}

fn not_text(key: &Node, what: &str) -> Problem {
    let message = format!("the name of a {what} is text, and this is {}", key.value.kind());
    Problem::at(&key.at, message).hint(format!("put it in quotes: \"{}\"", key.raw()))
}

fn hint_at_ini(problem: Problem) -> Problem {
    let is_ini = problem.at.as_ref().is_some_and(|at| {
        at.source
            .text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with(['#', ';']))
            .is_some_and(|line| line.starts_with('[') && line.ends_with(']') && !line.contains([',', '"']))
    });
    if !is_ini || problem.hint.is_some() {
        return problem;
    }
    problem.hint("inventories in INI form are not supported yet; convert it with `ansible-inventory --list --yaml`")
}
