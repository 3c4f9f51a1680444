//! Maps as `PyYAML` builds them: merge keys, and keys that stand twice.

use std::cmp::Ordering;

use super::build::{Built, Sign};
use super::scan::{Result, Stop};
use super::{Node, Value};
use crate::problem::Problem;

/// Nobody reads more problems of one file, and each takes memory.
const MAX_PROBLEMS: usize = 1000;
/// Nobody reads more warnings of one file, and each takes time: it names a line.
const MAX_WARNINGS: usize = 100;

/// The keys and values of a map.
pub(super) type Entries = Vec<(Node, Node)>;

/// What is wrong with a document, or hardly meant.
#[derive(Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Findings {
    /// Adds a problem that does not end the reading, unless there are too many.
    pub fn add(&mut self, problem: Problem) -> Result<()> {
        if self.problems.len() >= MAX_PROBLEMS {
            return Err(Stop::from(problem));
        }
        self.problems.push(problem);
        Ok(())
    }

    /// A map's entries: merged ones first, then its own, as `PyYAML` does.
    pub fn map(&mut self, pairs: Vec<(Built, Node)>) -> Result<Vec<(Node, Node)>> {
        let mut merged = Vec::new();
        let mut own = Vec::with_capacity(pairs.len());
        for (mut key, value) in pairs {
            match key.sign {
                Some(Sign::Merge) => self.merge(&value, &mut merged)?,
                Some(Sign::Default) => {
                    key.node.value = Value::String("=".to_owned());
                    own.push((key.node, value));
                }
                None if is_key(&key.node.value) => own.push((key.node, value)),
                None => self.add(no_key(&key.node))?,
            }
        }
        let (own, duplicates) = unique(own);
        for (key, first) in &duplicates {
            if self.warnings.len() < MAX_WARNINGS {
                self.warnings.push(duplicate(key, first));
            }
        }
        if merged.is_empty() {
            return Ok(own);
        }
        merged.extend(own);
        Ok(unique(merged).0)
    }

    /// The keys of a map, or of several, of which the first wins.
    fn merge(&mut self, value: &Node, into: &mut Vec<(Node, Node)>) -> Result<()> {
        let maps = match &value.value {
            Value::List(maps) => &**maps,
            _ => std::slice::from_ref(value),
        };
        for map in maps.iter().rev() {
            let Value::Map(entries) = &map.value else {
                let message = format!("`<<` merges maps, and this is {}", map.value.kind());
                self.add(Problem::at(&map.at, message))?;
                continue;
            };
            into.extend(entries.iter().cloned());
        }
        Ok(())
    }
}

/// The first key and the last value of those that are equal, where the first one stood; and the later keys, each
/// with the first one.
pub(super) fn unique(entries: Entries) -> (Entries, Vec<(Node, Node)>) {
    let compare = |a: &(Node, Node), b: &(Node, Node)| compare(&a.0.value, &b.0.value);
    if entries.is_sorted_by(|a, b| compare(a, b) == Ordering::Less) {
        return (entries, Vec::new());
    }
    let mut sorted: Vec<(usize, &(Node, Node))> = entries.iter().enumerate().collect();
    sorted.sort_by(|(_, a), (_, b)| compare(a, b));
    if sorted.is_sorted_by(|(_, a), (_, b)| compare(a, b) == Ordering::Less) {
        return (entries, Vec::new());
    }
    let mut last: Vec<Option<Node>> = vec![None; entries.len()];
    let mut duplicates = Vec::new();
    for equal in sorted.chunk_by(|(_, a), (_, b)| compare(a, b) == Ordering::Equal) {
        if let ([(place, first), more @ ..], Some((_, winner))) = (equal, equal.last()) {
            if let Some(value) = last.get_mut(*place) {
                *value = Some(winner.1.clone());
            }
            duplicates.extend(more.iter().map(|(at, later)| (*at, later.0.clone(), first.0.clone())));
        }
    }
    duplicates.sort_by_key(|(at, ..)| *at);
    let winners = entries.into_iter().zip(last);
    (
        winners.filter_map(|((key, _), value)| Some((key, value?))).collect(),
        duplicates.into_iter().map(|(_, later, first)| (later, first)).collect(),
    )
}

/// Python's keys: numbers are equal whatever their type, and the rest to its own kind only.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::String(a), Value::String(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => (kind(a), kind(b)).cmp(&(kind(b), kind(a))).then_with(|| number(a, b)),
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Int(_) => 1,
        Value::Float(float) if whole(*float).is_some() => 1,
        Value::Float(_) => 2,
        Value::String(_) => 3,
        _ => 4,
    }
}

fn number(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) if whole(*a).is_none() => a.total_cmp(b),
        _ => integer(a).cmp(&integer(b)),
    }
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(value) => Some(i128::from(*value)),
        Value::Int(value) => Some(*value),
        Value::Float(value) => whole(*value),
        _ => None,
    }
}

/// The integer that a float is equal to.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a float without a fraction in these bounds is an integer"
)]
fn whole(float: f64) -> Option<i128> {
    (float.fract() == 0.0 && float.abs() < 1e38).then_some(float as i128)
}

fn is_key(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Map(_) | Value::Vault(_))
}

/// `port: {{ ssh_port }}` is a map in a map to YAML; who writes it means a template.
fn no_key(key: &Node) -> Problem {
    let problem = Problem::at(&key.at, format!("{} cannot be a key", key.value.kind()));
    let before = key.at.source.text.get(..key.at.span.start).unwrap_or_default();
    if before.ends_with('{') && key.raw().starts_with('{') {
        return problem.hint("put quotes around the template: \"{{ … }}\"");
    }
    problem
}

fn duplicate(key: &Node, first: &Node) -> Problem {
    Problem::at(
        &key.at,
        format!("the key `{}` stands twice in one map; the last one wins", key.raw()),
    )
    .label(format!("first at {}", first.at))
}
