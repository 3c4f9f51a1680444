//! Inventories in YAML or JSON, as Ansible's `yaml` plugin reads them.

use std::sync::Arc;

use crate::inventory::data::{Data, GroupId};
use crate::inventory::names;
use crate::inventory::variables::is_ours;
use crate::problem::{Location, Problem, Source, nearest};
use crate::yaml::{self, Node, Style, Value};

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

/// Adds what a source describes. What was read before the first thing that is wrong stays.
pub(super) fn read(source: &Arc<Source>, data: &mut Data) -> Result<(), Refused> {
    let document = yaml::load(source).map_err(Refused::Wrong)?;
    data.warnings.extend(document.warnings);
    let root = document.root;
    if is_falsy(&root.value) {
        return Err(Refused::Empty);
    }
    let Value::Map(groups) = &root.value else {
        let message = format!("an inventory is a map of groups, and this is {}", root.value.kind());
        return Err(Problem::at(&root.at, message).into());
    };
    if let Some(plugin) = root.get("plugin").filter(|plugin| !is_falsy(&plugin.value)) {
        return Err(Refused::Plugin(plugin.clone()));
    }
    let mut reader = Reader { data };
    for (name, body) in groups.iter() {
        reader.group(name, body)?;
    }
    Ok(())
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
}

impl Reader<'_> {
    /// Reads a group, or more of it. `None` for what is none, with a warning.
    fn group(&mut self, key: &Node, body: &Node) -> Result<Option<GroupId>, Problem> {
        let entries = match &body.value {
            Value::Map(entries) => entries.as_ref(),
            Value::Null => &[],
            other => {
                let message = format!("`{}` is skipped: a group is a map, and this is {}", key.raw(), other.kind());
                self.skipped(key, message, &[]);
                return Ok(None);
            }
        };
        let name = name(key, "group")?;
        let group = self.data.add_group(name, &key.at)?;
        for (key, value) in entries {
            self.section(name, group, key, value)?;
        }
        Ok(Some(group))
    }

    fn section(&mut self, name: &str, group: GroupId, key: &Node, body: &Node) -> Result<(), Problem> {
        let Some(section) = key.as_str().filter(|key| KEYS.contains(key)) else {
            let message = format!("`{}` in group {name} is skipped: it is not hosts, children or vars", key.raw());
            self.skipped(key, message, &KEYS);
            return Ok(());
        };
        let alone;
        let entries = match &body.value {
            Value::Map(entries) => entries.as_ref(),
            Value::Null => return Ok(()),
            Value::String(_) => {
                let nothing = Node {
                    value: Value::Null,
                    ..body.clone()
                };
                alone = [(body.clone(), nothing)];
                &alone
            }
            other => {
                let message = format!("{section} of group {name} is {}, and must be a map", other.kind());
                let hint = "write each name on a line of its own, with a colon behind it";
                return Err(Problem::at(&body.at, message).hint(hint));
            }
        };
        for (key, value) in entries {
            match section {
                "vars" => self.group_variable(name, key, value)?,
                "hosts" => self.hosts(group, key, value)?,
                _ => self.child(name, group, key, value)?,
            }
        }
        Ok(())
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

    fn child(&mut self, parent_name: &str, parent: GroupId, key: &Node, body: &Node) -> Result<(), Problem> {
        if let Some(child) = self.group(key, body)? {
            return self.data.add_child(parent, child, &key.at);
        }
        // Ansible goes on with the name alone, which then must be that of a group or a host.
        let name = name(key, "group")?;
        match (self.data.group(name), self.data.host(name)) {
            (Some(child), _) => self.data.add_child(parent, child, &key.at),
            (None, Some(host)) => {
                self.data.add_member(parent, host);
                Ok(())
            }
            (None, None) => Err(Problem::at(
                &key.at,
                format!("child {name} of group {parent_name} is neither a group nor a host"),
            )),
        }
    }

    fn group_variable(&mut self, group: &str, key: &Node, value: &Node) -> Result<(), Problem> {
        self.data.set_variable(group, name(key, "variable")?, value.clone())
    }

    fn hosts(&mut self, group: GroupId, key: &Node, vars: &Node) -> Result<(), Problem> {
        let (hosts, port) = expand(key)?;
        let entries = match &vars.value {
            Value::Map(entries) => entries.as_ref(),
            other if is_falsy(other) => &[],
            other => {
                let message = format!("variables are a map, and this is {}", other.kind());
                return Err(Problem::at(&vars.at, message));
            }
        };
        for host in hosts {
            let port = port.map(|port| port_node(key, port));
            self.data.add_host(&host, Some(group), port, &key.at)?;
            for (key, value) in entries {
                self.data.set_variable(&host, name(key, "variable")?, value.clone())?;
            }
        }
        Ok(())
    }
}

fn expand(key: &Node) -> Result<(Vec<String>, Option<u16>), Problem> {
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

/// The port behind a host's name, as the variable that it stands for.
fn port_node(key: &Node, port: u16) -> Node {
    let digits = port.to_string();
    let text = key.as_str().unwrap_or_default();
    let at: Location = key.part(text.len().saturating_sub(digits.len())..text.len());
    Node {
        value: Value::Int(port.into()),
        at,
        style: Style::Quoted,
    }
}
