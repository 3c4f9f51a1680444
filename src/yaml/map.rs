//! Maps as `PyYAML` builds them: merge keys, and keys that stand twice.

use std::collections::HashMap;

use super::build::Built;
use super::{Node, Value};
use crate::problem::{Location, Problem};

/// What is wrong with a document, or hardly meant.
#[derive(Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// A map's entries: merged ones first, then its own, as `PyYAML` does.
    pub fn map(&mut self, items: Vec<Built>) -> Vec<(Node, Node)> {
        let mut merged = Entries::default();
        let mut own = Entries::default();
        let mut items = items.into_iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            if key.merges {
                self.merge(&value.node, &mut merged);
            } else if let Some(earlier) = self.insert(&mut own, key.node.clone(), value.node) {
                self.warnings.push(duplicate(&key.node, &earlier));
            }
        }
        for (key, value) in own.list {
            self.insert(&mut merged, key, value);
        }
        merged.list
    }

    /// The keys of a map, or of several, of which the first wins.
    fn merge(&mut self, value: &Node, into: &mut Entries) {
        let maps = match &value.value {
            Value::List(maps) => maps.iter().rev().collect(),
            _ => vec![value],
        };
        for map in maps {
            let Value::Map(entries) = &map.value else {
                let message = format!("`<<` merges maps, and this is {}", map.value.kind());
                self.problems.push(Problem::at(&map.at, message));
                continue;
            };
            for (key, value) in entries.iter() {
                self.insert(into, key.clone(), value.clone());
            }
        }
    }

    fn insert(&mut self, entries: &mut Entries, key: Node, value: Node) -> Option<Location> {
        let Some(id) = identity(&key.value) else {
            self.problems.push(no_key(&key));
            return None;
        };
        entries.insert(id, key, value)
    }
}

/// The entries of a map under way.
#[derive(Default)]
struct Entries {
    list: Vec<(Node, Node)>,
    places: HashMap<String, usize>,
}

impl Entries {
    /// The last value of a key wins and keeps the first one's position. Returns where the key stood before.
    fn insert(&mut self, id: String, key: Node, value: Node) -> Option<Location> {
        let next = self.list.len();
        let place = *self.places.entry(id).or_insert(next);
        if let Some(entry) = self.list.get_mut(place) {
            let earlier = std::mem::replace(entry, (key, value));
            return Some(earlier.0.at);
        }
        self.list.push((key, value));
        None
    }
}

/// What makes two keys the same; `None` for lists and maps, which cannot be keys.
fn identity(value: &Value) -> Option<String> {
    match value {
        Value::List(_) | Value::Map(_) => None,
        Value::String(text) => Some(format!("s{text}")),
        other => Some(format!("{other:?}")),
    }
}

/// `port: {{ ssh_port }}` is a map in a map to YAML; who writes it means a template.
fn no_key(key: &Node) -> Problem {
    let problem = Problem::at(&key.at, format!("{} cannot be a key", key.value.kind()));
    let before = key.at.source.text.get(..key.at.span.start).unwrap_or_default();
    if before.ends_with('{') && key.raw().starts_with('{') {
        return problem.hint("a template would need quotes around it, and templates are not supported yet");
    }
    problem
}

fn duplicate(key: &Node, earlier: &Location) -> Problem {
    Problem::at(
        &key.at,
        format!("the key `{}` stands twice in one map; the last one wins", key.raw()),
    )
    .label(format!("first at {earlier}"))
}
