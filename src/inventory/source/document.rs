//! Inventories in YAML or JSON, as Ansible's `yaml` plugin reads them.

use std::sync::Arc;

use crate::inventory::data::{Data, GroupId};
use crate::inventory::names::{self, Names};
use crate::inventory::variables::is_ours;
use crate::inventory::vars_files::key_text;
use crate::problem::{Problem, Source, nearest};
use crate::yaml::{self, Node, Value};

const KEYS: [&str; 3] = ["hosts", "children", "vars"];

/// Why a document is no inventory of groups.
#[derive(Debug)]
pub(super) enum Refused {
    /// It configures this inventory plugin.
    Plugin(Node),
    /// It holds nothing.
    Empty,
    /// It is no YAML, or YAML of another shape.
    Wrong(Vec<Problem>),
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Wrong(vec![problem])
    }
}

/// Adds what a source describes. What is not wrong in it is added all the same.
pub(super) fn read(source: &Arc<Source>, data: &mut Data) -> Result<(), Refused> {
    let document = yaml::load(source).map_err(Refused::Wrong)?;
    data.warnings.extend(document.warnings);
    let root = document.root;
    if is_falsy(&root.value) {
        return Err(Refused::Empty);
    }
    let Value::Map(_) = &root.value else {
        let message = format!("an inventory is a map of groups, and this is {}", root.value.kind());
        return Err(Problem::at(&root.at, message).into());
    };
    if let Some(plugin) = root.get("plugin").filter(|plugin| !is_falsy(&plugin.value)) {
        return Err(Refused::Plugin(plugin.clone()));
    }
    let problems = Vec::new();
    let mut reader = Reader { data, problems };
    for (name, body) in root.into_entries() {
        reader.group(&name, body);
    }
    if reader.problems.is_empty() {
        Ok(())
    } else {
        Err(Refused::Wrong(reader.problems))
    }
}

/// What Python takes for false.
pub(in crate::inventory) fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::String(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Int(_) | Value::Timestamp(_) | Value::Vault(_) => false,
    }
}

struct Reader<'d> {
    data: &'d mut Data,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    /// The value, or nothing when something is wrong, which is kept.
    fn sound<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// Reads a group, or more of it. `None` for what is none.
    fn group(&mut self, key: &Node, body: Node) -> Option<GroupId> {
        match &body.value {
            Value::Map(_) | Value::Null => {}
            other => {
                let message = format!(
                    "`{}` is skipped: a group is a map, and this is {}",
                    key.raw(),
                    other.kind()
                );
                self.skipped(key, message, &[]);
                return None;
            }
        }
        let name = self.sound(name(key, "group"))?;
        let added = self.data.add_group(name, &key.at);
        let group = self.sound(added)?;
        for (key, value) in body.into_entries() {
            self.section(name, group, &key, value);
        }
        Some(group)
    }

    fn section(&mut self, name: &str, group: GroupId, key: &Node, body: Node) {
        let Some(section) = key.as_str().filter(|key| KEYS.contains(key)) else {
            let message = format!(
                "`{}` in group {name} is skipped: it is not hosts, children or vars",
                key.raw()
            );
            self.skipped(key, message, &KEYS);
            return;
        };
        for (key, value) in self.entries(section, name, body) {
            match section {
                "vars" => self.group_variable(name, &key, value),
                "hosts" => self.hosts(group, &key, value),
                _ => self.child(name, group, &key, value),
            }
        }
    }

    /// The entries of a section: a map, nothing, or one name.
    fn entries(&mut self, section: &str, group: &str, body: Node) -> Vec<(Node, Node)> {
        match &body.value {
            Value::Map(_) | Value::Null => body.into_entries(),
            Value::String(_) => {
                let value = Value::Null;
                vec![(body.clone(), Node { value, ..body })]
            }
            other => {
                let message = format!("{section} of group {group} is {}, and must be a map", other.kind());
                let hint = "write each name on a line of its own, with a colon behind it";
                self.problems.push(Problem::at(&body.at, message).hint(hint));
                Vec::new()
            }
        }
    }

    /// Something where no such thing belongs. Ansible passes over it; if it looks like a variable, a mapping may get
    /// lost.
    fn skipped(&mut self, key: &Node, message: String, known: &[&str]) {
        let name = key.as_str().unwrap_or_default();
        let problem = Problem::at(&key.at, message);
        if is_ours(name) || name.starts_with("ansible_") {
            let hint = format!("`{name}` is a variable: it belongs under `vars:` of a group, or under a host");
            self.data.lost.push(problem.hint(hint));
            return;
        }
        self.data.warnings.push(match nearest(name, known) {
            Some(word) => problem.hint(format!("did you mean `{word}`?")),
            None => problem,
        });
    }

    fn child(&mut self, parent_name: &str, parent: GroupId, key: &Node, body: Node) {
        let before = self.problems.len();
        let child = self.group(key, body);
        if child.is_none() && self.problems.len() > before {
            return;
        }
        // Of what is no group Ansible goes on with the name, which then must be that of a group or a host.
        let Some(name) = self.sound(name(key, "group")) else {
            return;
        };
        match (child.or_else(|| self.data.group(name)), self.data.host(name)) {
            (Some(child), _) => {
                let added = self.data.add_child(parent, child, &key.at);
                self.sound(added);
            }
            (None, Some(host)) => self.data.add_member(parent, host),
            (None, None) => {
                let message = format!("child {name} of group {parent_name} is neither a group nor a host");
                self.problems.push(Problem::at(&key.at, message));
            }
        }
    }

    fn group_variable(&mut self, group: &str, key: &Node, value: Node) {
        let set = self.data.set_variable(group, &key_text(key), value);
        self.sound(set);
    }

    fn hosts(&mut self, group: GroupId, key: &Node, vars: Node) {
        let Some(names) = self.sound(expand(key)) else { return };
        let port = names.port.map(|port| {
            let at = key.part(port.digits.clone());
            port.node(at)
        });
        let vars = self.variables(vars);
        if names.hosts.is_empty() {
            let message = format!("`{}` names no hosts: its range ends before it begins", key.raw());
            self.data.warnings.push(Problem::at(&key.at, message));
        }
        let Some((last, others)) = names.hosts.split_last() else {
            return;
        };
        for host in others {
            self.host(host, group, port.clone(), key, vars.clone());
        }
        self.host(last, group, port, key, vars);
    }

    fn host(&mut self, name: &str, group: GroupId, port: Option<Node>, key: &Node, vars: Vec<(String, Node)>) {
        let added = self.data.add_host(name, Some(group), port, &key.at);
        if self.sound(added).is_none() {
            return;
        }
        for (variable, value) in vars {
            let set = self.data.set_variable(name, &variable, value);
            self.sound(set);
        }
    }

    fn variables(&mut self, body: Node) -> Vec<(String, Node)> {
        match &body.value {
            Value::Map(_) => {}
            other if is_falsy(other) => {}
            other => {
                let message = format!("variables are a map, and this is {}", other.kind());
                self.problems.push(Problem::at(&body.at, message));
            }
        }
        let named = |(key, value): (Node, Node)| (key_text(&key), value);
        body.into_entries().into_iter().map(named).collect()
    }
}

fn expand(key: &Node) -> Result<Names, Problem> {
    let name = name(key, "host")?;
    names::expand(name).map_err(|why| Problem::at(&key.at, format!("`{name}`: {why}")))
}

/// A key that is a name.
fn name<'n>(key: &'n Node, what: &str) -> Result<&'n str, Problem> {
    match key.as_str() {
        None => Err(not_text(key, what)),
        Some("") => Err(Problem::at(&key.at, format!("the name of a {what} is empty"))),
        Some(name) => Ok(name),
    }
}

fn not_text(key: &Node, what: &str) -> Problem {
    let message = format!("the name of a {what} is text, and this is {}", key.value.kind());
    Problem::at(&key.at, message).hint(format!("put it in quotes: \"{}\"", key.raw()))
}
