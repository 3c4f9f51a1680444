//! The keys of a map, read one by one so that every mistake among them is found.

use super::setting::{Keyword, Setting};
use crate::problem::{Problem, nearest};
use crate::template::needs_rendering;
use crate::yaml::{Node, Value};

/// A map under reading.
pub(super) struct Fields<'n> {
    map: &'n Node,
    pub problems: Vec<Problem>,
}

impl<'n> Fields<'n> {
    pub fn of(map: &'n Node) -> Self {
        Self {
            map,
            problems: Vec::new(),
        }
    }

    /// All keys with their values.
    pub fn entries(&self) -> &'n [(Node, Node)] {
        match &self.map.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key, a null too.
    pub fn find_even_null(&self, key: &str) -> Option<&'n Node> {
        self.map.get(key)
    }

    /// The value of a key; to Ansible, a null is as good as none.
    pub fn find(&self, key: &str) -> Option<&'n Node> {
        self.find_even_null(key).filter(|node| node.value != Value::Null)
    }

    /// A result without its problems, which are noted.
    pub fn note<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.problems.extend(problems)).ok()
    }

    /// What `read` makes of a key's value.
    pub fn read<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<T, Problem>) -> Option<T> {
        let result = read(self.find(key)?).map_err(|problem| vec![problem]);
        self.note(result)
    }

    /// What `read` makes of a key's value that holds several; no key: none.
    pub fn several<T>(&mut self, key: &str, read: impl FnOnce(&Node) -> Result<Vec<T>, Vec<Problem>>) -> Vec<T> {
        let result = self.find(key).map_or(Ok(Vec::new()), read);
        self.note(result).unwrap_or_default()
    }

    /// A keyword that shapes the rollout.
    pub fn setting<T: Keyword>(&mut self, key: &'static str) -> Option<Setting<T>> {
        let result = Setting::read(self.find(key)?, key);
        self.note(result)
    }

    /// A value for hosts, checked by `check` unless it is a template.
    pub fn checked(&mut self, key: &str, check: impl FnOnce(&Node) -> Result<(), Vec<Problem>>) -> Option<Node> {
        let node = self.find_even_null(key)?;
        let result = if needs_rendering(node) { Ok(()) } else { check(node) };
        self.note(result).map(|()| node.clone())
    }

    /// Refuses all keys but the known ones; `what` names the kind of map.
    pub fn refuse_unknown(&mut self, known: &[&str], what: &str) {
        for (key, _) in self.entries() {
            if !key.as_str().is_some_and(|name| known.contains(&name)) {
                self.problems.push(unknown(key, known, what));
            }
        }
    }
}

/// A key that is not one of the known ones.
pub(super) fn unknown(key: &Node, known: &[&str], what: &str) -> Problem {
    let problem = Problem::at(&key.at, format!("{what} has no key `{}`", key.raw()));
    match key.as_str().and_then(|name| nearest(name, known)) {
        Some(meant) => problem.hint(format!("did you mean `{meant}`?")),
        None => problem.hint(format!("the keys are {}", known.join(", "))),
    }
}
