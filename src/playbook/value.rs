//! Values of keywords: Ansible's own where it has them, without the traps of YAML 1.1.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;

use super::setting::Keyword;
use crate::inventory::{boolean, names_nothing};
use crate::problem::Problem;
use crate::rollout::{BatchSize, OnFailure, Order, Pause, Percentage};
use crate::yaml::{self, Node, Style, Value};

/// The longest wait between batches.
pub const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

const WAIT: RangeInclusive<Duration> = Duration::ZERO..=MAX_PAUSE;

/// The host patterns of a play: each one or several, as after `-l`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

/// Words by which plays are chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tags(pub Vec<String>);

impl Keyword for Hosts {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        let all = items(node);
        if all.is_empty() || node.value == Value::Null {
            let problem = Problem::at(&node.at, format!("{key} is empty"));
            return Err(vec![problem.hint("name groups or hosts; `all` for every host")]);
        }
        collect(all, |item| pattern(item, key)).map(Self)
    }
}

fn pattern(item: &Node, key: &str) -> Result<String, Problem> {
    let text = item.text(&format!("a pattern of {key}"))?;
    if names_nothing(text) {
        return Err(Problem::at(&item.at, format!("a pattern of {key} is empty")));
    }
    Ok(text.to_owned())
}

impl Keyword for Vec<BatchSize> {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        collect(items(node), |item| batch_size(item, key))
    }
}

fn batch_size(item: &Node, key: &str) -> Result<BatchSize, Problem> {
    let size = match &item.value {
        Value::Int(number) => {
            whole(item, *number, key)?;
            u32::try_from(*number).ok().map(BatchSize::Hosts)
        }
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    size.ok_or_else(|| {
        let message = format!(
            "{key}: {} is neither a number of hosts nor a share of them",
            shown(item)
        );
        Problem::at(&item.at, message)
            .hint("write a number such as 3 (0: all that are left), a share such as \"25%\", or a list of both")
    })
}

impl Keyword for Percentage {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        percentage(node, key).map(Self).map_err(|problem| vec![problem])
    }
}

fn percentage(node: &Node, key: &str) -> Result<f64, Problem> {
    let number = match &node.value {
        Value::Int(number) => {
            whole(node, *number, key)?;
            i32::try_from(*number).ok().map(f64::from)
        }
        Value::Float(number) => Some(*number),
        Value::String(text) => text.trim().trim_end_matches('%').trim_end().parse().ok(),
        _ => None,
    };
    // Not a number is in no range.
    number.filter(|number| (0.0..=100.0).contains(number)).ok_or_else(|| {
        Problem::at(&node.at, format!("{key}: {} is no percentage", shown(node))).hint("write a number from 0 to 100")
    })
}

impl Keyword for bool {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        boolean(node, key).map_err(|problem| vec![problem])
    }
}

impl Keyword for u32 {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        count(node, key).map_err(|problem| vec![problem])
    }
}

/// A number from 0, in quotes or not.
pub(super) fn count(node: &Node, key: &str) -> Result<u32, Problem> {
    let number = match &node.value {
        Value::Int(number) => {
            whole(node, *number, key)?;
            u32::try_from(*number).ok()
        }
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| Problem::at(&node.at, format!("{key}: {} is no number from 0", shown(node))))
}

impl Keyword for Order {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        one_of(node, key, &Self::ALL).map_err(|problem| vec![problem])
    }
}

impl Keyword for OnFailure {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        one_of(node, key, &Self::ALL).map_err(|problem| vec![problem])
    }
}

fn one_of<T: Copy>(node: &Node, key: &str, all: &[(&'static str, T)]) -> Result<T, Problem> {
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let written = node.text(key)?;
    let found = all.iter().find(|(name, _)| *name == written).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let problem = Problem::at(&node.at, format!("{key}: there is no `{written}`"));
        problem.hint(format!("write one of {}", names.join(", ")))
    })
}

impl Keyword for Pause {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        if node.as_str() == Some("confirm") {
            return Ok(Self::Confirm);
        }
        time(node, key, &WAIT)
            .map(Self::For)
            .map_err(|problem| vec![problem.hint("write a time such as 30s or 5m, or `confirm` to be asked")])
    }
}

impl Keyword for Duration {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        time(node, key, &WAIT).map_err(|problem| vec![problem])
    }
}

/// `30s`, `1m 30s`, or a number of seconds.
pub(super) fn time(node: &Node, key: &str, range: &RangeInclusive<Duration>) -> Result<Duration, Problem> {
    let time = match &node.value {
        Value::Int(number) => {
            whole(node, *number, key)?;
            u64::try_from(*number).ok().map(Duration::from_secs)
        }
        Value::String(text) => spelled(text),
        _ => None,
    };
    let Some(time) = time else {
        return Err(Problem::at(&node.at, format!("{key}: {} is not a time", shown(node)))
            .hint("write a time such as 30s or 5m, or seconds"));
    };
    if range.contains(&time) {
        return Ok(time);
    }
    let message = format!(
        "{key}: {} is not between {:?} and {:?}",
        shown(node),
        range.start(),
        range.end()
    );
    Err(Problem::at(&node.at, message))
}

fn spelled(text: &str) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Duration::from_secs);
    }
    SpanParser::new().parse_unsigned_duration(text).ok()
}

impl Keyword for Tags {
    fn read(node: &Node, key: &str) -> Result<Self, Vec<Problem>> {
        if let Some(text) = node.as_str() {
            let words = text.split(',').map(|word| tag(word.trim(), node, key));
            return words
                .collect::<Result<_, _>>()
                .map(Self)
                .map_err(|problem| vec![problem]);
        }
        let Value::List(items) = &node.value else {
            let problem = Problem::at(&node.at, format!("{key} is {}, and must be a list", node.value.kind()));
            return Err(vec![problem.hint("write `tags: [first, second]`")]);
        };
        collect(items, |item| match &item.value {
            Value::Int(_) => Ok(item.raw().to_owned()),
            _ => tag(item.text("a tag")?, item, key),
        })
        .map(Self)
    }
}

fn tag(word: &str, at: &Node, key: &str) -> Result<String, Problem> {
    if word.is_empty() {
        return Err(Problem::at(&at.at, format!("{key}: a tag is empty")));
    }
    Ok(word.to_owned())
}

/// A list's items; anything else is a list of one.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// What `read` makes of each item, or all that is wrong with them.
pub(super) fn collect<T>(items: &[Node], read: impl Fn(&Node) -> Result<T, Problem>) -> Result<Vec<T>, Vec<Problem>> {
    let mut problems = Vec::new();
    let values = items
        .iter()
        .filter_map(|item| read(item).map_err(|problem| problems.push(problem)).ok());
    let values: Vec<T> = values.collect();
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// Refuses a number that does not look like what YAML 1.1 makes of it: `010` is 8, and `1:30` is 90.
fn whole(node: &Node, number: i128, key: &str) -> Result<(), Problem> {
    let raw = node.raw();
    let is_as_written =
        node.style != Style::Plain || yaml::resolve(raw).as_ref() != Ok(&node.value) || raw == number.to_string();
    if is_as_written {
        return Ok(());
    }
    let problem = Problem::at(&node.at, format!("{key}: `{raw}` is the number {number} to YAML"));
    Err(problem.hint("write a decimal number, or put the text in quotes"))
}

/// A value as a message names it.
fn shown(node: &Node) -> String {
    match &node.value {
        Value::List(_) | Value::Map(_) | Value::Null | Value::Vault(_) => node.value.kind().to_owned(),
        _ => format!("`{}`", node.as_str().unwrap_or(node.raw())),
    }
}
