//! The long form of a mapping: a map with a key for everything.

use ipnet::IpNet;

use super::parse::{Written, bare, check_lengths};
use super::{Direct, Mapping, PortRange, Protocol, port, value};
use crate::problem::{Problem, nearest};
use crate::yaml::{Node, Value};

/// The keys of a mapping's long form.
pub const KEYS: [&str; 9] = [
    "name",
    "port",
    "to_port",
    "protocol",
    "source",
    "interface",
    "direct",
    "direct_source",
    "loopback",
];

/// The long form, read key by key so that every mistake in it is found.
pub(super) struct Fields<'a> {
    item: &'a Node,
    entries: &'a [(Node, Node)],
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    pub fn of(item: &'a Node, entries: &'a [(Node, Node)]) -> Self {
        Self {
            item,
            entries,
            problems: Vec::new(),
        }
    }

    pub fn read(mut self) -> Result<Written, Vec<Problem>> {
        self.refuse_unknown_keys();
        let name = self.field("name", |node| {
            node.text("name").and_then(|name| value::name(name, node))
        });
        let port = self.required("port", |node| port::range(node, "port"));
        let to_port = self.required("to_port", |node| port::range(node, "to_port"));
        let protocol = self.field("protocol", |node| value::protocol(node.text("protocol")?, &node.at));
        let source = self.nets("source");
        let interface = self.field("interface", |node| {
            node.text("interface").and_then(|name| value::interface(name, node))
        });
        let direct = self.field("direct", value::direct);
        let direct_source = self.nets("direct_source");
        let loopback = self.field("loopback", value::loopback);
        self.refuse_contradictions(port, to_port, direct, &direct_source);
        let (Some(port), Some(to_port), true) = (port, to_port, self.problems.is_empty()) else {
            return Err(self.problems);
        };
        let mapping = Mapping {
            name,
            source,
            interface,
            direct: direct.unwrap_or_default(),
            direct_source,
            loopback: loopback.unwrap_or_default(),
            ..bare(port, to_port, protocol.unwrap_or(Protocol::Tcp))
        };
        Ok(self.written(mapping))
    }

    fn written(&self, mapping: Mapping) -> Written {
        let place = |key| self.item.get(key).map(|node| node.at.clone());
        let whole = self.item.at.clone();
        let to_port = place("to_port").unwrap_or_else(|| whole.clone());
        let direct = place("direct")
            .or_else(|| place("direct_source"))
            .unwrap_or_else(|| to_port.clone());
        Written {
            mapping,
            port: place("port").unwrap_or(whole),
            to_port,
            direct,
        }
    }

    fn refuse_unknown_keys(&mut self) {
        for (key, value) in self.entries {
            if !key.as_str().is_some_and(|name| KEYS.contains(&name)) {
                self.problems.push(unknown_key(key, value));
            }
        }
    }

    fn field<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<T, Problem>) -> Option<T> {
        match read(self.item.get(key)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn required<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<T, Problem>) -> Option<T> {
        let misspelt = || self.entries.iter().any(|(other, _)| stands_for(other, key));
        if self.item.get(key).is_none() && !misspelt() {
            let problem = Problem::at(&self.item.at, format!("this mapping has no `{key}`"));
            self.problems.push(problem.hint("a mapping needs `port` and `to_port`"));
        }
        self.field(key, read)
    }

    fn nets(&mut self, key: &str) -> Vec<IpNet> {
        let Some(node) = self.item.get(key) else {
            return Vec::new();
        };
        let one = [node.clone()];
        let items = match &node.value {
            Value::List(items) => items,
            _ => one.as_slice(),
        };
        if items.is_empty() && key == "source" {
            let problem = Problem::at(&node.at, "source is an empty list: nobody could use the mapping");
            self.problems
                .push(problem.hint("leave `source` out to let anyone use it"));
        }
        let (nets, problems): (Vec<_>, Vec<_>) =
            items.iter().map(|item| value::net(item, key)).partition(Result::is_ok);
        self.problems.extend(problems.into_iter().filter_map(Result::err));
        nets.into_iter().filter_map(Result::ok).collect()
    }

    fn refuse_contradictions(
        &mut self,
        port: Option<PortRange>,
        to_port: Option<PortRange>,
        direct: Option<Direct>,
        direct_source: &[IpNet],
    ) {
        if let (Some(port), Some(to_port), Some(node)) = (port, to_port, self.item.get("to_port")) {
            self.problems.extend(check_lengths(port, to_port, &node.at).err());
        }
        if let (Some(Direct::Allow), false, Some(node)) =
            (direct, direct_source.is_empty(), self.item.get("direct_source"))
        {
            let problem = Problem::at(&node.at, "direct_source limits nothing where `direct` is allow");
            self.problems.push(problem.hint("remove one of the two"));
        }
    }
}

/// Whether a wrong key has already been reported as what should be `key`.
fn stands_for(other: &Node, key: &str) -> bool {
    match &other.value {
        Value::Int(_) => true,
        Value::String(name) => !KEYS.contains(&name.as_str()) && nearest(name, &KEYS) == Some(key),
        _ => false,
    }
}

fn unknown_key(key: &Node, value: &Node) -> Problem {
    let problem = Problem::at(&key.at, format!("a mapping has no key `{}`", key.raw()));
    match (&key.value, &value.value) {
        (Value::Int(_), Value::Int(_)) => problem.hint(format!(
            "put the short form in quotes: `- \"{}:{}\"`",
            key.raw(),
            value.raw()
        )),
        (Value::Int(_), _) if key.raw().contains(':') => {
            problem.hint(format!("put the short form in quotes: `- \"{}\"`", key.raw()))
        }
        (Value::String(name), _) => match nearest(name, &KEYS) {
            Some(known) => problem.hint(format!("did you mean `{known}`?")),
            None => problem.hint(format!("the keys are {}", KEYS.join(", "))),
        },
        _ => problem.hint(format!("the keys are {}", KEYS.join(", "))),
    }
}
